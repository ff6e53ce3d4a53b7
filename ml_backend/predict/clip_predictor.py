"""One task with a video, or what somebody drew on one -> regions."""

from __future__ import annotations

import json
import threading
import time
from bisect import bisect_right
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from sys import maxsize
from weakref import WeakSet

from ml_backend.predict.clip_pass import Track, Wanted
from ml_backend.predict.following import Following
from ml_backend.predict.track_store import TrackStore
from ml_backend.project.label_config import LabelConfig
from ml_backend.project.video_regions import DrawnTrack, drawn_tracks, found_regions
from ml_backend.project.video_tags import VideoTag
from ml_backend.settings import BackendSettings
from ml_backend.studio.protocol import Json, Task
from ml_backend.studio.video_fetch import VideoFetcher, VideoSource
from premask.errors import InvalidRequest
from premask.images import digest_of
from premask.labels.label_studio.keyframes import pixel_box_of
from premask.labels.label_studio.video_regions import Timeline
from premask.models.pool import ModelPool
from premask.prompts import Hint, Phrase, Prompts
from premask.recipes.recipe import Recipe
from premask.recipes.tracking.pointing import require_trackable
from premask.recipes.work_keys import WorkKeys
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.clip_work import ClipWork
from premask.video.decoders import ASSUMED_FPS
from premask.video.frames import Span, Video

ANSWER_SHARE = 0.85
"""Of the time until the deadline: an answer with what is done must still be made and sent."""

ONLY = 1
"""The number of an object that is followed alone."""


class ClipPredictor:
    """Follows objects in the videos of tasks; may be used by many threads."""

    def __init__(
        self, recipe: Recipe, source: VideoSource, following: Following, *, seconds: float
    ) -> None:
        self.recipe, self.following = recipe, following
        self.keys = WorkKeys(recipe)
        self._source, self._seconds = source, seconds

    def finds_something(self, config: LabelConfig) -> bool:
        """Whether the recipe finds objects itself, and they can be written for a video."""
        written = any(tag.is_written for tag in config.videos.values())
        return written and not self.recipe.needs_pointing

    def regions_of_task(self, task: Task, config: LabelConfig) -> tuple[list[Json], Counter[str]]:
        """All that the recipe finds in the videos of a task, and what of it has no label."""
        regions: list[Json] = []
        dropped: Counter[str] = Counter()
        for tag in config.videos.values():
            if not tag.is_written:
                continue
            prompts = self.prompts_for(tag)
            video = self._source.video(tag.url(task.data), task_id=task.id)
            wanted = self._wanted(task, tag, video, "everything", {0: prompts}, ())
            tracks = self.following.ask(video, wanted).result(None)
            known = max(_seconds(video), *(_end(track, video) for track in tracks), 0.0)
            timeline = Timeline(rate=tag.frame_rate(task.data), duration=known)
            for track in tracks:
                boxes = _boxes(track, timeline, video)
                own = (wanted.key, track.number)
                found = list(found_regions(track.label, boxes, timeline, own, tag, track.score))
                regions += found
                dropped[track.label] += not found
        return regions, +dropped

    def answer(
        self,
        task: Task,
        asked: Mapping[str, Sequence[Json]],
        config: LabelConfig,
    ) -> list[Json]:
        """What people drew, followed as far as it is in time for the answer; the rest goes on.

        A region comes back under its own id, and with all of the person's keyframes.
        """
        ends = time.monotonic() + self._seconds
        regions: list[Json] = []
        for name, drawn in asked.items():
            tag = config.videos[name]
            tracks = drawn_tracks(drawn)
            if tracks:
                video = self._source.video(tag.url(task.data), task_id=task.id)
                regions += self._answers(task, tag, video, tracks, ends)
        return regions

    def prompts_for(self, tag: VideoTag) -> Prompts:
        """What is looked for in a video; raises where the recipe can't find anything itself."""
        # Boxes and spans may have labels of their own for the same thing: it is looked for once.
        names: dict[str, str] = {}
        for label in tag.all_labels if self.recipe.needs_words else ():
            for text in label.phrases:
                names.setdefault(text, label.name)
        phrases = tuple(Phrase(text=text, label=name) for text, name in names.items())
        prompts = Prompts(phrases=phrases)
        require_trackable(self.recipe, {0: prompts})
        return prompts

    def _answers(
        self,
        task: Task,
        tag: VideoTag,
        video: Video,
        drawn: Sequence[DrawnTrack],
        ends: float,
    ) -> list[Json]:
        rate = tag.frame_rate(task.data)
        asked = [self._asked(task, tag, video, one, rate) for one in drawn]
        passes = [self.following.ask(video, wanted) if wanted else None for wanted in asked]
        regions: list[Json] = []
        for one, wanted, under_way in zip(drawn, asked, passes, strict=True):
            if wanted is None or under_way is None:
                # Nobody has set any of its keyframes: it is what premask made of it.
                regions.append(one.region)
                continue
            tracks = under_way.result(ends - time.monotonic())
            known = max(_seconds(video), *(_end(track, video) for track in tracks), 0.0)
            timeline = Timeline(rate=rate, duration=one.duration(known))
            boxes = _boxes(tracks[0], timeline, video) if tracks else {}
            regions.append(one.answered(boxes, timeline, (wanted.key, ONLY), tag))
        return regions

    def _asked(
        self, task: Task, tag: VideoTag, video: Video, drawn: DrawnTrack, rate: float
    ) -> Wanted | None:
        """The person's keyframes as prompts, in the frames of the file that they were drawn on."""
        if not drawn.fixed:
            return None
        timeline = Timeline(rate=rate, duration=drawn.duration(_seconds(video)))
        times = [timeline.time_of(keyframe.frame) for keyframe in drawn.fixed]
        begins = video.stamps(Span(end=max(times) + 1e-6), maxsize)
        if not begins:
            raise InvalidRequest(f"'{video.name}' has no frames.")
        prompts, label = {}, next(iter(drawn.labels(tag)), "")
        for at, keyframe in zip(times, drawn.fixed, strict=True):
            place = max(0, bisect_right(begins, at, key=lambda begin: begin[1]) - 1)
            box_xyxy = pixel_box_of(keyframe, video.size_hw)
            hint = Hint(label=label, box_xyxy=box_xyxy, track=ONLY)
            prompts[begins[place][0]] = Prompts(objects=(hint,))
        owner = str(drawn.region.get("id"))
        return self._wanted(task, tag, video, owner, prompts, drawn.asked)

    def _wanted(
        self,
        task: Task,
        tag: VideoTag,
        video: Video,
        owner: str,
        prompts: Mapping[int, Prompts],
        asked: tuple[tuple[float, ...], ...],
    ) -> Wanted:
        # Another label is another name, and no other track.
        unnamed = {frame: _unnamed(prompt) for frame, prompt in prompts.items()}
        parts = [self.keys.key(unnamed[frame], frame) for frame in sorted(unnamed)]
        return Wanted(
            key=digest_of(json.dumps([video.digest, parts, asked]).encode()),
            owner=f"{task.id} {tag.name} {owner}",
            what=f"task {task.id}: {video.name}",
            prompts=prompts,
            asked=asked,
        )


