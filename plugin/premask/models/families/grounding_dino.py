"""Grounding DINO and MM-Grounding-DINO: boxes for any number of phrases, by transformers."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForZeroShotObjectDetection, AutoProcessor

from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.masks import Size
from premask.models.options import GroundingDinoOptions
from premask.models.parts.detections import Floats, corners_xyxy
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.off_device import on_host
from premask.models.parts.phrase_finder import PhraseFinder
from premask.models.parts.phrases import (
    Finds,
    best_phrases,
    chunks,
    finds_of,
    required_phrases,
)
from premask.models.parts.torch_runtime import (
    device_of,
    half_arithmetic,
    images_at_once,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Phrase, Prompts

QUESTIONS_AT_ONCE = 8

AROUND = 2
"""Tokens that are no phrase's: the first and the last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Text:
    """Phrases that the model reads at once: all token ids, and the tokens (start, stop) of each."""

    ids: tuple[int, ...]
    spans: tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One image as the network sees it (3, h, w), and phrases that are looked for in it."""

    pixels: torch.Tensor
    size_hw: Size
    text: Text
    phrases: tuple[Phrase, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Boxes (n, 4) center and size as shares of the image's sides, and a score (n, k) a phrase."""

    boxes: Floats
    scores: Floats


DIFFERENCES = KnownDifferences(
    # The decoder's heads are the model's. transformers 4.57 wrote those of MM-Grounding-DINO beyond
    # the first as the decoder's only, and 5.24 then takes the first head for all of them.
    same_as={r"(bbox|class)_embed\.(\d+)\.(.+)": r"model.decoder.\1_embed.\2.\3"}
)

GroundingDinoFinder = PhraseFinder[Image, Question, Answer, GroundingDinoOptions]


def grounding_dino_finder(*, weights: Path, device: str) -> GroundingDinoFinder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(
        AutoModelForZeroShotObjectDetection,
        weights,
        device=device_of(device),
        known=DIFFERENCES,
        dtype=torch.float32,
    )
    network = GroundingDinoNetwork(model, load_processor(AutoProcessor, weights))
    return PhraseFinder(network, best_phrases)


class GroundingDinoNetwork:
    """A long list of phrases takes several looks at the image.

    The image meets the words in the encoder already, so that one look can't serve another's words.
    """

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self._device: torch.device = model.device
        self.questions_at_once = images_at_once(self._device, QUESTIONS_AT_ONCE)

    def questions(
        self, seen: Image, prompts: Prompts, options: GroundingDinoOptions
    ) -> list[Question]:
        """All phrases, in as few texts as the model's limit allows."""
        texts = list(self._texts(required_phrases(prompts)))
        prepared = network_input(self._processor.image_processor, seen, self._device)
        pixels = prepared["pixel_values"][0]
        return [
            Question(pixels=pixels, size_hw=seen.size_hw, text=text, phrases=phrases)
            for text, phrases in texts
        ]

    def kind(self, question: Question) -> Hashable:
        """Images of any size that are resized to one shape, and one text.

        To share a batch, others would have to be padded, which changes results.
        """
        return question.pixels.shape, question.text

    def ask(self, questions: Sequence[Question], options: GroundingDinoOptions) -> list[Answer]:
        """Boxes with a score for each phrase: the best of its tokens'."""
        text = questions[0].text
        pixels = torch.stack([question.pixels for question in questions])
        ids = torch.tensor([text.ids] * len(questions), device=self._device)
        with half_arithmetic(self._device):
            output = self._model(pixel_values=pixels, input_ids=ids)
        scores = torch.sigmoid(output.logits.float())
        by_phrase = [scores[..., start:stop].amax(-1) for start, stop in text.spans]
        boxes, scores_of = on_host(output.pred_boxes.float(), torch.stack(by_phrase, -1))
        return [
            Answer(boxes=boxes_of_one, scores=scores_of_one)
            for boxes_of_one, scores_of_one in zip(boxes, scores_of, strict=True)
        ]

    def read(self, question: Question, answer: Answer, options: GroundingDinoOptions) -> Finds:
        """The boxes above the threshold; a box belongs to the phrase with the highest score."""
        askers, scores = answer.scores.argmax(1), answer.scores.max(1)
        kept = scores > options.threshold
        boxes = corners_xyxy(answer.boxes[kept], question.size_hw)
        return finds_of(boxes, scores[kept], askers[kept], question.phrases, question.size_hw)

    def _texts(self, phrases: tuple[Phrase, ...]) -> Iterator[tuple[Text, tuple[Phrase, ...]]]:
        ids = [self._phrase_ids(phrase.text) for phrase in phrases]
        lengths = [len(tokens) + 1 for tokens in ids]  # with its full stop
        room = self._model.config.max_text_len - AROUND
        for chunk in chunks([phrase.text for phrase in phrases], lengths, room):
            yield self._text(ids[chunk]), phrases[chunk]

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

    def _text(self, chunk: Sequence[Sequence[int]]) -> Text:
        """As the model was trained: [CLS] a cat . a red chair . [SEP]."""
        tokenizer = self._processor.tokenizer
        stop = tokenizer.convert_tokens_to_ids(".")
        ids, spans = [tokenizer.cls_token_id], []
        for phrase in chunk:
            spans.append((len(ids), len(ids) + len(phrase)))
            ids += [*phrase, stop]
        return Text(ids=(*ids, tokenizer.sep_token_id), spans=tuple(spans))
