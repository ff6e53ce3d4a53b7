"""What a YOLO can be asked for: its own classes, phrases (YOLO-World) or exemplars (YOLOE)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import torch

from premask.errors import MissingDependency, MissingWeights, UnsupportedPrompt
from premask.masks import Size
from premask.models.families.yolo.library import (
    DetectionPredictor,
    SegmentationPredictor,
    YOLOEVPDetectPredictor,
    YOLOEVPSegPredictor,
    tasks,
)
from premask.models.parts.known_differences import KnownDifferences
from premask.models.parts.phrases import exemplar_box, label_of, require_readable, required_phrases
from premask.models.parts.text_features import TextFeatures
from premask.models.parts.torch_runtime import load_processor, load_strictly
from premask.prompts import Exemplar, Phrase, Prompts

Asker = Phrase | Exemplar
Asked = tuple[Any, Sequence[Asker]]

CLIP = "openai/clip-vit-base-patch32"
CLIP_DIFFERENCES = KnownDifferences(
    may_hold={r".*\.position_ids": "older files write them down; they count from 0"}
)
"""The text encoder that YOLO-World was trained with."""


class Vocabulary(Protocol):
    """What a model can be asked for."""

    def require_usable(self, prompts: Prompts) -> None:
        """Raise `UnsupportedPrompt` for what it can't be asked."""
        ...

    def ask(self, prompts: Prompts, size_hw: Size) -> Asked:
        """The predictor to use until the next call, and who asks for each of its classes."""
        ...


def vocabulary_of(
    model: Any, device: torch.device, weights: Path, *, half: bool = False
) -> Vocabulary:
    """What this model can be asked for; `weights` is where it was read from.

    With `half`, a copy of it runs in half floats, if not on a CPU.
    """
    segments = isinstance(model, tasks.SegmentationModel)
    shows = isinstance(model, tasks.YOLOEModel)
    kind = SegmentationPredictor if segments else DetectionPredictor
    # A YOLOE finds an object under several of its names, so duplicates are dropped across classes,
    # as its authors do.
    predictor = _predictor(kind, device, agnostic_nms=shows, quantize=16 if half else None)
    _set_up(predictor, model)
    if isinstance(model, tasks.WorldModel):
        return Worded(predictor, weights.with_name(CLIP.rpartition("/")[2]))
    # Checkpoints with thousands of built-in names have a head (`lrpc`) that takes no exemplars.
    if shows and not hasattr(model.model[-1], "lrpc"):
        kind = YOLOEVPSegPredictor if segments else YOLOEVPDetectPredictor
        return Shown(predictor, _predictor(kind, device, agnostic_nms=True))
    return Fixed(predictor)


class Fixed:
    """The classes that the model was trained for."""

    def __init__(self, predictor: Any) -> None:
        self._predictor = predictor
        self._askers = _askers_of(predictor)

    def require_usable(self, prompts: Prompts) -> None:
        """Raise `UnsupportedPrompt` for phrases and exemplars."""
        if prompts.phrases or prompts.exemplars:
            raise UnsupportedPrompt(
                "These weights find the classes that they were trained for, and can't be asked for "
                "others. Leave the phrases and exemplars out, and choose by label: "
                f"--set select.labels={self._askers[0].text}"
            )

    def ask(self, prompts: Prompts, size_hw: Size) -> Asked:
        """The one predictor that there is."""
        return self._predictor, self._askers


class Worded:
    """YOLO-World: what phrases name; without phrases, the classes that it was saved with."""

    def __init__(self, predictor: Any, clip_folder: Path) -> None:
        self._predictor = predictor
        self._network = predictor.model.backend.model
        self._own = _askers_of(predictor), self._network.txt_feats
        self._clip_folder = clip_folder
        self._clip: _Clip | None = None

    def require_usable(self, prompts: Prompts) -> None:
        """Raise `UnsupportedPrompt` for exemplars, and for phrases that can't be read."""
        if prompts.exemplars:
            raise UnsupportedPrompt(
                "YOLO-World can't use exemplars. Say what to look for in words, or use a YOLOE."
            )
        if prompts.phrases:
            self._encoder.require_short(required_phrases(prompts))

    def ask(self, prompts: Prompts, size_hw: Size) -> Asked:
        """The predictor, which now knows these phrases."""
        askers: Sequence[Asker]
        askers, features = self._own
        if prompts.phrases:
            askers, features = prompts.phrases, self._encoder(prompts.phrases)
        self._network.txt_feats = features.to(next(self._network.parameters()).device)
        self._network.model[-1].nc = len(askers)
        return self._predictor, askers

    @property
    def _encoder(self) -> _Clip:
        self._clip = self._clip or _Clip(self._clip_folder)
        return self._clip


