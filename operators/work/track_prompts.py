"""Where a person says that objects are in a clip's frames: labels of a field, and corrections."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import fiftyone as fo

from premask.labels.fiftyone import hint_from_annotation, hints_from_clicks
from premask.masks import Size
from premask.prompts import Hint, Phrase, Prompts

from ..dataset.clips import Clip, Holders
from ..dataset.provenance import computed_attributes, is_replaceable
from ..dataset.reading import MEMBERS, Found, holder_reader, label_kind
from ..dataset.tracks import Mark, Tracks, mark_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Pointed:
    """A label that says where an object is in a frame."""

    frame: int
    mark: Mark
    hint: Hint


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipPrompts:
    """What is pointed at in a clip, by frames, and whose labels are whose."""

    prompts: dict[int, Prompts]
    tracks: Tracks

    @property
    def is_empty(self) -> bool:
        return not any(asked.hints() for asked in self.prompts.values())


def prompts_of(
    clip: Clip, dataset: Any, label_path: str, prompt_path: str | None, size_hw: Size
) -> ClipPrompts:
    """Read what is pointed at in the frames of a clip.

    These are the labels of the prompt field, as the chosen view shows them, and in the field that
    is written to, the labels that no run has made or that somebody has changed since.
    """
    own_field = label_path.rpartition(".")[2]
    marks, corrections = _corrections(clip, dataset, label_path, size_hw)
    pointed: list[Pointed] = []
    if prompt_path is not None and prompt_path != label_path:
        shown = clip.shown(prompt_path.rpartition(".")[2])
        pointed = list(_pointed(shown, dataset, prompt_path, size_hw))
    tracks = Tracks(f"{clip.key} {own_field}", marks, [found.mark for found in pointed])
    hints: dict[int, dict[int, list[Hint]]] = {}
    for found in _keyframes(pointed, tracks):
        number = tracks.number(found.mark)
        by_track = hints.setdefault(found.frame, {}).setdefault(number, [])
        by_track.append(replace(found.hint, track=number))
    for found in _keyframes(corrections, tracks):
        # Whoever corrects what was made of a prompt means the correction.
        number = tracks.number(found.mark)
        hints.setdefault(found.frame, {})[number] = [replace(found.hint, track=number)]
    prompts = {
        frame: Prompts(objects=tuple(hint for same in by_track.values() for hint in same))
        for frame, by_track in hints.items()
    }
    return ClipPrompts(prompts=prompts, tracks=tracks)


def _corrections(
    clip: Clip, dataset: Any, path: str, size_hw: Size
) -> tuple[list[Mark], list[Pointed]]:
    """The marks of all labels in the field that is written to, and the labels of a person."""
    computed = computed_attributes(dataset)
    marks: dict[tuple[int | None, str | None], Mark] = {}
    persons: list[Pointed] = []
    for frame, holder in clip.stored(path.rpartition(".")[2]):
        theirs = []
        for document in holder.get("detections") or ():
            mark = mark_of(document)
            is_ours = is_replaceable(fo.Detection.from_dict(document), computed)
            if is_ours or mark.instance is not None or mark.index is not None:
                marks.setdefault((mark.index, mark.instance), mark)
            if not is_ours:
                theirs.append(document)
        if theirs:
            holders = iter([(frame, {**holder, "detections": theirs})])
            persons += _pointed(holders, dataset, path, size_hw)
    return list(marks.values()), persons


def _pointed(holders: Holders, dataset: Any, path: str, size_hw: Size) -> Iterator[Pointed]:
    """One for each label of these frames."""
    member, read = MEMBERS.get(label_kind(dataset, path)), holder_reader(dataset, path)
    for frame, holder in holders:
        found = Found()
        read(found, holder, size_hw)
        documents = [holder] if member is None else holder.get(member) or []
        marks = [mark_of(document) for document in documents]
        shapes = (hint_from_annotation(shape) for shape in found.annotations)
        for mark, hint in zip(marks, shapes, strict=False):
            yield Pointed(frame=frame, mark=mark, hint=hint)
        for hint in hints_from_clicks(found.clicks):
            assert hint.track is not None
            yield Pointed(frame=frame, mark=marks[hint.track], hint=hint)


def _keyframes(pointed: Sequence[Pointed], tracks: Tracks) -> Iterator[Pointed]:
    """Those that say where an object is; of tracks with keyframes, these are its keyframes alone.

    The App fills what is between keyframes with labels that are none.
    """
    numbers = [tracks.number(found.mark) for found in pointed]
    with_keyframes = {
        number for number, found in zip(numbers, pointed, strict=True) if found.mark.is_keyframe
    }
    for number, found in zip(numbers, pointed, strict=True):
        if number not in with_keyframes or found.mark.is_keyframe is not False:
            yield found


def with_phrases(prompts: Mapping[int, Prompts], phrases: tuple[Phrase, ...]) -> dict[int, Prompts]:
    """The same, and words to look for, which hold for all frames."""
    if not phrases:
        return dict(prompts)
    first = replace(prompts.get(0, Prompts()), phrases=phrases)
    return {**prompts, 0: first}