def _unnamed(prompts: Prompts) -> Prompts:
    hints = tuple(
        Hint(label="", box_xyxy=hint.box_xyxy, track=hint.track) for hint in prompts.objects
    )
    return Prompts(phrases=prompts.phrases, objects=hints)


def _seconds(video: Video) -> float:
    """How long the clip is, if its file says so; not every file does."""
    return video.header.frame_count / (video.fps or ASSUMED_FPS)


def _boxes(track: Track, timeline: Timeline, video: Video) -> dict[int, Json]:
    return timeline.boxes(track.seen, _end(track, video), video.size_hw)


def _end(track: Track, video: Video) -> float:
    """When the last frame that was looked at is over."""
    return track.seen[-1].time + 1 / (video.fps or ASSUMED_FPS) if track.seen else 0.0


class ClipPredictors:
    """One for each recipe that a project follows objects with; they share what they keep."""

    def __init__(
        self, settings: BackendSettings, pool: ModelPool, source: VideoSource | None = None
    ) -> None:
        """By default, videos are fetched as Label Studio serves them."""
        self._pool, self._source = pool, source or VideoFetcher(settings)
        self._store, self._folder = TrackStore.from_settings(settings), settings.video_path / "work"
        self._seconds = settings.deadline_seconds * ANSWER_SHARE
        self._made: dict[Recipe, ClipPredictor] = {}
        # Those that somebody waits for live on in their threads; the others, and their models, go.
        self._earlier: WeakSet[Following] = WeakSet()
        self._guard = threading.Lock()

    def of(self, recipe: Recipe) -> ClipPredictor:
        """The one with this recipe, made when it is first asked for."""
        with self._guard:
            if recipe not in self._made:
                self._made[recipe] = self._new(recipe)
            return self._made[recipe]

    def renew(self, pool: ModelPool) -> None:
        """Make them anew on these models; what is under way ends with those that it began with."""
        with self._guard:
            self._earlier.update(one.following for one in self._made.values())
            self._pool, self._made = pool, {}

    def progress(self) -> list[tuple[str, str]]:
        """What is gone through now, and how far."""
        return [one for following in self._all() for one in following.progress()]

    def close(self) -> None:
        """Stop at the next frames; what is done stays."""
        for following in self._all():
            following.close()

    def _all(self) -> list[Following]:
        with self._guard:
            return [*self._earlier, *(one.following for one in self._made.values())]

    def _new(self, recipe: Recipe) -> ClipPredictor:
        pool = self._pool

        def follow(video: Video, prompts: Mapping[int, Prompts], folder: Path) -> ClipWork:
            task = ClipTask(video=video, recipe=recipe, prompts=prompts)
            return ClipWork(task, pool, folder)

        following = Following(follow, self._store, self._folder)
        return ClipPredictor(recipe, self._source, following, seconds=self._seconds)
