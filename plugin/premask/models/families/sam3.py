"""SAM 3 (2025): all that a phrase names, or that looks like an exemplar, with masks."""

from __future__ import annotations

import json
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from transformers import Sam3LiteTextModel, Sam3Model, Sam3Processor
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.masks import Size
from premask.models.options import Sam3Options
from premask.models.parts.detections import hints_of
from premask.models.parts.mask_logits import Canvas, mask_from_logits
from premask.models.parts.phrases import (
    exemplar_box,
    label_of,
    require_readable,
    required_phrases,
    without_unwanted,
)
from premask.models.parts.promptable import load_promptable, network_pixels
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    embedding_from_bytes,
    in_alike_batches,
    in_batches,
    load_processor,
)
from premask.prompts import Exemplar, Hint, Phrase, Prompts

IMAGES_AT_ONCE = 8
QUESTIONS_AT_ONCE = 8

MOST_TOKENS = 32
"""What the text encoder reads, with those at the beginning and the end."""

NO_WORDS = "visual"
"""What the model was trained to read where there are exemplars only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """What is looked for in one image: words, and boxes around what is like it or unlike it."""

    embedding: TorchEmbedding
    asker: Phrase | Exemplar
    words: str
    exemplars: tuple[Exemplar, ...]


class Sam3Finder:
    """Finds and outlines at once. A score is presence times class, as the authors have it."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(Sam3Processor, weights)
        self._model = load_promptable(_model_class(weights), weights, self._device)
        self._lock = threading.Lock()

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """The feature maps of each image, on the model's device."""
        return in_batches(self._embedded, images, IMAGES_AT_ONCE)

    def restore(self, data: bytes) -> TorchEmbedding:
        """An embedding from its bytes; ValueError for bytes that are none."""
        return embedding_from_bytes(data, self._device)

    def find(
        self,
        embeddings: Sequence[TorchEmbedding],
        prompts: Sequence[Prompts],
        options: Sam3Options,
    ) -> list[list[Hint]]:
        """What phrases and exemplars ask for in each image, with masks; the best one first."""
        questions = [
            _questions(embedding, each) for embedding, each in zip(embeddings, prompts, strict=True)
        ]
        together = [question for each in questions for question in each]
        # Exemplars are not padded, and bring a token of their own that words alone don't have.
        answers = iter(
            in_alike_batches(
                partial(self._answers, options=options),
                together,
                QUESTIONS_AT_ONCE,
                lambda question: len(question.exemplars),
            )
        )
        return [_wanted([(question, next(answers)) for question in each]) for each in questions]

    def _embedded(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        pixels = network_pixels(self._processor.image_processor, images, self._model.vision_encoder)
        with self._lock, torch.inference_mode():
            maps = self._model.get_vision_features(pixels).fpn_hidden_states
        # Copies, as a view would keep its whole batch in memory.
        return [
            TorchEmbedding(
                size_hw=image.size_hw,
                tensors={str(level): each[[index]] for level, each in enumerate(maps)},
            )
            for index, image in enumerate(images)
        ]

    def _answers(self, questions: Sequence[_Question], options: Sam3Options) -> list[list[Hint]]:
        """The objects that each question, of as many exemplars as the others, asks for."""
        arguments = {**self._words(questions), **_boxes(questions)}
        arguments = {name: values.to(self._device) for name, values in arguments.items()}
        with self._lock, torch.inference_mode():
            output = self._model(vision_embeds=self._seen(questions), **arguments)
        scores = output.pred_logits.sigmoid() * output.presence_logits.sigmoid()
        return [
            _hints(question, scores[index], output.pred_boxes[index], masks, options)
            for index, (question, masks) in enumerate(
                zip(questions, output.pred_masks, strict=True)
            )
        ]

    def _seen(self, questions: Sequence[_Question]) -> Sam3VisionEncoderOutput:
        """The images of the questions, as the encoder would hand them to the rest of the model."""
        embeddings = [question.embedding.tensors for question in questions]
        maps = [
            torch.cat([each[level] for each in embeddings]).float()
            for level in sorted(embeddings[0])
        ]
        places = self._model.vision_encoder.neck.position_encoding
        return Sam3VisionEncoderOutput(
            fpn_hidden_states=tuple(maps),
            fpn_position_encoding=tuple(
                places(each[:1].shape, each.device, each.dtype).expand(len(each), -1, -1, -1)
                for each in maps
            ),
        )

    def _words(self, questions: Sequence[_Question]) -> dict[str, torch.Tensor]:
        """Token ids (n, 32) and which of them are not padding."""
        words = [question.words for question in questions]
        encoded = self._processor.tokenizer(
            words, padding="max_length", max_length=MOST_TOKENS, verbose=False
        )
        for text, ids in zip(words, encoded["input_ids"], strict=True):
            require_readable(text, len(ids), MOST_TOKENS)
        return {name: torch.tensor(encoded[name]) for name in ("input_ids", "attention_mask")}


def _model_class(folder: Path) -> Any:
    """The image model; it also loads from the folder of its video model, as it is published."""
    settings = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return Sam3LiteTextModel if settings["model_type"] == "sam3_lite_text" else Sam3Model


def _questions(embedding: TorchEmbedding, prompts: Prompts) -> list[_Question]:
    """One for each phrase, with the exemplars of its label, and one for each label left over."""
    phrases = required_phrases(prompts, exemplars=True)
    wanted = [phrase for phrase in phrases if phrase.positive]
    exemplars: dict[str, tuple[Exemplar, ...]] = {}
    for exemplar in prompts.exemplars:
        label = exemplar.label or (label_of(wanted[0]) if len(wanted) == 1 else "")
        exemplars[label] = (*exemplars.get(label, ()), exemplar)
    worded = [
        _Question(
            embedding=embedding,
            asker=phrase,
            words=phrase.text,
            exemplars=exemplars.get(label_of(phrase), ()) if phrase.positive else (),
        )
        for phrase in phrases
    ]
    taken = {label_of(phrase) for phrase in wanted}
    return worded + [
        _Question(
            embedding=embedding, asker=_first_positive(group), words=NO_WORDS, exemplars=group
        )
        for label, group in exemplars.items()
        if label not in taken
    ]


def _first_positive(exemplars: Sequence[Exemplar]) -> Exemplar:
    for exemplar in exemplars:
        if exemplar.positive:
            return exemplar
    raise UnsupportedPrompt(
        f"All exemplars labeled '{exemplars[0].label}' are negative: they say what is not wanted. "
        "Add a positive one, or give them the label of a phrase."
    )


def _boxes(questions: Sequence[_Question]) -> dict[str, torch.Tensor]:
    """Exemplars (n, k, 4) as center and size in shares of the image's sides, and 1 or 0 (n, k)."""
    if not questions[0].exemplars:
        return {}
    boxes = [
        [_center_and_size(exemplar, question.embedding.size_hw) for exemplar in question.exemplars]
        for question in questions
    ]
    kinds = [[int(exemplar.positive) for exemplar in question.exemplars] for question in questions]
    return {"input_boxes": torch.tensor(boxes), "input_boxes_labels": torch.tensor(kinds)}


def _center_and_size(exemplar: Exemplar, size_hw: Size) -> Box:
    (x0, y0, x1, y1), (height, width) = exemplar_box(exemplar, size_hw), size_hw
    return (x0 + x1) / 2 / width, (y0 + y1) / 2 / height, (x1 - x0) / width, (y1 - y0) / height


def _hints(
    question: _Question,
    scores: torch.Tensor,
    boxes: torch.Tensor,
    logits: torch.Tensor,
    options: Sam3Options,
) -> list[Hint]:
    """Objects above the threshold, from scores (n,), boxes (n, 4) as shares, masks (n, h, w)."""
    height, width = question.embedding.size_hw
    canvas = Canvas(side=logits.shape[-1], size_hw=(height, width))
    kept = scores > options.threshold
    # The authors enlarge probabilities, not logits.
    surplus = logits[kept].sigmoid() - options.mask_threshold
    corners = boxes[kept].cpu().numpy() * [width, height, width, height]
    labels = [label_of(question.asker)] * len(corners)
    masks = [mask_from_logits(each, canvas) for each in surplus]
    return hints_of(corners, scores[kept].cpu().numpy(), labels, canvas.size_hw, masks)


def _wanted(answered: Sequence[tuple[_Question, list[Hint]]]) -> list[Hint]:
    """The finds of all positive questions about an image, less those of the negative ones."""
    finds: dict[bool, list[Hint]] = {True: [], False: []}
    for question, hints in answered:
        finds[question.asker.positive] += hints
    kept = without_unwanted(finds[True], finds[False])
    return sorted(kept, key=lambda hint: hint.score or 0, reverse=True)
