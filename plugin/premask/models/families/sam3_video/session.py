"""transformers' session of SAM 3 for clips, without what grows with the clip; and its state."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection
from typing import Any

import torch
from transformers.models.sam3_video.modeling_sam3_video import Sam3VideoInferenceSession

Outputs = dict[str, dict[int, dict[str, Any]]]
"""Of one object: by their kind and frame."""

LONG = 2**31
"""More frames than any clip has."""

POINTERS = 15
"""How many frames back a pointer is looked at, where the object was not conditioned."""

FEATURES = 6
"""How many frames back a memory's features are looked at."""

ANCHORS_WITH_FEATURES = 4
ANCHORS = 64
"""Conditioned frames are looked at for ever, and each sixteenth may be one. These are enough."""

NEEDED = ("object_pointer", "maskmem_features", "maskmem_pos_enc")
BY_OBJECT = ("obj_id_to_score", "obj_first_frame_idx", "trk_keep_alive", "obj_id_to_last_occluded")


class Session(Sam3VideoInferenceSession):  # type: ignore[misc] # transformers has no types
    """Frames are given as what the encoder saw of them, and forgotten when they are done."""

    places: torch.Tensor | None = None
    """Where the tokens of memories are: the same in all frames, so one tensor serves all."""

    # What the library makes, as far as it is touched here.
    processed_frames: dict[int, torch.Tensor]
    obj_ids: list[int]
    obj_id_to_prompt_id: dict[int, int]
    obj_with_new_inputs: list[int]
    removed_obj_ids: set[int]
    hotstart_removed_obj_ids: set[int]
    unmatched_frame_inds: dict[int, list[int]]
    overlap_pair_to_frame_inds: dict[tuple[int, int], list[int]]
    obj_id_to_tracker_score_frame_wise: dict[int, dict[int, float]]
    suppressed_obj_ids: dict[int, set[int]]

    @property
    def num_frames(self) -> int:
        """Its model looks at no more pointers than this."""
        return LONG

    def forget(self, frame: int, unmatched: int, held_back: Collection[int]) -> None:
        """Drop what no later frame looks at; `held_back` are objects of frames to be judged yet.

        Of the lists of frames in which an object was not found, only the length counts, up to
        `unmatched`.
        """
        self.processed_frames = {}
        for index, outputs in self.output_dict_per_obj.items():
            self.mask_inputs_per_obj[index].clear()
            self.frames_tracked_per_obj[index].clear()
            _forget_outputs(outputs, frame)
            self._share_places(outputs)
        known = set(self.obj_ids)
        for name in BY_OBJECT:
            values = getattr(self, name)
            setattr(self, name, {track: values[track] for track in values if track in known})
        self.obj_id_to_prompt_id = {
            track: prompt
            for track, prompt in self.obj_id_to_prompt_id.items()
            if track in known or track in held_back
        }
        self.hotstart_removed_obj_ids &= set(held_back)
        self.removed_obj_ids = set(self.hotstart_removed_obj_ids)
        self.unmatched_frame_inds = _shortened(self.unmatched_frame_inds, known, unmatched)
        self.overlap_pair_to_frame_inds = _shortened(
            self.overlap_pair_to_frame_inds, known, unmatched
        )
        self.obj_id_to_tracker_score_frame_wise = defaultdict(dict)
        self.suppressed_obj_ids = defaultdict(set)

    def _share_places(self, outputs: Outputs) -> None:
        for frames in outputs.values():
            for output in frames.values():
                if "maskmem_pos_enc" in output:
                    if self.places is None:
                        self.places = output["maskmem_pos_enc"].clone()
                    output["maskmem_pos_enc"] = self.places

    def state(self) -> tuple[dict[str, Any], dict[str, torch.Tensor]]:
        """What it remembers: as JSON, and tensors by name."""
        tensors = {}
        for index, outputs in self.output_dict_per_obj.items():
            for kind, frames in outputs.items():
                for frame, output in frames.items():
                    for name in NEEDED[:2]:
                        if name in output:
                            tensors[f"{index}/{kind}/{frame}/{name}"] = output[name]
        if self.places is not None:
            tensors["places"] = self.places
        facts = {
            "objects": [self._obj_idx_to_id[index] for index in range(self.get_obj_num())],
            "tracks": list(self.obj_ids),
            "newest": self.max_obj_id,
            "prompts": list(self.obj_id_to_prompt_id.items()),
            "scores": list(self.obj_id_to_score.items()),
            "first": list(self.obj_first_frame_idx.items()),
            "alive": list(self.trk_keep_alive.items()),
            "occluded": [[track, int(at)] for track, at in self.obj_id_to_last_occluded.items()],
            "unmatched": list(self.unmatched_frame_inds.items()),
            "overlaps": [
                [*pair, frames] for pair, frames in self.overlap_pair_to_frame_inds.items()
            ],
            "removed": sorted(self.hotstart_removed_obj_ids),
        }
        return facts, tensors

    def restore(self, facts: dict[str, Any], tensors: dict[str, torch.Tensor]) -> None:
        """Go on from a state."""
        device = self.inference_device
        self.obj_with_new_inputs = []
        for track in facts["objects"]:
            self.obj_id_to_idx(track)
        self.obj_ids = list(facts["tracks"])
        self.max_obj_id = facts["newest"]
        self.obj_id_to_prompt_id = dict(facts["prompts"])
        self.obj_id_to_score = dict(facts["scores"])
        self.obj_first_frame_idx = dict(facts["first"])
        self.trk_keep_alive = dict(facts["alive"])
        self.obj_id_to_last_occluded = {
            track: torch.tensor([at], device=device) for track, at in facts["occluded"]
        }
        self.unmatched_frame_inds = defaultdict(list, dict(facts["unmatched"]))
        self.overlap_pair_to_frame_inds = defaultdict(
            list, {(first, second): frames for first, second, frames in facts["overlaps"]}
        )
        self.hotstart_removed_obj_ids = set(facts["removed"])
        self.removed_obj_ids = set(facts["removed"])
        if "places" in tensors:
            self.places = tensors.pop("places").to(device)
        for path in sorted(tensors, key=lambda path: int(path.split("/")[2])):
            index, kind, frame, name = path.split("/")
            output = self.output_dict_per_obj[int(index)][kind].setdefault(int(frame), {})
            output[name] = tensors[path].to(device)
            if name == "maskmem_features":
                output["maskmem_pos_enc"] = self.places


