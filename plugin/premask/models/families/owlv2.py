"""OWLv2: boxes for phrases, and for what looks like an exemplar, by transformers."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchvision.ops import batched_nms, box_convert, box_iou
from transformers import AutoProcessor, Owlv2ForObjectDetection

from premask.errors import UnsupportedPrompt
from premask.geometry import Box
from premask.images import Image
from premask.models.options import Owlv2Options
from premask.models.parts.detections import corners_xyxy
from premask.models.parts.phrases import labeled_hints, require_readable, required_phrases
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    dtype_on,
    embedding_from_bytes,
    half_arithmetic,
    in_batches,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Exemplar, Hint, Phrase, Prompts

AT_ONCE = 8
"""Images in the network at a time."""

PHRASES_AT_ONCE = 256

# OWL-ViT's authors: of the boxes that fit an exemplar nearly as well as the best one, take the one
# that is least like the whole image; and of the finds that overlap by this IoU, the best.
NEARLY = 0.8
SAME_FIND = 0.3


@dataclass(frozen=True, slots=True, kw_only=True)
class _Finds:
    """Boxes (n, 4) center and size in shares, their scores (n,), and which prompt found each."""

    boxes: torch.Tensor
    scores: torch.Tensor
    askers: torch.Tensor


class Owlv2Finder:
    """Looks at each image once, whatever is asked of it and however many phrases there are."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(AutoProcessor, weights)
        self._model = load_strictly(
            Owlv2ForObjectDetection, weights, device=self._device, dtype=torch.float32
        )
        self._lock = threading.Lock()

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """The features of each image's patches; what a box and a class are read from."""
        return in_batches(self._embed, images, AT_ONCE)

    def restore(self, data: bytes) -> TorchEmbedding:
        """Read back what an embedding's `to_bytes` wrote."""
        return embedding_from_bytes(data, self._device)

    def find(
        self,
        embeddings: Sequence[TorchEmbedding],
        prompts: Sequence[Prompts],
        options: Owlv2Options,
    ) -> list[list[Hint]]:
        """What phrases name, each box labeled with its best one, and what is like exemplars."""
        asked = [required_phrases(each, exemplars=True) for each in prompts]
        texts = list(dict.fromkeys(phrase.text for phrases in asked for phrase in phrases))
        with self._lock, torch.inference_mode():
            words = dict(zip(texts, in_batches(self._words, texts, PHRASES_AT_ONCE), strict=True))
            return [
                self._find(each, words, wanted, options)
                for each, wanted in zip(embeddings, prompts, strict=True)
            ]

    def _embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        processor = self._processor.image_processor
        inputs = [network_input(processor, image, self._device) for image in images]
        pixels = torch.cat([each["pixel_values"] for each in inputs])
        with self._lock, torch.inference_mode(), half_arithmetic(self._device):
            features = self._model.image_embedder(pixels)[0].to(dtype_on(self._device))
        return [
            TorchEmbedding(size_hw=image.size_hw, tensors={"features": of_one.clone()})
            for image, of_one in zip(images, features, strict=True)
        ]

    def _words(self, texts: Sequence[str]) -> list[torch.Tensor]:
        """A vector (d,) for each text."""
        most = self._model.config.text_config.max_position_embeddings
        tokens = self._processor.tokenizer(
            list(texts), padding="max_length", max_length=most, verbose=False
        )
        for text, ids in zip(texts, tokens["input_ids"], strict=True):
            require_readable(text, len(ids), most)
        inputs = tokens.convert_to_tensors("pt").to(self._device)
        vectors = self._model.owlv2.get_text_features(**inputs).pooler_output
        return list(torch.nn.functional.normalize(vectors, dim=-1))

    def _find(
        self,
        embedding: TorchEmbedding,
        words: dict[str, torch.Tensor],
        prompts: Prompts,
        options: Owlv2Options,
    ) -> list[Hint]:
        grid = embedding.tensors["features"].to(self._device, torch.float32)[None]
        features = grid.flatten(1, 2)
        boxes = self._model.box_predictor(features, grid)[0]
        # The network sees the image in the upper left of a square.
        side = max(embedding.size_hw)
        finds = []
        if prompts.phrases:
            queries = torch.stack([words[phrase.text] for phrase in prompts.phrases])
            finds.append(self._scored(features, boxes, queries, options.threshold))
        if prompts.exemplars:
            like = self._like_exemplars(features, boxes, prompts.exemplars, side)
            found = self._scored(features, boxes, like, options.exemplar_threshold)
            finds.append(_distinct(found, prompts.exemplars, len(prompts.phrases)))
        return _hints(finds, (*prompts.phrases, *prompts.exemplars), embedding.size_hw, side)

    def _scored(
        self, features: torch.Tensor, boxes: torch.Tensor, queries: torch.Tensor, threshold: float
    ) -> _Finds:
        """The boxes that score more than the threshold for their best query (k, d)."""
        logits = self._model.class_predictor(features, queries[None])[0][0]
        scores, askers = torch.sigmoid(logits).max(dim=-1)
        kept = scores > threshold
        return _Finds(boxes=boxes[kept], scores=scores[kept], askers=askers[kept])

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


def _distinct(finds: _Finds, exemplars: Sequence[Exemplar], first: int) -> _Finds:
    """Without what overlaps a better find of the same sign; askers count from `first`."""
    positive = torch.tensor([each.positive for each in exemplars], device=finds.askers.device)
    signs = positive[finds.askers].long()
    corners = box_convert(finds.boxes, "cxcywh", "xyxy")
    kept = batched_nms(corners, finds.scores, signs, SAME_FIND)
    return _Finds(
        boxes=finds.boxes[kept], scores=finds.scores[kept], askers=finds.askers[kept] + first
    )


def _hints(
    finds: Sequence[_Finds],
    prompts: Sequence[Phrase | Exemplar],
    size_hw: tuple[int, int],
    side: int,
) -> list[Hint]:
    boxes, scores, askers = (
        np.concatenate([part.cpu().numpy() for part in parts])
        for parts in zip(*((each.boxes, each.scores, each.askers) for each in finds), strict=True)
    )
    return labeled_hints(corners_xyxy(boxes, (side, side)), scores, askers, prompts, size_hw)
