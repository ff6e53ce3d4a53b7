"""One pass over a clip that looks for phrases: frames are held back until they can be judged."""

from __future__ import annotations

import json
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load, save
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoSegmentationOutput

from premask.errors import UnsupportedPrompt
from premask.masks import Size
from premask.models.capabilities import Sighting
from premask.models.families.sam3_video.session import Session
from premask.models.options import Sam3VideoOptions
from premask.models.parts.off_device import crops_of, masks_on_host
from premask.models.parts.phrases import label_of, require_readable, required_phrases
from premask.models.parts.torch_runtime import TorchEmbedding, exact_products
from premask.prompts import Hint, Phrase, Prompts

MOST_TOKENS = 32
HIDDEN = "hidden"
"""The name of what the encoder saw of a frame, in its embedding."""

FACTS = "facts"
"""The name of the tensor that holds what of a state is no tensor, as JSON."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Held:
    """A frame with its number, the library's output, and the objects that are new in it."""

    frame: int
    output: Any
    new: frozenset[int]


class PhraseLooking:
    """A pass by transformers' own model and session, with what the session keeps kept short.

    A score is how sure the detector was of the object, times how sure the tracker is that it is
    still there.
    """

    def __init__(
        self,
        model: Any,
        processor: Any,
        lock: threading.Lock,
        phrases: Sequence[Phrase],
        size_hw: Size,
        options: Sam3VideoOptions,
    ) -> None:
        self._model, self._processor, self._lock = model, processor, lock
        self._options = options
        self._session = Session(
            video_height=size_hw[0],
            video_width=size_hw[1],
            inference_device=model.device,
            inference_state_device=model.device,
            video_storage_device=model.device,
            dtype=torch.float32,
        )
        self._labels = self._asked(phrases)
        self._held: list[Held] = []
        self._unseen: dict[int, int] = {}
        self._seen = 0

    def step(self, frame: int, embedding: TorchEmbedding) -> list[Sighting]:
        """The frames that are judged now."""
        session = self._session
        session.processed_frames = {self._seen: embedding.tensors[HIDDEN][0].float()}
        with self._lock, exact_products(self._model.device):
            self._apply_options()
            newest = session.max_obj_id
            output = self._model(inference_session=session, frame_idx=self._seen)
        session.hotstart_removed_obj_ids.update(output.removed_obj_ids)
        new = frozenset(track for track in output.obj_id_to_mask if track > newest)
        self._held.append(Held(frame=frame, output=output, new=new))
        # As the library has it: the first frame comes out as soon as so many are held.
        ready = [self._held.pop(0)] if len(self._held) >= self._options.hold_back else []
        sightings = [self._sighting(held) for held in ready]
        self._end_unseen(output)
        self._forget()
        self._seen += 1
        return sightings

    def finish(self) -> list[Sighting]:
        """The frames that were held back."""
        sightings = [self._sighting(held) for held in self._held]
        self._held = []
        return sightings

    def end(self, track: int) -> None:
        """Don't follow this object any more; if it is found again, it is a new one."""
        session = self._session
        prompts = dict(session.obj_id_to_prompt_id)
        session.remove_object(track)
        # Where it was the last one, the library forgets more than this.
        session.obj_id_to_prompt_id = {**prompts, **session.obj_id_to_prompt_id}
        self._unseen.pop(track, None)

    def state(self) -> bytes:
        """In the form of safetensors, which can hold numbers only, and no code."""
        facts, tensors = self._session.state()
        held = []
        for index, item in enumerate(self._held):
            output = item.output
            tensors |= {f"held/{index}/{track}": m for track, m in output.obj_id_to_mask.items()}
            held.append(
                {
                    "frame": item.frame,
                    "new": sorted(item.new),
                    "scores": list(output.obj_id_to_score.items()),
                    "presences": list(output.obj_id_to_tracker_score.items()),
                    "suppressed": sorted(output.suppressed_obj_ids),
                }
            )
        own = {"seen": self._seen, "unseen": list(self._unseen.items()), "held": held}
        text = json.dumps({**facts, **own}).encode()
        plain = {name: tensor.contiguous().cpu() for name, tensor in tensors.items()}
        return bytes(save({**plain, FACTS: torch.frombuffer(bytearray(text), dtype=torch.uint8)}))

    def restore(self, state: bytes) -> None:
        """Go on from a state; ValueError for bytes that are none."""
        try:
            tensors = load(state)
            facts = json.loads(bytes(tensors.pop(FACTS).tolist()))
            masks = {name: tensors.pop(name) for name in list(tensors) if name.startswith("held/")}
            self._session.restore(facts, tensors)
            self._seen, self._unseen = facts["seen"], dict(facts["unseen"])
            self._held = [
                self._held_again(index, item, masks) for index, item in enumerate(facts["held"])
            ]
        except (SafetensorError, KeyError, TypeError, ValueError, RuntimeError) as error:
            raise ValueError(f"This is no state of a pass over a clip: {error}.") from error

    def _held_again(
        self, index: int, item: Mapping[str, Any], masks: Mapping[str, torch.Tensor]
    ) -> Held:
        start = f"held/{index}/"
        output = Sam3VideoSegmentationOutput(
            obj_id_to_mask={
                int(name.removeprefix(start)): mask.to(self._model.device)
                for name, mask in masks.items()
                if name.startswith(start)
            },
            obj_id_to_score=dict(item["scores"]),
            obj_id_to_tracker_score=dict(item["presences"]),
            suppressed_obj_ids=set(item["suppressed"]),
        )
        return Held(frame=item["frame"], output=output, new=frozenset(item["new"]))

    def _asked(self, phrases: Sequence[Phrase]) -> dict[str, str]:
        """The label of each text; the session looks for the texts from now on."""
        required_phrases(Prompts(phrases=tuple(phrases)))
        if not all(phrase.positive for phrase in phrases):
            raise UnsupportedPrompt(
                "In clips, SAM 3 can't be told what is not wanted. Leave negative phrases out."
            )
        for phrase in phrases:
            tokens = self._processor.tokenizer(phrase.text, verbose=False)["input_ids"]
            require_readable(phrase.text, len(tokens), MOST_TOKENS)
        labels = {phrase.text: label_of(phrase) for phrase in reversed(phrases)}
        self._processor.add_text_prompt(self._session, [phrase.text for phrase in phrases])
        return labels

    def _apply_options(self) -> None:
        """The model is shared: under the lock, it follows the options of whoever asks."""
        model, options = self._model, self._options
        model.score_threshold_detection = options.threshold
        model.new_det_thresh = options.new_threshold
        model.hotstart_delay = options.hold_back
        model.max_num_objects = options.most_objects

    def _sighting(self, held: Held) -> Sighting:
        output = held.output
        read = self._processor.postprocess_outputs(self._session, output)
        texts = {
            track: text for text, tracks in read["prompt_to_obj_ids"].items() for track in tracks
        }
        found = {}
        tracks, scores = read["object_ids"].tolist(), read["scores"].tolist()
        masks = masks_on_host(crops_of(read["masks"].bool()))
        for track, score, mask in zip(tracks, scores, masks, strict=True):
            presence = output.obj_id_to_tracker_score.get(track, 0.0)
            found[track] = Hint(
                label=self._labels[texts[track]],
                mask=mask,
                score=score if track in held.new else score * presence,
                track=track,
            )
        return held.frame, found

    def _end_unseen(self, output: Any) -> None:
        """End objects of which nothing was seen for long: the library follows them for ever."""
        for track, mask in output.obj_id_to_mask.items():
            is_seen = bool((mask > 0).any())
            self._unseen[track] = 0 if is_seen else self._unseen.get(track, 0) + 1
        for track, frames in list(self._unseen.items()):
            if frames > self._options.lost_after:
                self.end(track)
            elif track not in self._session.obj_ids:
                del self._unseen[track]

    def _forget(self) -> None:
        model = self._model
        held_back = {track for held in self._held for track in held.output.obj_id_to_mask}
        unmatched = max(model.hotstart_unmatch_thresh, model.hotstart_dup_thresh)
        self._session.forget(self._seen, unmatched, held_back)
