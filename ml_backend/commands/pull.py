"""python -m ml_backend pull: export annotations and predictions, in any of the formats."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ml_backend.commands.pulled_clips import PulledClips
from ml_backend.commands.pulled_images import PulledImages
from ml_backend.predict.track_store import TrackStore
from ml_backend.project.task_reading import SourceChoice, SourceRegions
from ml_backend.project.video_tags import VideoTag
from ml_backend.settings import BackendSettings
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json
from ml_backend.studio.video_fetch import VideoFetcher
from premask.annotations import Labeled
from premask.errors import PremaskError
from premask.labels.clip_formats import CLIP_FORMATS
from premask.labels.formats import FORMATS, AnyFormat, clip_formats_of, formats_of
from premask.labels.numbering import Stems
from premask.runs.delivery import Delivery
from premask.runs.folder_state import STATE_FOLDER
from premask.runs.journal import Journal
from premask.runs.progress import ProgressWatcher
from premask.terminal.screen import ProgressLine, printable


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The flags of this command."""
    add = parser.add_argument
    add("--project", type=int, required=True, metavar="N", help="the project's number")
    add("--out", type=Path, required=True, metavar="DIR", help="where the results go")
    add(
        "--format",
        metavar="F,...",
        help="as of premask annotate or, for videos, premask track (default: coco and ytvis)",
    )
    kinds = parser.add_mutually_exclusive_group()
    for kind, meaning in {
        "annotations": "what people submitted (default)",
        "predictions": "what models proposed",
        "both": "what people submitted, and predictions where nobody has",
    }.items():
        kinds.add_argument(f"--{kind}", dest="kind", action="store_const", const=kind, help=meaning)
    add(
        "--annotator",
        choices=("latest", "all", "ground-truth"),
        default="latest",
        help="whose annotation counts where there are several (default: the one updated last)",
    )
    add("--model-version", metavar="V", help="whose predictions (default: the newest of each task)")
    parser.set_defaults(kind="annotations")


def run(options: argparse.Namespace, settings: BackendSettings) -> int:
    """Pull a project; the exit code is 1 where some images failed."""
    images, videos = _formats(options.format)
    state = options.out / STATE_FOLDER
    delivery = Delivery(folder=options.out, formats=images)
    pull = Pull(
        images=PulledImages(
            client=LabelStudioClient.from_settings(settings),
            fetcher=ImageFetcher(settings),
            project=options.project,
            choice=SourceChoice(
                kind=options.kind, annotator=options.annotator, model_version=options.model_version
            ),
            needs_files=delivery.has_image_files,
        ),
        clips=PulledClips(
            store=TrackStore.from_settings(settings),
            source=VideoFetcher(settings),
            path=state / "pulled-clips.jsonl",
        ),
        delivery=delivery,
        clip_delivery=Delivery(folder=options.out, formats=videos),
    )
    line = ProgressLine()
    try:
        written = pull.run(line)
    finally:
        line.end()
    print("\n".join([*pull.summary(), *map(str, written)]))
    return 1 if pull.failures or pull.clips.failures else 0


def _formats(said: str | None) -> tuple[list[AnyFormat], list[AnyFormat]]:
    """The formats for images, and those for clips."""
    if said is None:
        return [*formats_of(["coco"])], clip_formats_of(["ytvis"])
    names = said.split(",")
    for_images = [name for name in names if name in FORMATS or name not in CLIP_FORMATS]
    return [*formats_of(for_images)] if for_images else [], clip_formats_of(names)


@dataclass(slots=True, kw_only=True)
class Pull:
    """One run: tasks are read once, page by page, into a journal; formats are written from it."""

    images: PulledImages
    delivery: Delivery
    clips: PulledClips
    clip_delivery: Delivery
    failures: dict[str, PremaskError] = field(default_factory=dict)
    _found: list[tuple[str, int]] = field(default_factory=list)
    _labels: set[str] = field(default_factory=set)
    _stems: Stems = field(default_factory=Stems)
    _videos: Sequence[VideoTag] = ()

    def run(self, show: ProgressWatcher) -> list[Path]:
        """Read all tasks, then write all formats; returns the paths of the results."""
        path = self.delivery.folder / STATE_FOLDER / "pulled.jsonl"
        path.unlink(missing_ok=True)
        self.clips.path.unlink(missing_ok=True)
        with Journal(path) as journal:
            self._read_all(journal, show)

            def read_back() -> Iterator[Labeled]:
                for number, (name, _) in enumerate(self._found):
                    yield journal.get(str(number), name)

            written: list[Path] = []
            if self._found or not self._videos:
                written = self.delivery.write_dataset_files(read_back, sorted(self._labels))
            if self._videos and self.clips.check():
                labels = sorted(self.clips.labels)
                delivery = self.clip_delivery
                if self._found:
                    # Formats that know both have one name for both.
                    delivery = replace(delivery, folder=delivery.folder / "videos")
                written += delivery.write_clip_files(self.clips.clips, labels)
        path.unlink()
        self.clips.path.unlink(missing_ok=True)
        return written

    def summary(self) -> list[str]:
        """What came out, and what did not, in sentences."""
        counts = [count for _, count in self._found]
        failures = {**self.failures, **self.clips.failures}
        lines = [f"failed: {printable(name)}: {error}" for name, error in failures.items()]
        if self._videos:
            lines += map(printable, self.clips.sentences())
        if counts or self.failures or not self._videos:
            lines.append(
                f"{sum(counts)} objects in {len(counts)} images ({counts.count(0)} of them looked "
                f"at and empty; {len(self.failures)} failed)"
            )
        return [*lines, *self.images.counts.sentences(self.images.choice)]

    def _read_all(self, journal: Journal, show: ProgressWatcher) -> None:
        config = self.images.config()
        self._videos = tuple(config.videos.values())
        self.images.on_task = self._note_clips
        for _, labeled in self.images.labeled(config, show):
            self._keep(labeled, journal)

    def _note_clips(self, task: Json, chosen: Sequence[SourceRegions]) -> None:
        for video in self._videos:
            try:
                name = self.images.names.of(video.url(task["data"]), task["id"])
                self.clips.add(task["id"], task["data"], video, chosen, name)
            except PremaskError as error:
                self.clips.failures[f"task {task['id']}"] = error

    def _keep(self, labeled: Labeled, journal: Journal) -> None:
        name = labeled.image.name
        if labeled.error is not None:
            self.failures[name] = labeled.error
            return
        self.delivery.write_image_files(labeled, self._stems.of(name))
        journal.add(str(len(self._found)), labeled)
        self._found.append((name, len(labeled.annotations)))
        self._labels.update(annotation.label for annotation in labeled.annotations)
