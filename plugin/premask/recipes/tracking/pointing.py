"""Who was pointed at in which frames of a clip, and by which number each object goes."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from premask.errors import UnsupportedPrompt
from premask.masks import Size
from premask.prompts import Hint, Prompts
from premask.recipes.recipe import Recipe

Pointing = Mapping[int, Mapping[int, Hint]]
"""By the index of a frame and the number of an object: where a person says that it is."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """An object from a frame in which somebody pointed at it to before the next such frame.

    What is found there follows from the first frame alone: a person who fixes an object in a frame
    changes nothing in other stretches. `stop` is None for the last stretch.
    """

    track: int
    hint: Hint
    start: int
    stop: int | None


def pointing_of(prompts: Mapping[int, Prompts]) -> dict[int, dict[int, Hint]]:
    """The hints of each frame, in order, by the numbers of their objects.

    A hint with a `track` belongs to that object. Each one without is an object of its own, and gets
    the first number from 1 on that nobody has up to this frame.
    """
    taken = set[int]()
    labels: dict[int, str] = {}
    pointing: dict[int, dict[int, Hint]] = {}
    for frame in sorted(prompts):
        hints = prompts[frame].hints()
        taken |= {hint.track for hint in hints if hint.track is not None}
        if frame < 0:
            raise UnsupportedPrompt(f"There is no frame {frame}: frames are counted from 0.")
        here: dict[int, Hint] = {}
        for hint in hints:
            track = hint.track
            if track is None:
                track = next(number for number in itertools.count(1) if number not in taken)
                taken.add(track)
            if track in here:
                raise UnsupportedPrompt(
                    f"Object {track} is pointed at twice in frame {frame}. Give each object a "
                    "number of its own, or put its points and its box into one entry."
                )
            _require_place(hint, track, frame)
            label = labels.setdefault(track, hint.label)
            here[track] = replace(hint, track=track, label=label)
        if here:
            pointing[frame] = here
    return pointing


def stretches_of(pointing: Pointing) -> dict[int, dict[int, Stretch]]:
    """The stretch that begins in each frame, by object."""
    starts: dict[int, list[int]] = {}
    for frame, hints in pointing.items():
        for track in hints:
            starts.setdefault(track, []).append(frame)
    stretches: dict[int, dict[int, Stretch]] = {frame: {} for frame in pointing}
    for track, frames in starts.items():
        for start, stop in itertools.zip_longest(frames, frames[1:]):
            hint = pointing[start][track]
            stretches[start][track] = Stretch(track=track, hint=hint, start=start, stop=stop)
    return stretches


def require_trackable(recipe: Recipe, prompts: Mapping[int, Prompts]) -> None:
    """Raise `UnsupportedPrompt` for what the recipe can't use, before anything is loaded."""
    if recipe.track is None:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' has no track stage, so it follows nothing. It is for "
            "images: premask annotate. `premask recipes` lists those for clips, such as 'follow'."
        )
    asked = list(prompts.values())
    pointed = any(of_frame.hints() for of_frame in asked)
    words = any(of_frame.phrases or of_frame.exemplars for of_frame in asked)
    if recipe.needs_pointing and not pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' needs you to say where: give points, boxes or a mask, and "
            "the frame with --at."
        )
    if recipe.track.looks_itself and recipe.find is None and pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' looks for phrases, and can't use points, boxes or masks."
        )
    if words and "phrases" not in recipe.listens_to:
        raise UnsupportedPrompt(f"The recipe '{recipe.name}' can't use phrases.")
    if recipe.needs_words and not words and not pointed:
        raise UnsupportedPrompt(
            f"The recipe '{recipe.name}' needs to be told in words what to look for: --text."
        )


def require_on_frames(pointing: Pointing, size_hw: Size) -> None:
    """Raise `UnsupportedPrompt` for masks of another size than the clip's frames."""
    for frame, hints in pointing.items():
        for track, hint in hints.items():
            if hint.mask is not None and hint.mask.size_hw != size_hw:
                raise UnsupportedPrompt(
                    f"The mask of object {track} in frame {frame} has (height, width) "
                    f"{hint.mask.size_hw}, but the upright frames {size_hw}."
                )


def words_of(prompts: Mapping[int, Prompts]) -> Prompts:
    """What is looked for in all frames, in whichever of them it was asked for."""
    every: Sequence[Prompts] = tuple(prompts.values())
    return Prompts(
        phrases=tuple(dict.fromkeys(phrase for asked in every for phrase in asked.phrases)),
        exemplars=tuple(dict.fromkeys(example for asked in every for example in asked.exemplars)),
    )


def _require_place(hint: Hint, track: int, frame: int) -> None:
    if hint.mask is not None or hint.box_xyxy is not None:
        return
    if not any(point.positive for point in hint.points):
        raise UnsupportedPrompt(
            f"All points of object {track} in frame {frame} are negative: they say what it is not. "
            "Add a positive point, a box or a mask."
        )
