"""How SAM 2 by its authors' package remembers objects: the steps of its predictor for videos."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from premask.errors import MissingWeights
from premask.models.parts.memory_network import Decoded, Seen
from premask.models.parts.object_memory import Memory, Reach, Recall
from premask.models.parts.torch_runtime import TorchEmbedding, half_arithmetic
from premask.models.parts.video_prompts import VideoPrompt

NOW = 10**9
"""The number of every frame, to the package: it counts from here how long ago something was."""

SUREST = 32.0
"""The predictor takes logits that a click corrects as no surer than this."""


class Sam2OfficialMemory:
    """Masks are those of the package's predictor, bit by bit, with one session for each object.

    They are made by the package itself, and not by the same weights under the names that
    transformers has for them: it would round otherwise, and what is remembered adds that up. Two
    things of the predictor are left out. It fills holes of up to 8 pixels where its CUDA extension
    was built; refine does that. In clips of less than 16 frames it counts fewer pointers, which
    nobody can know who does not know the end.
    """

    def __init__(self, model: Any, device: torch.device) -> None:
        if model.memory_temporal_stride_for_eval != 1:
            raise MissingWeights(
                "The configuration of these weights leaves out frames when it looks back: "
                f"memory_temporal_stride_for_eval is {model.memory_temporal_stride_for_eval}. Set "
                "it to 1 in the .yaml beside them, as it was in training."
            )
        self._model, self.device = model, device
        # Objects that share a batch have nothing to do with each other.
        model.non_overlap_masks_for_mem_enc = False
        # All frames in which somebody pointed at an object are kept: the package chooses.
        self.reach = Reach(
            features=model.num_maskmem - 1,
            pointers=max(model.num_maskmem, model.max_obj_ptrs_in_encoder) - 1,
            anchors=None,
        )

    def look(self, embedding: TorchEmbedding) -> Seen:
        """A frame as the rest of the network takes it."""
        *fine, coarse = (embedding.tensors[level].float() for level in sorted(embedding.tensors))
        places = self._model.image_encoder.neck.position_encoding(coarse)
        return Seen(fine=tuple(fine), coarse=_flat(coarse), places=_flat(places))

    def begin(self, seen: Seen, prompt: VideoPrompt) -> Decoded:
        """One object where somebody points at it, by nothing but this frame."""
        if prompt.mask is not None and self._model.use_mask_input_as_output_without_sam:
            coarse = self._square(seen.coarse)
            return _decoded(
                self._model._use_mask_as_output(
                    coarse, list(seen.fine), prompt.mask.to(self.device)
                )
            )
        return self._outlined(seen, self._remembering(seen, []), prompt, is_first=True)

    def correct(self, seen: Seen, prompt: VideoPrompt, recall: Recall) -> Decoded:
        """One object that is remembered, and was pointed at.

        The predictor is asked for a frame before anybody corrects it: the clicks go to the decoder
        together with the mask that was there without them.
        """
        coarse = self._remembering(seen, [recall])
        if prompt.rough is None:
            without = self._outlined(seen, coarse, None, is_first=False)
            prompt = replace(prompt, rough=without.logits.clamp(-SUREST, SUREST))
        return self._outlined(seen, coarse, prompt, is_first=False)

    def follow(self, seen: Seen, recalls: Sequence[Recall]) -> Decoded:
        """N objects that are remembered; their recalls have one layout."""
        return self._outlined(seen, self._remembering(seen, recalls), None, is_first=False)

    def remember(self, seen: Seen, decoded: Decoded, *, pointed_at: bool) -> list[Memory]:
        """What to keep of each object; masks of those that were pointed at count as certain.

        The features (1, m, h, w) are halves, as the predictor keeps them.
        """
        large = decoded.large
        if pointed_at:
            # The predictor enlarges what it shows, where a person may still change it.
            large = F.interpolate(
                decoded.logits, large.shape[-2:], mode="bilinear", align_corners=False
            )
        with half_arithmetic(self.device):
            features, _ = self._model._encode_new_memory(
                [seen.coarse.expand(-1, len(large), -1)],
                [self._size_hw],
                large,
                decoded.presences.flatten(1),
                pointed_at,
            )
        features = features.to(torch.bfloat16)
        # Copies, as views would keep all objects of a batch for as long as one of them is needed.
        return [
            Memory(
                pointer=decoded.pointers[index : index + 1].clone(),
                features=features[index : index + 1].clone(),
            )
            for index in range(len(large))
        ]

    @property
    def _size_hw(self) -> tuple[int, int]:
        return (self._model.sam_image_embedding_size,) * 2

    def _remembering(self, seen: Seen, recalls: Sequence[Recall]) -> torch.Tensor:
        """The coarse map (n, d, h, w) as n objects see it, or as it is without any memory."""
        count = max(1, len(recalls))
        with half_arithmetic(self.device):
            coarse = self._model._prepare_memory_conditioned_features(
                frame_idx=NOW,
                is_init_cond_frame=not recalls,
                current_vision_feats=[seen.coarse.expand(-1, count, -1)],
                current_vision_pos_embeds=[seen.places.expand(-1, count, -1)],
                feat_sizes=[self._size_hw],
                output_dict=self._outputs(recalls) if recalls else {},
                num_frames=NOW + 1,
            )
        remembering: torch.Tensor = coarse.float()
        return remembering

    def _outputs(self, recalls: Sequence[Recall]) -> dict[str, dict[int, dict[str, Any]]]:
        """What the package would have kept of these objects: by frame, those with features."""
        places = self._memory_places(len(recalls))
        first = recalls[0]
        kept: dict[int, dict[str, Any]] = {}
        for index, (age, _) in enumerate(first.pointers):
            pointers = torch.cat([recall.pointers[index][1] for recall in recalls])
            kept[NOW - age] = {"obj_ptr": pointers.flatten(1)}
        anchors = sum(age == 0 for age, _ in first.features)
        # The features of anchors count as 0 frames old; their pointers stand first, too.
        ages = [age for age, _ in first.pointers[:anchors]]
        ages += [age for age, _ in first.features[anchors:]]
        for index, age in enumerate(ages):
            features = torch.cat([recall.features[index][1] for recall in recalls])
            kept[NOW - age] |= {"maskmem_features": features, "maskmem_pos_enc": [places]}
        return {
            "cond_frame_outputs": {NOW - age: kept.pop(NOW - age) for age in ages[:anchors]},
            "non_cond_frame_outputs": kept,
        }

    def _memory_places(self, count: int) -> torch.Tensor:
        """Where the features of a memory are: the same in all frames, and kept by the package."""
        encoder = self._model.memory_encoder
        nothing = torch.empty(1, self._model.mem_dim, *self._size_hw, device=self.device)
        places: torch.Tensor = encoder.position_encoding(nothing)
        return places.expand(count, -1, -1, -1)

    def _square(self, coarse: torch.Tensor) -> torch.Tensor:
        """A map (h * w, n, d) as (n, d, h, w)."""
        return coarse.permute(1, 2, 0).unflatten(2, self._size_hw)

    def _outlined(
        self, seen: Seen, coarse: torch.Tensor, prompt: VideoPrompt | None, *, is_first: bool
    ) -> Decoded:
        points, rough = None, None
        if prompt is not None and prompt.mask is None:
            points = {
                "point_coords": prompt.points[0].to(self.device),
                "point_labels": prompt.labels[0].to(self.device),
            }
            rough = None if prompt.rough is None else prompt.rough.to(self.device)
        elif prompt is not None and prompt.mask is not None:
            rough = prompt.mask.to(self.device)
        return _decoded(
            self._model._forward_sam_heads(
                backbone_features=coarse,
                point_inputs=points,
                mask_inputs=rough,
                high_res_features=[level.expand(len(coarse), -1, -1, -1) for level in seen.fine],
                multimask_output=self._model._use_multimask(is_first, points),
            )
        )


def _decoded(outputs: tuple[torch.Tensor, ...]) -> Decoded:
    _, _, ious, logits, large, pointers, presences = outputs
    return Decoded(
        logits=logits,
        large=large,
        ious=ious.max(dim=-1).values.clamp(0, 1),
        pointers=pointers[:, None],
        presences=presences[..., None],
    )


def _flat(features: torch.Tensor) -> torch.Tensor:
    """A map (n, d, h, w) as (h * w, n, d)."""
    return features.flatten(2).permute(2, 0, 1)