def _forget_outputs(outputs: Outputs, frame: int) -> None:
    anchors, others = outputs["cond_frame_outputs"], outputs["non_cond_frame_outputs"]
    for past in sorted(anchors)[:-ANCHORS]:
        del anchors[past]
    for past in [past for past in others if past <= frame - POINTERS]:
        del others[past]
    with_features = {*sorted(anchors)[-ANCHORS_WITH_FEATURES:]}
    with_features |= {past for past in others if past > frame - FEATURES}
    for frames in (anchors, others):
        for past, output in frames.items():
            for name in [name for name in output if name not in NEEDED]:
                del output[name]
            if past not in with_features:
                output.pop("maskmem_features", None)
                output.pop("maskmem_pos_enc", None)
            elif past == frame and "maskmem_features" in output:
                # A view would keep the memories of all objects of the frame.
                output["maskmem_features"] = output["maskmem_features"].clone()


def _shortened(
    frames: dict[Any, list[int]], known: Collection[int], most: int
) -> defaultdict[Any, list[int]]:
    """Lists by object or by pairs of objects, without those that are gone."""
    return defaultdict(
        list,
        {
            key: values[-most:]
            for key, values in frames.items()
            if all(track in known for track in (key if isinstance(key, tuple) else (key,)))
        },
    )
