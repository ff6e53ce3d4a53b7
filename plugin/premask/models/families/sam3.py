"""SAM 3 (2025): all that a phrase names, or that looks like an exemplar, with masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from transformers import Sam3LiteTextModel, Sam3Model, Sam3Processor
from transformers.modeling_outputs import BaseModelOutputWithPooling
from transformers.models.sam3.modeling_sam3 import Sam3VisionEncoderOutput

from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.masks import Size
from premask.models.options import Sam3Options
from premask.models.parts.mask_logits import Canvas, masks_from_logits
from premask.models.parts.off_device import on_host
from premask.models.parts.phrase_finder import EmbeddedPhraseFinder, Tensors
from premask.models.parts.phrases import (
    Finds,
    exemplar_box,
    finds_of,
    label_of,
    require_readable,
    required_phrases,
)
from premask.models.parts.promptable import load_promptable
from premask.models.parts.square_pixels import network_pixels
from premask.models.parts.text_features import TextFeatures
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    images_at_once,
    load_processor,
    quick_products,
)
from premask.models.parts.weights_folder import require_readable_settings
from premask.prompts import Exemplar, Phrase, Prompts

TEXTS_AT_ONCE = 8

MOST_TOKENS = 32
"""What the text encoder reads, with those at the beginning and the end."""

NO_WORDS = "visual"
"""What the model was trained to read where there are exemplars only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What is looked for in one image: words, and boxes around what is like it or unlike it."""

    embedding: TorchEmbedding
    asker: Phrase | Exemplar
    words: str
    exemplars: tuple[Exemplar, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """Scores (n,), corners of boxes (n, 4) as shares of the image's sides, and logits (n, h, w)."""

    scores: torch.Tensor
    boxes: torch.Tensor
    masks: torch.Tensor


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """A text's features (tokens, d), and which of the tokens (tokens,) are not padding."""

    features: torch.Tensor
    attention_mask: torch.Tensor


Sam3Finder = EmbeddedPhraseFinder[Question, Answer, Sam3Options]


def sam3_finder(*, weights: Path, device: str) -> Sam3Finder:
    """The adapter; `weights` is a folder as transformers writes it, of the image or video model."""
    model = load_promptable(_model_class(weights), weights, device_of(device))
    return EmbeddedPhraseFinder(Sam3Network(model, load_processor(Sam3Processor, weights)))


