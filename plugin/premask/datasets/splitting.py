"""Which image goes into which part of a split: by shares, by files of names, by groups."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from premask.errors import InvalidSetting
from premask.images import digest_of
from premask.labels.image_names import ImageNames, steps_of

PART_NAMES = ("train", "val", "test")
BY_FOLDER = "folder"
_IMAGES = ""
"""What images count as, beside their classes: no class has this name in a share."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Parts with their shares, or with the names of their images.

    `by` is "folder", or a regular expression of which the first group (or else what it matches) is
    the key: all images with the same key go into the same part. With `stratified` the parts have
    about the same share of each class. The same `seed` gives the same split, in whatever order the
    images come. `before` says in which parts images were in an earlier split: there they stay, as
    what was trained on must measure nothing.
    """

    shares: Mapping[str, float]
    names: Mapping[str, frozenset[str]] | None = None
    by: str = ""
    stratified: bool = False
    seed: int = 0
    before: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, text: str, *, by: str = "", stratified: bool = False, seed: int = 0) -> Split:
        """From `80,10,10`, or from files that list names, such as `train.txt,val.txt`."""
        words = [word.strip() for word in text.split(",")]
        if by and by != BY_FOLDER:
            try:
                re.compile(by)
            except re.error as error:
                raise InvalidSetting(f"--by '{by}' is no regular expression: {error}.") from error
        if all(Path(word).suffix == ".txt" for word in words):
            return cls(shares={}, names={Path(word).stem: _lines(Path(word)) for word in words})
        try:
            shares = [float(word) for word in words]
        except ValueError:
            shares = []
        if not 2 <= len(shares) <= len(PART_NAMES) or min(shares) < 0 or not sum(shares):
            raise InvalidSetting(
                f"'{text}' is no split. Write the shares of train and val, or of train, val and "
                "test, such as 80,10,10; or files with names, such as train.txt,val.txt."
            )
        named = dict(zip(PART_NAMES, shares, strict=False))
        return cls(shares=named, by=by, stratified=stratified, seed=seed)

    @property
    def parts(self) -> tuple[str, ...]:
        return tuple(self.shares if self.names is None else self.names)

    def assigned(self, labels: Mapping[str, Mapping[str, int]]) -> dict[str, str]:
        """The part of each image, by the counts of its labels; what no file names has none."""
        if self.names is not None:
            return _listed(labels, self.names)
        groups: dict[str, list[str]] = {}
        counts: dict[str, Counter[str]] = {}
        for name, found in labels.items():
            key = self.group_of(name)
            groups.setdefault(key, []).append(name)
            counts.setdefault(key, Counter())[_IMAGES] += 1
            if self.stratified:
                counts[key].update({f"class {label}": count for label, count in found.items()})
        fixed = {
            self.group_of(name): part for name, part in self.before.items() if part in self.shares
        }
        parts = _shared_out(self._in_order(counts), counts, self.shares, fixed)
        return {name: parts[key] for key, names in groups.items() for name in names}

    def group_of(self, name: str) -> str:
        """The key of an image."""
        if self.by == BY_FOLDER:
            return "/".join(steps_of(name)[:-1])
        found = re.search(self.by, name) if self.by else None
        if found is None:
            return name
        return found.group(1) if found.re.groups else found.group()

    def _in_order(self, counts: Mapping[str, Counter[str]]) -> list[str]:
        """The groups with the rarest classes first: later there is less room for them."""
        totals = sum(counts.values(), Counter[str]())

        def place(key: str) -> tuple[int, str]:
            rarest = min(totals[label] for label in counts[key])
            return rarest, digest_of(f"{self.seed} {key}".encode())

        return sorted(counts, key=place)


def _listed(names: Iterable[str], lists: Mapping[str, frozenset[str]]) -> dict[str, str]:
    """The part of each image that a list names, with as many folders as it likes."""
    spellings = {name: _spellings(name) for name in names}
    parts = {
        name: [part for part, listed in lists.items() if said & listed]
        for name, said in spellings.items()
    }
    used = {spelling for name in parts if parts[name] for spelling in spellings[name]}
    rest = ImageNames.of(name for name in parts if not parts[name])
    for part, listed in lists.items():
        for line in listed - used:
            # YOLO's lists begin above the images: ./images/train/a.jpg
            name = rest.find(line)
            if name is not None and steps_of(line)[-len(steps_of(name)) :] == steps_of(name):
                parts[name] += [part] if part not in parts[name] else []
    for name, found in parts.items():
        if len(found) > 1:
            raise InvalidSetting(f"'{name}' is in the lists of {' and of '.join(found)}.")
    return {name: found[0] for name, found in parts.items() if found}


def _spellings(name: str) -> set[str]:
    """An image as a list may call it: without its folders, without its suffix, or both."""
    path = PurePosixPath(*steps_of(name))
    return {name, path.as_posix(), path.with_suffix("").as_posix(), path.name, path.stem}


def _shared_out(
    order: Iterable[str],
    counts: Mapping[str, Counter[str]],
    shares: Mapping[str, float],
    fixed: Mapping[str, str],
) -> dict[str, str]:
    """Each group goes where its rarest class is missing most, and then where images are.

    Those whose part is fixed come first.
    """
    totals = sum(counts.values(), Counter[str]())
    whole = sum(shares.values())
    missing = {
        part: {label: total * share / whole for label, total in totals.items()}
        for part, share in shares.items()
    }
    parts = {}
    for key in sorted(order, key=lambda key: key not in fixed):
        rarest = min(counts[key], key=lambda label: (totals[label], label))

        def need(part: str, label: str = rarest) -> tuple[float, float]:
            return missing[part][label] / totals[label], missing[part][_IMAGES]

        parts[key] = fixed.get(key) or max((part for part in shares if shares[part]), key=need)
        for label, count in counts[key].items():
            missing[parts[key]][label] -= count
    return parts


def _lines(path: Path) -> frozenset[str]:
    """The names in a file, one on each line, as paths or without their suffix."""
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, ValueError) as error:
        raise InvalidSetting(f"The names can't be read from '{path}': {error}") from error
    return frozenset(line.strip() for line in lines if line.strip())
