"""Florence-2: finds what a caption names, or whatever there is, and writes it as a text."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from premask.errors import UnsupportedPrompt
from premask.images import Image
from premask.masks import Size
from premask.models.families.florence2.answers import (
    Region,
    asked_phrase,
    boxes_in,
    kept,
    outlines_in,
    region_hints,
    regions_in,
)
from premask.models.options import Florence2Options
from premask.models.parts.phrase_finder import EmbeddedPhraseFinder, Tensors
from premask.models.parts.phrases import (
    Finds,
    chunks,
    label_of,
    require_readable,
    required_phrases,
)
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Phrase, Prompts

STOP = ". "
"""Separates phrases in a caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Task:
    """What the model calls the task, how many phrases an answer takes, and how it is read."""

    token: str
    takes: str
    read: Callable[[str], list[Region]]


TASKS = {
    "phrase-grounding": Task(token="<CAPTION_TO_PHRASE_GROUNDING>", takes="all", read=boxes_in),
    "open-vocabulary-detection": Task(
        token="<OPEN_VOCABULARY_DETECTION>", takes="one", read=regions_in
    ),
    "referring-expression-segmentation": Task(
        token="<REFERRING_EXPRESSION_SEGMENTATION>", takes="one", read=outlines_in
    ),
    "object-detection": Task(token="<OD>", takes="none", read=boxes_in),
    "dense-region-captions": Task(token="<DENSE_REGION_CAPTION>", takes="none", read=boxes_in),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One answer to be written: about which image, on which task, and about which phrases."""

    features: torch.Tensor
    size_hw: Size
    ids: tuple[int, ...]
    phrases: tuple[Phrase, ...]


Florence2Finder = EmbeddedPhraseFinder[Question, str, Florence2Options]


def florence2_finder(*, weights: Path, device: str) -> Florence2Finder:
    """The adapter; `weights` is a folder as transformers writes it."""
    model = load_strictly(Florence2ForConditionalGeneration, weights, device=device_of(device))
    network = Florence2Network(model, load_processor(AutoProcessor, weights))
    return EmbeddedPhraseFinder(network, finish=lambda hints, options: kept(hints, options.keep))


class Florence2Network:
    """Writes one answer for each caption or phrase, and gives no scores."""

    questions_at_once = 8

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._processor = processor
        self._longest: int = model.config.text_config.max_position_embeddings
        self.device: torch.device = model.device
        self.encoder: torch.nn.Module = model.model.vision_tower

    def pixels(self, images: Sequence[Image]) -> torch.Tensor:
        processor = self._processor.image_processor
        inputs = [network_input(processor, image, self.device) for image in images]
        return torch.cat([prepared["pixel_values"] for prepared in inputs]).to(self._model.dtype)

    def encode(self, pixels: torch.Tensor) -> list[Tensors]:
        """What the language model reads of each image (tokens, d)."""
        features = self._model.get_image_features(pixels).pooler_output
        return [{"features": of_one} for of_one in features]

    def questions(
        self, seen: TorchEmbedding, prompts: Prompts, options: Florence2Options
    ) -> list[Question]:
        """One for as many phrases as the task takes at once."""
        task, features = TASKS[options.task], seen.tensors["features"]
        # Tokens that are left for phrases beside the image and the task.
        room = self._longest - len(features) - len(self._ids(self._prompt(task, "")))
        return [
            Question(
                features=features,
                size_hw=seen.size_hw,
                ids=self._ids(self._prompt(task, STOP.join(phrase.text for phrase in phrases))),
                phrases=phrases,
            )
            for phrases in self._asked(prompts, task, room)
        ]

    def kind(self, question: Question) -> int:
        """Texts of one length need no padding, which would change what is written."""
        return len(question.ids)

    def ask(self, questions: Sequence[Question], options: Florence2Options) -> list[str]:
        ids = torch.tensor([question.ids for question in questions], device=self.device)
        features = torch.stack([question.features for question in questions]).to(self.device)
        words = self._model.get_input_embeddings()(ids)
        encoder = self._model.get_encoder()
        written = self._model.generate(
            encoder_outputs=encoder(inputs_embeds=torch.cat([features, words], dim=1)),
            max_new_tokens=min(options.max_tokens, self._longest),
            num_beams=options.beams,
            do_sample=False,
        )
        answers: list[str] = self._processor.tokenizer.batch_decode(
            written, skip_special_tokens=False, clean_up_tokenization_spaces=False
        )
        return answers

    def read(self, question: Question, answer: str, options: Florence2Options) -> Finds:
        """The regions in an answer, each labeled by the phrase that it is about."""
        finds = Finds(wanted=[], unwanted=[])
        for region in TASKS[options.task].read(answer):
            phrase = asked_phrase(region.words, question.phrases)
            side = finds.wanted if phrase.positive else finds.unwanted
            side.extend(region_hints(region, label_of(phrase), question.size_hw))
        return finds

    def _asked(self, prompts: Prompts, task: Task, room: int) -> Iterator[tuple[Phrase, ...]]:
        """The phrases of each answer that is to be written."""
        if task.takes == "none":
            if prompts.phrases:
                raise UnsupportedPrompt(
                    "This task finds whatever there is, and takes no phrases. Leave them out, or "
                    "set the task to phrase-grounding."
                )
            yield ()
            return
        phrases = required_phrases(prompts)
        lengths = [len(self._ids(STOP + phrase.text)) for phrase in phrases]
        if task.takes == "all":
            runs = chunks([phrase.text for phrase in phrases], lengths, room)
            yield from (phrases[run] for run in runs)
            return
        for phrase, length in zip(phrases, lengths, strict=True):
            require_readable(phrase.text, length, room)
            yield (phrase,)

    def _prompt(self, task: Task, caption: str) -> str:
        """The sentence that stands for the task, as the model was trained."""
        tokenizer, processor = self._processor.tokenizer, self._processor
        sentences = {**processor.task_prompts_without_inputs, **processor.task_prompts_with_input}
        sentence = sentences[task.token].format(input=caption)
        return f"{tokenizer.bos_token}{sentence}{tokenizer.eos_token}"

    def _ids(self, text: str) -> tuple[int, ...]:
        tokens = self._processor.tokenizer(text, add_special_tokens=False, verbose=False)
        return tuple(tokens["input_ids"])