class Sam3Network:
    """Finds and outlines at once. A score is presence times class, as the authors have it."""

    questions_at_once = 8

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.encoder: torch.nn.Module = model.vision_encoder
        at_once = images_at_once(self.device, TEXTS_AT_ONCE)
        self._texts = TextFeatures(self._encoded_texts, at_once=at_once)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        return network_pixels(self._processor.image_processor, images, self._model.vision_encoder)

    def encode(self, pixels: torch.Tensor) -> list[Tensors]:
        """The feature maps (1, d, h, w) of each image, by level, the finest first."""
        maps = self._model.get_vision_features(pixels).fpn_hidden_states
        return [
            {str(level): features[[index]] for level, features in enumerate(maps)}
            for index in range(len(pixels))
        ]

    def questions(
        self, seen: TorchEmbedding, prompts: Prompts, options: Sam3Options
    ) -> list[Question]:
        """One for each phrase with the exemplars of its label, and one for each label left over."""
        phrases = required_phrases(prompts, exemplars=True)
        wanted = [phrase for phrase in phrases if phrase.positive]
        exemplars: dict[str, tuple[Exemplar, ...]] = {}
        for exemplar in prompts.exemplars:
            label = exemplar.label or (label_of(wanted[0]) if len(wanted) == 1 else "")
            exemplars[label] = (*exemplars.get(label, ()), exemplar)
        worded = [
            Question(
                embedding=seen,
                asker=phrase,
                words=phrase.text,
                exemplars=exemplars.get(label_of(phrase), ()) if phrase.positive else (),
            )
            for phrase in phrases
        ]
        taken = {label_of(phrase) for phrase in wanted}
        return worded + [
            Question(embedding=seen, asker=_first_positive(group), words=NO_WORDS, exemplars=group)
            for label, group in exemplars.items()
            if label not in taken
        ]

    def kind(self, question: Question) -> int:
        """Exemplars are not padded, and bring a token of their own that words alone don't have."""
        return len(question.exemplars)

    def ask(self, questions: Sequence[Question], options: Sam3Options) -> list[Answer]:
        """All objects that the network thinks of, sure or not."""
        words = self._texts.of([question.words for question in questions])
        with quick_products(self.device):
            output = self._model(
                vision_embeds=self._vision(questions),
                # In spite of its type and documentation, the library (5.23) wants no tensor here.
                text_embeds=BaseModelOutputWithPooling(
                    pooler_output=torch.stack([text.features for text in words])
                ),
                attention_mask=torch.stack([text.attention_mask for text in words]),
                **{name: values.to(self.device) for name, values in _boxes(questions).items()},
            )
        scores = output.pred_logits.sigmoid() * output.presence_logits.sigmoid()
        return [
            Answer(scores=of_one, boxes=boxes, masks=masks)
            for of_one, boxes, masks in zip(
                scores, output.pred_boxes, output.pred_masks, strict=True
            )
        ]

    def read(self, question: Question, answer: Answer, options: Sam3Options) -> Finds:
        """The objects above the threshold, with their masks."""
        height, width = size_hw = question.embedding.size_hw
        canvas = Canvas(side=answer.masks.shape[-1], size_hw=size_hw)
        scores, boxes = on_host(answer.scores, answer.boxes)
        kept = np.flatnonzero(scores > options.threshold)
        scores, corners = scores[kept], boxes[kept] * [width, height, width, height]
        # The authors enlarge probabilities, not logits.
        logits = answer.masks[torch.from_numpy(kept).to(answer.masks.device)]
        surplus = logits.sigmoid() - options.mask_threshold
        masks = masks_from_logits(surplus, [canvas] * len(kept))
        askers = np.zeros(len(scores), np.int64)  # there is but one
        return finds_of(corners, scores, askers, [question.asker], size_hw, masks)

    def _vision(self, questions: Sequence[Question]) -> Sam3VisionEncoderOutput:
        """The images of the questions, as the encoder would hand them to the rest of the model."""
        embeddings = [question.embedding.tensors for question in questions]
        maps = [
            torch.cat([tensors[level] for tensors in embeddings]).float()
            for level in sorted(embeddings[0])
        ]
        places = self._model.vision_encoder.neck.position_encoding
        return Sam3VisionEncoderOutput(
            fpn_hidden_states=tuple(maps),
            fpn_position_encoding=tuple(
                places(of_level[:1].shape, of_level.device, of_level.dtype).expand(
                    len(of_level), -1, -1, -1
                )
                for of_level in maps
            ),
        )

    def _encoded_texts(self, texts: Sequence[str]) -> list[Words]:
        encoded = self._processor.tokenizer(
            list(texts), padding="max_length", max_length=MOST_TOKENS, verbose=False
        )
        for text, ids in zip(texts, encoded["input_ids"], strict=True):
            require_readable(text, len(ids), MOST_TOKENS)
        ids, attention_mask = (
            torch.tensor(encoded[name], device=self.device)
            for name in ("input_ids", "attention_mask")
        )
        output = self._model.get_text_features(input_ids=ids, attention_mask=attention_mask)
        return [
            Words(features=features.clone(), attention_mask=mask)
            for features, mask in zip(output.pooler_output, attention_mask, strict=True)
        ]


def _model_class(folder: Path) -> Any:
    """The image model; it also loads from the folder of its video model, as it is published."""
    settings = require_readable_settings(folder)
    return Sam3LiteTextModel if settings.get("model_type") == "sam3_lite_text" else Sam3Model


def _first_positive(exemplars: Sequence[Exemplar]) -> Exemplar:
    for exemplar in exemplars:
        if exemplar.positive:
            return exemplar
    raise UnsupportedPrompt(
        f"All exemplars labeled '{exemplars[0].label}' are negative: they say what is not wanted. "
        "Add a positive one, or give them the label of a phrase."
    )


def _boxes(questions: Sequence[Question]) -> dict[str, torch.Tensor]:
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
