"""Grounding DINO and MM-Grounding-DINO: boxes for any number of phrases, by transformers."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.models.options import GroundingDinoOptions
from premask.models.parts.detections import Floats, corners_xyxy
from premask.models.parts.phrases import chunks, labeled_hints, required_phrases
from premask.models.parts.torch_runtime import (
    device_of,
    half_arithmetic,
    in_alike_batches,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Hint, Phrase, Prompts

AT_ONCE = 8
"""Images in the network at a time."""

AROUND = 2
"""Tokens that are no phrase's: the first and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Text:
    """Phrases that the model reads at once: all token ids, and the tokens (start, stop) of each."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Look:
    """One image, prepared, and some of the phrases that are looked for in it."""

    pixels: torch.Tensor
    text: _Text


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """Boxes (n, 4) center and size as shares of the image's sides, and a score (n, k) a phrase."""

    boxes: Floats
    scores: Floats


class GroundingDinoFinder:
    """Finds what phrases name. A long list of phrases takes several looks at the image.

    The image meets the words in the encoder already, so that one look can't serve another's words.
    """

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(AutoProcessor, weights)
        self._model = load_strictly(
            AutoModelForZeroShotObjectDetection,
            weights,
            device=self._device,
            dtype=torch.float32,
        )
        self._lock = threading.Lock()

    def find(
        self, images: Sequence[Image], prompts: Sequence[Prompts], options: GroundingDinoOptions
    ) -> list[list[Hint]]:
        """What the phrases name in each image, each box labeled with its best phrase."""
        phrases = [required_phrases(each) for each in prompts]
        texts = [list(self._texts(each)) for each in phrases]
        looks = [
            _Look(pixels=pixels, text=text)
            for pixels, texts_of_one in zip(map(self._pixels, images), texts, strict=True)
            for text in texts_of_one
        ]
        seen = iter(in_alike_batches(self._look, looks, AT_ONCE, _kind))
        return [
            _hints([next(seen) for _ in texts_of_one], phrases_of_one, image.size_hw, options)
            for image, texts_of_one, phrases_of_one in zip(images, texts, phrases, strict=True)
        ]

    def _pixels(self, image: Image) -> torch.Tensor:
        """The network's input (3, h, w)."""
        prepared = network_input(self._processor.image_processor, image, self._device)
        pixels: torch.Tensor = prepared["pixel_values"][0]
        return pixels

    def _texts(self, phrases: Sequence[Phrase]) -> Iterator[_Text]:
        """All phrases, in as few texts as the model's limit allows."""
        ids = [self._phrase_ids(phrase.text) for phrase in phrases]
        lengths = [len(each) + 1 for each in ids]  # with its full stop
        room = self._model.config.max_text_len - AROUND
        for chunk in chunks([phrase.text for phrase in phrases], lengths, room):
            yield self._text(ids[chunk])

    def _phrase_ids(self, text: str) -> list[int]:
        tokenizer = self._processor.tokenizer
        # The model takes a full stop or a question mark for the end of a phrase.
        ends = {*tokenizer.convert_tokens_to_ids([".", "?"]), *tokenizer.all_special_ids}
        ends.discard(tokenizer.unk_token_id)
        words = tokenizer(text.lower(), add_special_tokens=False, verbose=False)["input_ids"]
        ids = [token for token in words if token not in ends]
        if set(ids) <= {tokenizer.unk_token_id}:
            raise UnsupportedPrompt(
                f"The model can read nothing of the phrase '{text}'. Say it in other words."
            )
        return ids

    def _text(self, chunk: Sequence[Sequence[int]]) -> _Text:
        """As the model was trained: [CLS] a cat . a red chair . [SEP]."""
        tokenizer = self._processor.tokenizer
        stop = tokenizer.convert_tokens_to_ids(".")
        ids, spans = [tokenizer.cls_token_id], []
        for phrase in chunk:
            spans.append((len(ids), len(ids) + len(phrase)))
            ids += [*phrase, stop]
        return _Text(ids=(*ids, tokenizer.sep_token_id), spans=tuple(spans))

    def _look(self, looks: Sequence[_Look]) -> list[_Seen]:
        """Images of one size and with one text in the network."""
        text = looks[0].text
        pixels = torch.stack([look.pixels for look in looks])
        ids = torch.tensor([text.ids] * len(looks), device=self._device)
        with self._lock, torch.inference_mode(), half_arithmetic(self._device):
            output = self._model(pixel_values=pixels, input_ids=ids)
        scores = torch.sigmoid(output.logits.float())
        by_phrase = [scores[..., start:stop].amax(-1) for start, stop in text.spans]
        return [
            _Seen(boxes=boxes.numpy(), scores=scores_of_one.numpy())
            for boxes, scores_of_one in zip(
                output.pred_boxes.float().cpu(), torch.stack(by_phrase, -1).cpu(), strict=True
            )
        ]


def _kind(look: _Look) -> tuple[Any, ...]:
    return (*look.pixels.shape, look.text)


def _hints(
    seen: Sequence[_Seen],
    phrases: Sequence[Phrase],
    size_hw: tuple[int, int],
    options: GroundingDinoOptions,
) -> list[Hint]:
    """The boxes of all looks at one image; a box belongs to the phrase with the highest score."""
    first = np.cumsum([0, *(look.scores.shape[1] for look in seen)])[:-1]
    askers = np.concatenate(
        [look.scores.argmax(1) + start for look, start in zip(seen, first, strict=True)]
    )
    scores = np.concatenate([look.scores.max(1) for look in seen])
    kept = scores > options.threshold
    boxes = corners_xyxy(np.concatenate([look.boxes for look in seen])[kept], size_hw)
    return labeled_hints(boxes, scores[kept], askers[kept], phrases, size_hw)