class Shown:
    """YOLOE: what looks like exemplars; without them, the classes that it was saved with."""

    def __init__(self, predictor: Any, shown: Any) -> None:
        self._predictor = predictor
        self._shown = shown
        self._own = _askers_of(predictor)
        shown.model, shown.device = predictor.model, predictor.device
        shown.done_warmup = True

    def require_usable(self, prompts: Prompts) -> None:
        """Raise `UnsupportedPrompt` for phrases, and if all exemplars are negative."""
        if prompts.phrases:
            raise UnsupportedPrompt(
                "YOLOE reads phrases by a model that is published as TorchScript, which is a "
                "program, and premask runs none that come with weights. Draw exemplars; or let "
                "Ultralytics store the phrases, once, and use the file that it saves: "
                "model.set_classes(['a cat']); model.save('cats.pt')"
            )
        if prompts.exemplars:
            required_phrases(prompts, exemplars=True)

    def ask(self, prompts: Prompts, size_hw: Size) -> Asked:
        """One predictor for exemplars, one for the model's own classes; they share the network."""
        if not prompts.exemplars:
            return self._named(self._predictor, self._own)
        # What has one label, and is equally wanted, is one class.
        kinds = list(
            dict.fromkeys((label_of(exemplar), exemplar.positive) for exemplar in prompts.exemplars)
        )
        classes = [
            kinds.index((label_of(exemplar), exemplar.positive)) for exemplar in prompts.exemplars
        ]
        boxes = [exemplar_box(exemplar, size_hw) for exemplar in prompts.exemplars]
        self._shown.set_prompts({"bboxes": np.array(boxes, np.float32), "cls": np.array(classes)})
        askers = [prompts.exemplars[classes.index(kind)] for kind in range(len(kinds))]
        return self._named(self._shown, askers)

    def _named(self, predictor: Any, askers: Sequence[Asker]) -> Asked:
        # By their number the predictors know where a box's scores end and its mask begins.
        predictor.model.backend.names = {i: label_of(asker) for i, asker in enumerate(askers)}
        return predictor, askers


class _Clip:
    """Phrases -> unit vectors, by the text encoder of CLIP in the form of transformers."""

    def __init__(self, folder: Path) -> None:
        try:
            from transformers import CLIPModel, CLIPTokenizer
        except ModuleNotFoundError as error:
            raise MissingDependency(
                "YOLO-World reads phrases by CLIP, from the package 'transformers', which is not "
                "installed. Install it with: pip install 'premask[torch]'"
            ) from error
        if not (folder / "config.json").is_file():
            raise MissingWeights(
                f"YOLO-World reads phrases by CLIP, whose weights are not beside its own. Get them "
                f"with: hf download {CLIP} --local-dir {folder}"
            )
        model = load_strictly(
            CLIPModel,
            folder,
            device=torch.device("cpu"),
            known=CLIP_DIFFERENCES,
            dtype=torch.float32,
        )
        self._text, self._projection = model.text_model, model.text_projection
        self._tokenizer = load_processor(CLIPTokenizer, folder)
        # One by one on a CPU, so that what is kept of a text does not depend on its companions.
        self._texts = TextFeatures(self._encoded, at_once=1)

    def require_short(self, phrases: Sequence[Phrase]) -> None:
        """Raise `UnsupportedPrompt` for a phrase that CLIP would cut off."""
        room = self._text.config.max_position_embeddings
        for phrase in phrases:
            ids = self._tokenizer(phrase.text, verbose=False)["input_ids"]
            require_readable(phrase.text, len(ids), room)

    def __call__(self, phrases: Sequence[Phrase]) -> torch.Tensor:
        """Features (1, n, width) of n phrases. Called by one thread at a time."""
        return torch.stack(self._texts.of([phrase.text for phrase in phrases]))[None]

    def _encoded(self, texts: Sequence[str]) -> list[torch.Tensor]:
        tokens = self._tokenizer(list(texts), padding=True, return_tensors="pt")
        with torch.inference_mode():
            features = self._projection(self._text(**tokens).pooler_output)
            return list(torch.nn.functional.normalize(features, dim=-1))


def _predictor(kind: Any, device: torch.device, **settings: Any) -> Any:
    """A predictor that writes no files, prints nothing and sends no statistics."""
    usual = {"mode": "predict", "rect": True, "save": False, "verbose": False}
    predictor = kind(overrides={**usual, **settings, "retina_masks": True, "device": device})
    predictor.callbacks = {}
    return predictor


def _set_up(predictor: Any, model: Any) -> None:
    threads = torch.get_num_threads()
    predictor.setup_model(model, verbose=False)
    # Ultralytics takes a thread away from all models of the process.
    torch.set_num_threads(threads)


def _askers_of(predictor: Any) -> list[Phrase]:
    """The model's own classes, as if they had been asked for."""
    names = predictor.model.names
    return [Phrase(text=str(names[index])) for index in sorted(names)]
