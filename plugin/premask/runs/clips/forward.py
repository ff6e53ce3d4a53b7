"""The pass over a clip from its first frame to its last: objects, newcomers, looking again."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace

from premask.errors import UnreadableVideo
from premask.models.pool import ModelPool
from premask.prompts import Hint
from premask.recipes.tracking.newcomers import look, overlap, unknown
from premask.recipes.tracking.pointing import words_of
from premask.runs.clips.clip_task import ClipTask
from premask.runs.clips.followers import Followers
from premask.runs.clips.frame_log import Entry, FrameLog, LoggedFrame
from premask.runs.clips.newcomer_log import NewcomerLog
from premask.video.frames import Frame

LOOK_AGAIN = 1.0
"""Where nobody points and nothing was found yet, find looks again after so many seconds."""

EPSILON = 1e-6


@dataclass(slots=True, kw_only=True)
class _Counters:
    """What the pass remembers besides its objects: the frames behind it, and what comes next."""

    done: int = 0
    last: int = -1
    next_track: int = 1
    next_look: float = 0.0


class ForwardPass:
    """Writes the log of a clip, frame by frame.

    Frames since find looked last are held back: what is new may have come in one of them, and is
    followed back to there.
    """

    def __init__(
        self,
        task: ClipTask,
        pool: ModelPool,
        log: FrameLog,
        *,
        backward: FrameLog,
        earlier: FrameLog | None,
        newcomers: NewcomerLog,
    ) -> None:
        self._task, self._pool, self._log = task, pool, log
        self._newcomer_log = newcomers
        self._backward, self._earlier = backward, earlier
        self._words = words_of(task.prompts)
        self._followers = Followers(task.stage, task.video.size_hw, pool, earlier)
        self._counters = _Counters(next_track=max(task.tracks, default=0) + 1)
        self._held: list[LoggedFrame] = []

    def run(self) -> Iterator[LoggedFrame]:
        """The frames that are done, as they are written."""
        first = self._counters.last + 1
        broken: UnreadableVideo | None = None
        try:
            for frame in self._task.frames(first=first):
                self._step(frame)
                if not self._holds_back(frame.time):
                    yield from self._flush()
        except UnreadableVideo as error:
            broken = error
        # Also of a clip that breaks off, all frames before that are kept.
        yield from self._flush()
        if broken is not None:
            raise broken

    @property
    def done(self) -> int:
        """How many frames are in the log."""
        return self._counters.done

    def state(self) -> bytes | None:
        """All that `restore` needs; None while frames are held back."""
        if self._held:
            return None
        text, model = self._followers.state()
        counters = [
            self._counters.done,
            self._counters.last,
            self._counters.next_track,
            self._counters.next_look,
        ]
        return json.dumps([counters, text]).encode() + b"\n" + model

    def restore(self, state: bytes) -> None:
        """Go on behind the frame at which the state was taken; the log is cut there."""
        head, _, model = state.partition(b"\n")
        (done, last, next_track, next_look), text = json.loads(head)
        self._counters = _Counters(done=done, last=last, next_track=next_track, next_look=next_look)
        self._followers.restore(text, model)
        self._log.keep(done)

    def _step(self, frame: Frame) -> None:
        for track, stretch in self._task.stretches.get(frame.index, {}).items():
            last = None if stretch.stop is None else stretch.stop - 1
            key = self._task.key(stretch.hint, frame.index)
            self._followers.begin(track, stretch.hint, key, last=last, by_person=True)
        newcomers = self._newcomers(frame)
        entries = self._followers.step(frame)
        newcomers = self._without_doubles(newcomers, entries)
        for hint in newcomers.values():
            self._newcomer_log.add(frame.index, hint)
        ended = self._followers.over(frame.time)
        back = self._backward.get(frame.index).entries if frame.index in self._backward else ()
        self._held.append(
            LoggedFrame(
                frame=frame.index,
                time=frame.time,
                entries=(*back, *entries.values()),
                ended=tuple(ended.values()),
            )
        )
        self._counters.last = frame.index
        if newcomers and self._task.stage.both_ways and len(self._held) > 1:
            self._go_back(newcomers, frame)

    def _newcomers(self, frame: Frame) -> dict[int, Hint]:
        """What find sees that is not followed, if it is time to look."""
        counters, every = self._counters, self._task.stage.every
        if self._task.recipe.find is None or not self._is_time(frame.time):
            return {}
        counters.next_look = frame.time + (every or LOOK_AGAIN)
        seen = look(frame.image, self._words, self._task.recipe, self._pool)
        fresh = unknown(seen, self._followers.masks, self._task.stage.join)
        room = max(0, self._task.stage.most - len(self._followers.live))
        newcomers = {}
        for hint in fresh[:room]:
            track, counters.next_track = counters.next_track, counters.next_track + 1
            newcomers[track] = replace(hint, track=track)
            key = self._task.key(newcomers[track], frame.index)
            self._followers.begin(track, newcomers[track], key, last=None, by_person=False)
        return newcomers

    def _is_time(self, time: float) -> bool:
        if self._counters.last < 0:
            # In the first frame find is asked where nobody points, and for what is named.
            words = self._words.phrases or self._words.exemplars
            return bool(words) or not self._task.pointing or self._task.stage.every > 0
        nothing_yet = not self._task.pointing and self._counters.next_track == 1
        wanted = self._task.stage.every > 0 or nothing_yet
        return wanted and time >= self._counters.next_look - EPSILON

    def _without_doubles(
        self, newcomers: dict[int, Hint], entries: dict[int, Entry]
    ) -> dict[int, Hint]:
        """Those that are no objects that were followed: in this frame that is certain."""
        kept = {}
        for track, hint in newcomers.items():
            others = [
                entry.annotation.mask
                for other, entry in entries.items()
                if other != track and (other not in newcomers or other in kept)
                if entry.annotation is not None and entry.annotation.mask is not None
            ]
            if any(overlap(hint, mask) >= self._task.stage.join for mask in others):
                self._followers.end(track)
                del entries[track]
            else:
                kept[track] = hint
        return kept

    def _holds_back(self, time: float) -> bool:
        """Whether find may still see something that came in this frame or in those held before."""
        stage = self._task.stage
        if self._task.recipe.find is None or not (stage.every and stage.both_ways):
            return False
        has_just_looked = abs(self._counters.next_look - time - stage.every) < EPSILON
        return not has_just_looked

    def _go_back(self, newcomers: dict[int, Hint], frame: Frame) -> None:
        """Follow newcomers back through the frames that are held."""
        back = Followers(self._task.stage, self._task.video.size_hw, self._pool, self._earlier)
        for track, hint in newcomers.items():
            key = self._task.key(hint, frame.index, "back")
            back.begin(track, hint, key, last=self._held[0].frame, by_person=False)
        back.step(frame)
        before = [logged.frame for logged in self._held[:-1]]
        places = reversed(range(len(before)))
        for place, earlier in zip(places, self._task.video.frames_down(before), strict=True):
            held, entries = self._held[place], back.step(earlier)
            self._held[place] = replace(held, entries=(*held.entries, *entries.values()))

    def _flush(self) -> Iterator[LoggedFrame]:
        held, self._held = self._held, []
        for logged in held:
            self._log.add(logged)
            self._counters.done += 1
        yield from held
