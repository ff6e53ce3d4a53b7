"""Phrases and exemplars: which can be asked for, what finds are called, what negative ones drop."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import compress

import numpy as np
from numpy.typing import NDArray

from premask.errors import UnsupportedPrompt
from premask.geometry import Box, box_area, clip_box, shared_areas
from premask.masks import Mask
from premask.models.parts.detections import Floats, hints_of
from premask.prompts import Exemplar, Hint, Phrase, Prompts

SAME_OBJECT = 0.5
"""Boxes that overlap by this IoU are taken for one object."""

SAME_BOX = 0.8
"""Boxes of different phrases that overlap by this IoU are taken for one object.

It is more than what a thing and its part overlap by, such as a person and a coat.
"""

HOW = "with --text 'a cat' 'a red chair', or in Python: Prompts(phrases=(Phrase(text='a cat'),))"


def required_phrases(prompts: Prompts, *, exemplars: bool = False) -> tuple[Phrase, ...]:
    """The phrases to look for; `UnsupportedPrompt` if none says what is wanted.

    With `exemplars`, a positive exemplar says it as well.
    """
    if any(not phrase.text.strip() for phrase in prompts.phrases):
        raise UnsupportedPrompt("A phrase without words finds nothing: leave it out, or fill it.")
    asked: tuple[Phrase | Exemplar, ...] = prompts.phrases
    if exemplars:
        asked = (*asked, *prompts.exemplars)
    if not asked:
        raise UnsupportedPrompt(
            f"This model looks for what you name, and nothing is. Say it {HOW}."
        )
    if not any(prompt.positive for prompt in asked):
        raise UnsupportedPrompt(
            "All that was asked for is negative: it says what is not wanted. "
            f"Say what is wanted, too, {HOW}."
        )
    return prompts.phrases


def chunks(texts: Sequence[str], lengths: Sequence[int], room: int) -> Iterator[slice]:
    """As few slices of the texts as possible; those of a slice fit into `room` tokens together."""
    first = used = 0
    for index, (text, length) in enumerate(zip(texts, lengths, strict=True)):
        require_readable(text, length, room)
        if used + length > room:
            yield slice(first, index)
            first, used = index, 0
        used += length
    yield slice(first, len(texts))


def require_readable(text: str, length: int, room: int) -> None:
    """Raise `UnsupportedPrompt` for a phrase of more tokens than the model reads at once."""
    if length > room:
        raise UnsupportedPrompt(
            f"The phrase '{text[:40]}...' has {length} tokens, and the model reads {room} at once. "
            "Shorten it."
        )


def label_of(prompt: Phrase | Exemplar) -> str:
    """What its finds are called: its label, or else the words themselves."""
    words = prompt.text if isinstance(prompt, Phrase) else "exemplar"
    return prompt.label or words


def exemplar_box(exemplar: Exemplar, size_hw: tuple[int, int]) -> Box:
    """The exemplar's part of the image, x0, y0, x1, y1 in pixels; raises if it is beside it."""
    box_xyxy = clip_box(exemplar.box_xyxy, size_hw)
    if not box_area(box_xyxy):
        raise UnsupportedPrompt(
            f"The exemplar {exemplar.box_xyxy} covers no pixel of the image of {size_hw[1]} x "
            f"{size_hw[0]}. Boxes are x0, y0, x1, y1 in pixels of the upright image."
        )
    return box_xyxy


@dataclass(frozen=True, slots=True, kw_only=True)
class Finds:
    """What positive prompts found in an image, and what negative ones found."""

    wanted: list[Hint]
    unwanted: list[Hint]


def finds_of(
    boxes_xyxy: Floats,
    scores: Floats,
    askers: NDArray[np.integer],
    prompts: Sequence[Phrase | Exemplar],
    size_hw: tuple[int, int],
    masks: Sequence[Mask] | None = None,
) -> Finds:
    """Boxes (n, 4) in pixels that prompts[askers[i]] found with scores[i], labeled by it."""
    positive = np.array([prompt.positive for prompt in prompts], np.bool_)[askers]
    labels = np.array([label_of(prompt) for prompt in prompts], np.object_)[askers]
    wanted, unwanted = (
        hints_of(
            boxes_xyxy[side],
            scores[side],
            labels[side].tolist(),
            size_hw,
            masks and list(compress(masks, side)),
        )
        for side in (positive, ~positive)
    )
    return Finds(wanted=wanted, unwanted=unwanted)


def best_first(finds: Iterable[Finds]) -> list[Hint]:
    """All that is wanted of one image, less what negative prompts take away, by score.

    Where a model gives no scores, the order stays.
    """
    finds = list(finds)
    wanted = [hint for part in finds for hint in part.wanted]
    unwanted = [hint for part in finds for hint in part.unwanted]
    kept = without_unwanted(wanted, unwanted)
    return sorted(kept, key=lambda hint: hint.score or 0, reverse=True)


def best_phrases(finds: Sequence[Finds]) -> list[Hint]:
    """The same, where each part shows all objects through other phrases: one find an object.

    A model that can't read all phrases at once finds a cat by "cat" and again by "animal". Had it
    read both, it would have said which of them fits better; so the one with the higher score stays.
    """
    parts = {id(hint): index for index, part in enumerate(finds) for hint in part.wanted}
    hints = [hint for hint in best_first(finds) if hint.box_xyxy is not None]
    boxes = np.array([hint.box_xyxy for hint in hints], np.float64).reshape(-1, 4)
    areas = (boxes[:, 2:] - boxes[:, :2]).prod(axis=1)
    origins = np.array([parts[id(hint)] for hint in hints])
    kept: list[int] = []
    for index in range(len(hints)):
        shared = shared_areas(boxes[index], boxes[kept])
        equal = shared > SAME_BOX * (areas[index] + areas[kept] - shared)
        if not (equal & (origins[kept] != origins[index])).any():
            kept.append(index)
    return [hints[index] for index in kept]


def without_unwanted(wanted: Sequence[Hint], unwanted: Sequence[Hint]) -> list[Hint]:
    """Drop the finds that a negative prompt found, too, and with a higher score.

    Where a model gives no scores, what a negative prompt found is dropped.
    """
    return [hint for hint in wanted if not any(_takes(rival, hint) for rival in unwanted)]


def _takes(unwanted: Hint, wanted: Hint) -> bool:
    """Whether both are of one object, and the unwanted one is the surer of it."""
    scores = unwanted.score, wanted.score
    if scores[0] is not None and scores[1] is not None and scores[0] <= scores[1]:
        return False
    return _overlap(unwanted, wanted) >= SAME_OBJECT


def _overlap(one: Hint, other: Hint) -> float:
    """IoU of the boxes, 0 to 1."""
    if one.box_xyxy is None or other.box_xyxy is None:
        return 0.0
    box, others = np.array(one.box_xyxy, np.float64), np.array([other.box_xyxy], np.float64)
    shared = float(shared_areas(box, others)[0])
    return shared / max(box_area(one.box_xyxy) + box_area(other.box_xyxy) - shared, 1e-9)
