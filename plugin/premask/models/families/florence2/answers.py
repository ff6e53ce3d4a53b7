"""Florence-2's answers, which are words and <loc_...> tokens -> hints on the image."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from premask.labels.coco_rle import mask_from_segmentation
from premask.models.parts.detections import hints_of
from premask.prompts import Hint, Phrase

BINS = 1000
"""A coordinate is written as one of so many equal parts of the image's side."""

AROUND = re.compile("<s>|</s>|<pad>")
REGIONS = re.compile(r"([^<>]*)((?:<loc_\d+>|<sep>|<poly>|</poly>)+)")
POLYGONS = re.compile("<poly>(.*?)</poly>")
PLACE = re.compile(r"<loc_(\d+)>")


@dataclass(frozen=True, slots=True, kw_only=True)
class Region:
    """What the model calls something, and its box or polygons: x, y, x, y, ... in bins."""

    words: str
    rings: tuple[tuple[int, ...], ...]

    @property
    def is_box(self) -> bool:
        """Two corners; a polygon has three points at least."""
        return len(self.rings[0]) == 4


def boxes_in(answer: str) -> list[Region]:
    """One region for each box with words; fewer than four numbers at the end are no box."""
    regions = []
    for words, places in _runs(answer):
        numbers = _numbers(places)
        for first in range(0, len(numbers) - 3, 4):
            if words:
                regions.append(Region(words=words, rings=(numbers[first : first + 4],)))
    return regions


def outlines_in(answer: str) -> list[Region]:
    """A region for each outline, of one or more polygons with three points at least."""
    regions = []
    for words, places in _runs(answer):
        for outline in POLYGONS.findall(places) or [places]:
            numbers = [_numbers(ring) for ring in outline.split("<sep>")]
            rings = tuple(ring[: len(ring) // 2 * 2] for ring in numbers if len(ring) >= 6)
            regions.append(Region(words=words, rings=rings))
    return [region for region in regions if region.rings]


def regions_in(answer: str) -> list[Region]:
    """Outlines if the model draws some, else boxes."""
    return outlines_in(answer) if "<poly>" in answer else boxes_in(answer)


def region_hints(region: Region, label: str, size_hw: tuple[int, int]) -> list[Hint]:
    """The region clipped to the image, an outline with its mask; none if nothing of it is left."""
    rings = [_pixels(ring, size_hw) for ring in region.rings]
    if region.is_box:
        return hints_of(rings[0].reshape(1, 4), None, [label], size_hw)
    mask = mask_from_segmentation([ring.ravel().tolist() for ring in rings], size_hw)
    return hints_of(np.array([mask.box_xyxy]), None, [label], size_hw, [mask])


def asked_phrase(words: str, phrases: Sequence[Phrase]) -> Phrase:
    """The phrase that the model's words repeat, whole or in part, or else are most like.

    The caption that it read holds nothing but phrases, but it may repeat a part of one, or misspell
    it. Where nothing was asked for, its own words are the phrase.
    """
    if not phrases:
        return Phrase(text=words)
    said = _plain(words)

    def likeness(phrase: Phrase) -> tuple[bool, float]:
        asked = _plain(phrase.text)
        within = f" {said} " in f" {asked} "
        return within, difflib.SequenceMatcher(None, said, asked).ratio()

    return max(phrases, key=likeness)


def kept(hints: Sequence[Hint], keep: Sequence[str]) -> list[Hint]:
    """The hints at these places, from 0, or of these labels; all if none is named."""
    return [
        hint
        for place, hint in enumerate(hints)
        if not keep or str(place) in keep or hint.label in keep
    ]


def _runs(answer: str) -> Iterator[tuple[str, str]]:
    """Words, and the tokens of places that follow them."""
    for words, places in REGIONS.findall(AROUND.sub("", answer)):
        yield words.strip(), places


def _numbers(places: str) -> tuple[int, ...]:
    return tuple(int(number) for number in PLACE.findall(places))


def _pixels(ring: Sequence[int], size_hw: tuple[int, int]) -> NDArray[np.float64]:
    """Points (n, 2) x, y in pixels: the middle of their bins.

    transformers 5 cuts them down to whole pixels, which moves all to the upper left.
    """
    height, width = size_hw
    return (np.reshape(ring, (-1, 2)) + 0.5) * (width / BINS, height / BINS)


def _plain(words: str) -> str:
    """Letters and digits in lower case, words parted by one space."""
    return " ".join(re.findall(r"\w+", words.casefold()))
