"""A set to train on from what people made of a project's tasks, and where each image is from."""

from __future__ import annotations

import json
import re
import shutil
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ml_backend.commands.pulled_images import PulledImages, Wanted
from ml_backend.project.task_reading import Annotator, ImageNames, SourceChoice
from ml_backend.server.proposals import proposals_of
from ml_backend.server.verdicts import by_label, judged
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json
from ml_backend.training.trainer import MakeSet
from premask.annotations import Labeled
from premask.datasets.conversion import convert
from premask.datasets.image_files import ImageFiles
from premask.datasets.manifest import move_set
from premask.datasets.reading import Dataset
from premask.datasets.splitting import Split
from premask.datasets.training_set import Conversion, Converted
from premask.errors import Cancelled, InvalidSetting, PremaskError
from premask.files import replacing_text, write_atomically
from premask.images import digest_of
from premask.labels.coco_ids import CocoIds
from premask.labels.label_studio import is_on_page
from premask.runs.journal import Journal
from premask.runs.progress import ProgressWatcher
from premask.terminal.converted import what_became

PROVENANCE = "provenance.jsonl"
"""The file in the set that says of each image which task it is from, and who said what."""

_OWN_VERSION = re.compile(r"premask-(?P<recipe>.+)-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class WantedSet:
    """Which project, where the set goes, and what of the project is taken.

    `everything` takes predictions, too, where nobody has looked.
    """

    project: int
    out: Path
    format: str = "coco"
    everything: bool = False
    annotator: Annotator = "latest"
    split: str = "80,20"
    seed: int = 0

    @property
    def work_folder(self) -> Path:
        """Where a set is made before it takes the place of an earlier one."""
        return self.out.absolute().with_name(f".{self.out.absolute().name}.making")


@dataclass(slots=True, kw_only=True)
class CorrectionSet:
    """What became of a project; `origins` are the lines of the provenance, by image."""

    wanted: WantedSet
    pulled: PulledImages
    converted: Converted = field(default_factory=Converted)
    failures: dict[str, PremaskError] = field(default_factory=dict)
    origins: dict[str, Json] = field(default_factory=dict)
    new: int = 0

    def sentences(self) -> Iterator[str]:
        """What there is to tell besides the set itself."""
        yield from (f"failed: {name}: {error}" for name, error in self.failures.items())
        yield from self.pulled.counts.sentences(self.pulled.choice)
        yield f"{len(self.converted.placed):,} images, {self.new:,} of them new"


def make_set(
    settings: BackendSettings,
    wanted: WantedSet,
    *,
    show: ProgressWatcher,
    cancel: threading.Event | None = None,
) -> CorrectionSet:
    """Make the set anew; an image that was in an earlier one stays in its part.

    The earlier set is there until the new one is whole.
    """
    earlier = {origin["name"]: origin for origin in _origins(wanted.out / PROVENANCE)}
    folder = wanted.work_folder

    def keep_file(one: Wanted, data: bytes) -> None:
        write_atomically(_file_of(folder, one.name), data)

    made = CorrectionSet(
        wanted=wanted,
        pulled=PulledImages(
            client=LabelStudioClient.from_settings(settings),
            fetcher=ImageFetcher(settings),
            project=wanted.project,
            choice=SourceChoice(
                kind="both" if wanted.everything else "annotations", annotator=wanted.annotator
            ),
            needs_files=True,
            keep_file=keep_file,
            names=ImageNames(by_task=True),
        ),
    )
    with Journal(folder / "labels.jsonl") as journal:
        classes = _read_all(made, journal, show, cancel)
        names = [name for name in made.origins if name not in made.failures]
        if not names:
            raise InvalidSetting(_nothing(made))

        def labels(*_: object) -> Iterator[Labeled]:
            for name in names:
                yield journal.get(_key(name), name)

        dataset = Dataset(
            path=folder / "labels.jsonl",
            format="label-studio",
            images=ImageFiles.named({name: _file_of(folder, name) for name in names}),
            ids=CocoIds.counted(classes),
            _read=labels,
        )
        _write(made, dataset, earlier, cancel)
    shutil.rmtree(folder, ignore_errors=True)
    return made


def set_maker(settings: BackendSettings) -> MakeSet:
    """What makes a set for each training, and tells what became of it."""

    def make(project: int, folder: Path, cancel: threading.Event) -> str:
        wanted = WantedSet(project=project, out=folder, format=settings.train_format)
        made = make_set(settings, wanted, show=lambda progress: None, cancel=cancel)
        return "\n".join([*what_became(made.converted), *made.sentences()])

    return make


def _read_all(
    made: CorrectionSet,
    journal: Journal,
    show: ProgressWatcher,
    cancel: threading.Event | None,
) -> list[str]:
    """Read the project into the journal; returns the labels of its config in their order."""
    config = made.pulled.config()
    for wanted, labeled in made.pulled.labeled(config, show):
        if cancel is not None and cancel.is_set():
            raise Cancelled("Making the set was interrupted; the earlier one is as it was.")
        made.origins[wanted.name] = origin_of(wanted)
        if labeled.error is None:
            journal.add(_key(wanted.name), labeled)
        else:
            made.failures[wanted.name] = labeled.error
    # A label that nobody has used yet has its number already, and keeps it.
    labels = (label.name for image in config.images for label in config.labels(image))
    return list(dict.fromkeys(labels))


def _write(
    made: CorrectionSet,
    dataset: Dataset,
    earlier: Mapping[str, Json],
    cancel: threading.Event | None,
) -> None:
    wanted, folder = made.wanted, made.wanted.work_folder / "set"
    shutil.rmtree(folder, ignore_errors=True)
    before = {name: str(origin["part"]) for name, origin in earlier.items()}
    split = replace(Split.of(wanted.split, seed=wanted.seed), before=before)
    conversion = Conversion(format=wanted.format, out=folder, split=split, copy="upright")
    made.converted = convert(dataset, conversion, cancel=cancel)
    placed = made.converted.placed
    made.new = len(placed.keys() - earlier.keys())
    with replacing_text(folder / PROVENANCE) as file:
        for name, origin in made.origins.items():
            line: Json = {"name": name, **origin}
            if name in placed:
                line["part"] = placed[name].part
                line["image"] = placed[name].path.relative_to(folder).as_posix()
            else:
                # Its part is kept for the day on which it can be read again.
                line["part"] = before.get(name, "")
                line["error"] = str(made.failures.get(name, "its file can't be read"))
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    move_set(folder, wanted.out)
    made.converted.written = [
        wanted.out / path.relative_to(folder) for path in made.converted.written
    ]


def origin_of(wanted: Wanted) -> Json:
    """Which task an image is from, who said so and when, and what was made of whose proposal."""
    (*_, chosen) = wanted.chosen
    row, is_person = chosen.row, "completed_by" in chosen.row
    origin: Json = {"task": wanted.task["id"], "url_of": wanted.image}
    if wanted.page.item_index is not None:
        origin["item"] = wanted.page.item_index
    if not is_person:
        return {**origin, "prediction": row.get("id"), **_model(row)}
    proposal: Json = next(
        (
            prediction
            for prediction in wanted.task["predictions"]
            if prediction["id"] == row.get("parent_prediction")
        ),
        {},
    )
    regions = list(_regions_here(proposal.get("result", ()), wanted))
    proposed = proposals_of(regions, recipe="", clicked=False)
    annotation = {**row, "result": list(_regions_here(chosen.regions, wanted))}
    return {
        **origin,
        "annotation": row.get("id"),
        "annotator": _person(row["completed_by"]),
        "updated_at": row.get("updated_at"),
        **_model(proposal),
        "made_of_it": by_label(judged(annotation, proposed)),
    }


def _model(prediction: Mapping[str, Any]) -> Json:
    version = prediction.get("model_version")
    if not version:
        return {}
    found = _OWN_VERSION.fullmatch(str(version))
    return {"model_version": version} | ({"recipe": found["recipe"]} if found else {})


def _person(completed_by: Any) -> Any:
    """The number of a person, whom Label Studio tells about in one way or the other."""
    return completed_by.get("id") if isinstance(completed_by, dict) else completed_by


def _regions_here(regions: Any, wanted: Wanted) -> Iterator[Json]:
    for region in regions:
        if region.get("to_name") == wanted.image and is_on_page(region, wanted.page.item_index):
            yield region


def _key(name: str) -> str:
    """What an image is called in the folder of the work, whatever letters its name has."""
    return digest_of(name.encode())


def _file_of(folder: Path, name: str) -> Path:
    return folder / "images" / _key(name)


def _origins(path: Path) -> Iterator[Json]:
    """The lines of an earlier set's provenance."""
    if not path.is_file():
        return
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            origin = json.loads(line)
        except ValueError:
            origin = None
        if not isinstance(origin, dict) or not {"name", "part"} <= origin.keys():
            raise InvalidSetting(
                f"'{path}' has a line that premask has not written, so it is not known which "
                "images were in which part. Choose another folder for the set."
            )
        yield origin


def _nothing(made: CorrectionSet) -> str:
    project = made.wanted.project
    if made.failures:
        name, error = next(iter(made.failures.items()))
        return (
            f"None of {len(made.failures)} images in project {project} can be used: {name}: {error}"
        )
    said = "" if made.wanted.everything else " --all takes predictions that nobody has looked at."
    return (
        f"Nobody has submitted an annotation in project {project}, so it has no corrections.{said}"
    )
