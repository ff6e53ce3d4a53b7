"""Florence-2: finds what a caption names, or all there is, by writing it down; transformers."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoProcessor, Florence2ForConditionalGeneration

from premask.errors import UnsupportedPrompt
from premask.images import Image
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
from premask.models.parts.phrases import (
    chunks,
    label_of,
    require_readable,
    required_phrases,
    without_unwanted,
)
from premask.models.parts.torch_runtime import (
    TorchEmbedding,
    device_of,
    embedding_from_bytes,
    in_alike_batches,
    in_batches,
    load_processor,
    load_strictly,
    network_input,
)
from premask.prompts import Hint, Phrase, Prompts

AT_ONCE = 8
"""Images, or answers, in the network at a time."""

STOP = ". "
"""What parts phrases in a caption."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    """What the model calls the task, how many phrases it takes, and how its answers are read."""

    token: str
    takes: str
    read: Callable[[str], list[Region]]


TASKS = {
    "phrase-grounding": _Task(token="<CAPTION_TO_PHRASE_GROUNDING>", takes="all", read=boxes_in),
    "open-vocabulary-detection": _Task(
        token="<OPEN_VOCABULARY_DETECTION>", takes="one", read=regions_in
    ),
    "referring-expression-segmentation": _Task(
        token="<REFERRING_EXPRESSION_SEGMENTATION>", takes="one", read=outlines_in
    ),
    "object-detection": _Task(token="<OD>", takes="none", read=boxes_in),
    "dense-region-captions": _Task(token="<DENSE_REGION_CAPTION>", takes="none", read=boxes_in),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Question:
    """One answer to be written: about which image, on which task, and about which phrases."""

    image: int
    features: torch.Tensor
    ids: tuple[int, ...]
    phrases: tuple[Phrase, ...]


class Florence2Finder:
    """Looks at each image once, and writes one answer for each caption or phrase."""

    def __init__(self, *, weights: Path, device: str) -> None:
        self._device = device_of(device)
        self._processor = load_processor(AutoProcessor, weights)
        self._model = load_strictly(Florence2ForConditionalGeneration, weights, device=self._device)
        self._longest: int = self._model.config.text_config.max_position_embeddings
        self._lock = threading.Lock()

    def embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        """What the language model reads of each image."""
        return in_batches(self._embed, images, AT_ONCE)

    def restore(self, data: bytes) -> TorchEmbedding:
        """Read back what an embedding's `to_bytes` wrote."""
        return embedding_from_bytes(data, self._device)

    def find(
        self,
        embeddings: Sequence[TorchEmbedding],
        prompts: Sequence[Prompts],
        options: Florence2Options,
    ) -> list[list[Hint]]:
        """What the task finds in each image, without scores."""
        questions = [
            question
            for image, (embedding, each) in enumerate(zip(embeddings, prompts, strict=True))
            for question in self._questions(image, embedding, each, TASKS[options.task])
        ]
        answers = in_alike_batches(
            lambda batch: self._answers(batch, options), questions, AT_ONCE, _length
        )
        wanted: list[list[Hint]] = [[] for _ in embeddings]
        unwanted: list[list[Hint]] = [[] for _ in embeddings]
        for question, answer in zip(questions, answers, strict=True):
            for region in TASKS[options.task].read(answer):
                phrase = asked_phrase(region.words, question.phrases)
                side = wanted if phrase.positive else unwanted
                size_hw = embeddings[question.image].size_hw
                side[question.image] += region_hints(region, label_of(phrase), size_hw)
        return [
            kept(without_unwanted(*each), options.keep)
            for each in zip(wanted, unwanted, strict=True)
        ]

    def _embed(self, images: Sequence[Image]) -> list[TorchEmbedding]:
        processor = self._processor.image_processor
        inputs = [network_input(processor, image, self._device) for image in images]
        pixels = torch.cat([each["pixel_values"] for each in inputs]).to(self._model.dtype)
        with self._lock, torch.inference_mode():
            features = self._model.get_image_features(pixels).pooler_output
        return [
            TorchEmbedding(size_hw=image.size_hw, tensors={"features": of_one.clone()})
            for image, of_one in zip(images, features, strict=True)
        ]

    def _questions(
        self, image: int, embedding: TorchEmbedding, prompts: Prompts, task: _Task
    ) -> Iterator[_Question]:
        features = embedding.tensors["features"]
        for phrases in self._asked(prompts, task, room=self._room(features, task)):
            caption = STOP.join(phrase.text for phrase in phrases)
            ids = self._ids(self._prompt(task, caption))
            yield _Question(image=image, features=features, ids=ids, phrases=phrases)

    def _asked(self, prompts: Prompts, task: _Task, room: int) -> Iterator[tuple[Phrase, ...]]:
        """The phrases of each answer that is to be written."""
        if task.takes == "none":
            _require_no_phrases(prompts)
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

    def _room(self, features: torch.Tensor, task: _Task) -> int:
        """Tokens that are left for phrases beside the image and the task."""
        return self._longest - len(features) - len(self._ids(self._prompt(task, "")))

    def _prompt(self, task: _Task, caption: str) -> str:
        """The sentence that stands for the task, as the model was trained."""
        tokenizer, processor = self._processor.tokenizer, self._processor
        sentences = {**processor.task_prompts_without_inputs, **processor.task_prompts_with_input}
        sentence = sentences[task.token].format(input=caption)
        return f"{tokenizer.bos_token}{sentence}{tokenizer.eos_token}"

    def _ids(self, text: str) -> tuple[int, ...]:
        tokens = self._processor.tokenizer(text, add_special_tokens=False, verbose=False)
        return tuple(tokens["input_ids"])

    def _answers(self, questions: Sequence[_Question], options: Florence2Options) -> list[str]:
        """What the model writes; the questions are of one length."""
        ids = torch.tensor([question.ids for question in questions], device=self._device)
        features = torch.stack([question.features for question in questions]).to(self._device)
        with self._lock, torch.inference_mode():
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


def _require_no_phrases(prompts: Prompts) -> None:
    if prompts.phrases:
        raise UnsupportedPrompt(
            "This task finds whatever there is, and takes no phrases. Leave them out, or set the "
            "task to phrase-grounding."
        )


def _length(question: _Question) -> int:
    return len(question.ids)
