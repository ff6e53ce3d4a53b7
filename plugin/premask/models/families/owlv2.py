"""OWLv2: boxes for phrases, and for what looks like an exemplar, by transformers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torchvision.ops import batched_nms, box_convert, box_iou
from transformers import AutoProcessor, Owlv2ForObjectDetection

from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.models.options import Owlv2Options
from premask.models.parts.detections import corners_xyxy
from premask.models.parts.off_device import on_host
from premask.models.parts.phrase_finder import EmbeddedPhraseFinder, Tensors
from premask.models.parts.phrases import Finds, finds_of, require_readable, required_phrases
from premask.models.parts.text_features import TextFeatures
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    dtype_on,
    half_arithmetic,
    images_at_once,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Exemplar, Phrase, Prompts

PHRASES_AT_ONCE = 256

# OWL-ViT's authors: of the boxes that fit an exemplar nearly as well as the best one, take the one
# that is least like the whole image; and of the finds that overlap by this IoU, the best.
NEARLY = 0.8
SAME_FIND = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """All that is looked for in one image."""

    embedding: TorchEmbedding
    prompts: Prompts


@dataclass(frozen=True, slots=True, kw_only=True)
class Scored:
    """Boxes (n, 4) center and size in shares, their scores (n,), and which prompt found each."""

    boxes: torch.Tensor
    scores: torch.Tensor
    askers: torch.Tensor


Owlv2Finder = EmbeddedPhraseFinder[Question, Scored, Owlv2Options]


def owlv2_finder(*, weights: Path, device: str) -> Owlv2Finder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(
        Owlv2ForObjectDetection, weights, device=device_of(device), dtype=torch.float32
    )
    return EmbeddedPhraseFinder(Owlv2Network(model, load_processor(AutoProcessor, weights)))


class Owlv2Network:
    """Answers any number of phrases and exemplars at once; a box goes to its best phrase."""

    # The heads that answer are small, and images differ in what is asked of them.
    questions_at_once = 1

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self.device: torch.device = model.device
        self.encoder: torch.nn.Module = model.owlv2.vision_model
        at_once = images_at_once(self.device, PHRASES_AT_ONCE)
        self._texts = TextFeatures(self._encoded_texts, at_once=at_once)

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        """What it looks at (n, 3, side, side): the image in the upper left of a square."""
        processor = self._processor.image_processor
        inputs = [network_input(processor, image, self.device) for image in images]
        return torch.cat([prepared["pixel_values"] for prepared in inputs])

    def encode(self, pixels: torch.Tensor) -> list[Tensors]:
        """The features (h, w, d) of each image's patches: boxes and classes are read from them."""
        with half_arithmetic(self.device):
            features = self._model.image_embedder(pixels)[0].to(dtype_on(self.device))
        return [{"features": of_one} for of_one in features]

    def questions(
        self, seen: TorchEmbedding, prompts: Prompts, options: Owlv2Options
    ) -> list[Question]:
        required_phrases(prompts, exemplars=True)
        return [Question(embedding=seen, prompts=prompts)]

    def kind(self, question: Question) -> None:
        """All questions are alike."""

    def ask(self, questions: Sequence[Question], options: Owlv2Options) -> list[Scored]:
        """The boxes above the thresholds, in each question's image."""
        return [self._answer(question, options) for question in questions]

    def read(self, question: Question, answer: Scored, options: Owlv2Options) -> Finds:
        """The boxes in pixels, each labeled by what found it."""
        # Shares of the square that the network sees, whose sides are the image's longer one.
        side = max(question.embedding.size_hw)
        boxes, scores, found_by = on_host(answer.boxes, answer.scores, answer.askers)
        corners = corners_xyxy(boxes, (side, side))
        askers: list[Phrase | Exemplar] = [*question.prompts.phrases, *question.prompts.exemplars]
        return finds_of(corners, scores, found_by, askers, question.embedding.size_hw)

    def _answer(self, question: Question, options: Owlv2Options) -> Scored:
        prompts, embedding = question.prompts, question.embedding
        grid = embedding.tensors["features"].to(self.device, torch.float32)[None]
        features = grid.flatten(1, 2)
        boxes = self._model.box_predictor(features, grid)[0]
        found = []
        if prompts.phrases:
            queries = torch.stack(self._texts.of([phrase.text for phrase in prompts.phrases]))
            found.append(self._scored(features, boxes, queries, options.threshold))
        if prompts.exemplars:
            side = max(embedding.size_hw)
            like = self._like_exemplars(features, boxes, prompts.exemplars, side)
            alike = self._scored(features, boxes, like, options.exemplar_threshold)
            found.append(distinct(alike, prompts.exemplars, len(prompts.phrases)))
        return Scored(
            boxes=torch.cat([part.boxes for part in found]),
            scores=torch.cat([part.scores for part in found]),
            askers=torch.cat([part.askers for part in found]),
        )

    def _encoded_texts(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """A unit vector (d,) for each text."""
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._processor.tokenizer(
            list(texts), padding="max_length", max_length=most, verbose=False
        )
        for text, ids in zip(texts, tokens["input_ids"], strict=True):
            require_readable(text, len(ids), most)
        inputs = tokens.convert_to_tensors("pt").to(self.device)
        vectors = self._model.owlv2.get_text_features(**inputs).pooler_output
        return list(torch.nn.functional.normalize(vectors, dim=-1))

    def _scored(
        self, features: torch.Tensor, boxes: torch.Tensor, queries: torch.Tensor, threshold: float
    ) -> Scored:
        """The boxes that score more than the threshold for their best query (k, d)."""
        logits = self._model.class_predictor(features, queries[None])[0][0]
        scores, askers = torch.sigmoid(logits).max(dim=-1)
        kept = scores > threshold
        return Scored(boxes=boxes[kept], scores=scores[kept], askers=askers[kept])

    def _like_exemplars(
        self,
        features: torch.Tensor,
        boxes: torch.Tensor,
        exemplars: Sequence[Exemplar],
        side: int,
    ) -> torch.Tensor:
        """A vector (k, d) for each exemplar: that of a box of the model's own in its place."""
        looks = self._model.class_predictor(features)[1][0]
        corners = side * box_convert(boxes, "cxcywh", "xyxy")
        usual = looks.mean(dim=0)
        vectors = []
        for exemplar in exemplars:
            places = _places_of(exemplar.box_xyxy, corners)
            vectors.append(looks[places[(looks[places] @ usual).argmin()]])
        return torch.stack(vectors)


def _places_of(box_xyxy: Box, corners: torch.Tensor) -> torch.Tensor:
    """Which boxes (n, 4) in pixels fit the exemplar best, or nearly so."""
    overlaps = box_iou(corners.new_tensor([box_xyxy]), corners)[0]
    if not overlaps.max() > 0:
        raise UnsupportedPrompt(
            f"OWLv2 sees nothing at the exemplar {box_xyxy}: draw it around one whole object."
        )
    return (overlaps >= NEARLY * overlaps.max()).nonzero()[:, 0]


def distinct(found: Scored, exemplars: Sequence[Exemplar], first: int) -> Scored:
    """Without what overlaps a better find of the same sign; askers count from `first`."""
    positive = torch.tensor(
        [exemplar.positive for exemplar in exemplars], device=found.askers.device
    )
    signs = positive[found.askers].long()
    corners = box_convert(found.boxes, "cxcywh", "xyxy")
    kept = batched_nms(corners, found.scores, signs, SAME_FIND)
    return Scored(
        boxes=found.boxes[kept], scores=found.scores[kept], askers=found.askers[kept] + first
    )
