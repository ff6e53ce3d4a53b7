"""Labels of clips -> files in the core's formats, with who is who in all frames."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from premask.annotations import Labeled, LabeledClip
from premask.datasets.losses import Loss
from premask.errors import UnreadableVideo
from premask.labels.clip_formats import ClipFormat
from premask.labels.clip_frames import Frames, frames_of
from premask.labels.formats import AnyFormat, clip_formats_of
from premask.runs.clips.clip_delivery import ShownClip, deliver_clips
from premask.runs.progress import ProgressCounter, ProgressWatcher

from ..dataset.chosen_clips import ChosenClips
from ..dataset.clip_names import named_clips
from ..dataset.clip_reading import ClipLabels, FrameLabels
from ..dataset.plurals import counted
from ..dataset.reading import label_names, readable_fields, readable_frame_fields
from ..dataset.schema import FRAMES
from .export import Exported, require_masks

DEFAULT_FORMAT = "ytvis"

KEEPS_MATTES = "coco-mattes"

_UNCLEAR = {
    "lone": "without an index or an Instance: each is an object of its own",
    "doubled": "of an object that is in the same frame already: each is an object of its own",
}


def export_clips(
    chosen: ChosenClips,
    folder: str | Path,
    *,
    label_fields: Sequence[str],
    formats: Sequence[str] = (),
    classes: Sequence[str] = (),
    every_frame: bool = True,
    on_progress: ProgressWatcher | None = None,
) -> Exported:
    """Write the labels in the frames of clips; by default as YouTube-VIS, all frames of each clip.

    A frame without labels is one in which nothing is. Where `every_frame` is off, a file has only
    the frames that have something in the fields, be it an empty list.
    """
    paths = [chosen.path(name.removeprefix(FRAMES)) for name in label_fields]
    require_masks(chosen.dataset, paths)
    export = _ClipExport(chosen, paths, tuple(classes), every=every_frame)
    export.write(Path(folder), clip_formats_of(formats or (DEFAULT_FORMAT,)), on_progress)
    return export.outcome


def label_fields_of(chosen: ChosenClips) -> dict[str, str]:
    """The paths of the fields of frames that hold labels, and the types of these."""
    readable = readable_frame_fields if chosen.in_videos else readable_fields
    return readable(chosen.dataset)


class _ClipExport:
    """One export under way. Each format goes through all clips, some more than once."""

    def __init__(
        self,
        chosen: ChosenClips,
        paths: Sequence[str],
        classes: Sequence[str],
        *,
        every: bool,
    ) -> None:
        self.outcome = Exported()
        self._chosen, self._paths, self._classes = chosen, paths, classes
        self._every = every
        self._clips = list(self._opened())
        self._seen = set[ClipLabels]()
        self._unclear = Counter[str]()

    def write(
        self, folder: Path, forms: Sequence[AnyFormat], on_progress: ProgressWatcher | None
    ) -> None:
        frames = sum(clip.video.header.frame_count for clip in self._clips)
        self._counter = ProgressCounter(total=frames * len(forms), on_progress=on_progress)
        categories = self._classes or label_names(self._chosen.dataset, self._paths)
        written = deliver_clips(self._shown, folder, forms, categories)
        self.outcome.written += map(str, written)
        self.outcome.clips = len(self._clips)
        self.outcome.notes += self._notes(folder, forms)

    def _opened(self) -> Iterator[ClipLabels]:
        fields = [path.removeprefix(FRAMES) for path in self._paths]
        for name, clip in named_clips(self._chosen.clips()):
            try:
                yield ClipLabels(self._chosen, clip, name, fields)
            except UnreadableVideo as error:
                self.outcome.failures[name.clip] = str(error)

    def _shown(self) -> Iterator[ShownClip]:
        for clip in self._clips:
            labeled = LabeledClip(
                name=clip.name.clip,
                size_hw=clip.video.size_hw,
                frames=Frames(partial(self._frames, clip)),
                fps=clip.video.fps,
            )
            yield ShownClip(labeled=labeled, video=clip.video)

    def _frames(self, clip: ClipLabels) -> Iterator[Labeled]:
        """The frames with the labels that are wanted; what is in them is counted the first time."""
        is_first = clip not in self._seen
        self._seen.add(clip)
        for frame in clip.frames(every=self._every):
            labeled = frame.labeled
            if self._classes:
                wanted = (one for one in labeled.annotations if one.label in self._classes)
                labeled = replace(labeled, annotations=tuple(wanted))
            if is_first:
                self._count(frame, labeled)
            # Some formats go through a clip twice.
            if self._counter.done < (self._counter.total or 0):
                self._counter.count(failed=labeled.error is not None)
            yield labeled

    def _count(self, frame: FrameLabels, labeled: Labeled) -> None:
        if labeled.error is not None:
            self.outcome.failures[labeled.image.name] = str(labeled.error)
            return
        self.outcome.images += 1
        self.outcome.annotations += len(labeled.annotations)
        self.outcome.mattes += sum(one.matte is not None for one in labeled.annotations)
        self._unclear.update(lone=frame.lone, doubled=frame.doubled)

    def _notes(self, folder: Path, forms: Sequence[AnyFormat]) -> Iterator[str]:
        """What the labels do not tell, and what the formats can't."""
        for what, sentence in _UNCLEAR.items():
            if count := self._unclear[what]:
                yield f"{counted(count, 'label')} {sentence}"
        if self.outcome.mattes and KEEPS_MATTES not in [form.name for form in forms]:
            yield f"{counted(self.outcome.mattes, 'matte')} left out: {KEEPS_MATTES} keeps them"
        for form in forms:
            # JSON keeps all the rest, and is not read back: it would have to be in memory.
            if isinstance(form, ClipFormat) and not Path(form.file_name).suffix:
                known = [shown.labeled for shown in self._shown()]
                read = form.read(folder / form.file_name, known)
                loss = Loss().compare(frames_of(known), frames_of(read))
                if not loss.is_none:
                    frames = counted(loss.images, "frame")
                    yield f"{form.name}, read again and compared ({frames}): {loss}"
