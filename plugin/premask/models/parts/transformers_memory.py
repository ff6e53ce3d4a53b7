"""The video models of transformers that remember as SAM 2 does, asked for one frame at a time."""

from __future__ import annotations

from collections.abc import Sequence
from functools import cached_property
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812

from premask.models.parts.memory_network import Decoded, Seen
from premask.models.parts.object_memory import Memory, Reach, Recall
from premask.models.parts.torch_runtime import TorchEmbedding, half_arithmetic
from premask.models.parts.video_prompts import VideoPrompt

ABSENT = -1024.0
"""The logit of all pixels of an object that is not there."""


class TransformersMemory:
    """SAM 2's steps, without the sessions of transformers, which keep every frame for good.

    `streams_tokens` says that a frame is remembered as a few tokens, as EdgeTAM does.
    """

    def __init__(self, model: Any, *, streams_tokens: bool = False) -> None:
        self._model = model
        self._streams_tokens = streams_tokens
        self.device: torch.device = model.device
        config = model.config
        most_anchors = config.max_cond_frame_num
        self.side: int = model.image_size
        self.reach = Reach(
            features=config.num_maskmem - 1,
            pointers=config.max_object_pointers_in_encoder - 1,
            anchors=None if most_anchors < 0 else most_anchors,
        )

    def look(self, embedding: TorchEmbedding) -> Seen:
        """A frame as the rest of the network takes it."""
        maps = [embedding.tensors[level].float() for level in sorted(embedding.tensors)]
        *fine, coarse = maps
        places = self._model.vision_encoder.neck.position_encoding(
            coarse.shape, coarse.device, coarse.dtype
        )
        return Seen(fine=tuple(fine), coarse=_flat(coarse), places=_flat(places))

    def begin(self, seen: Seen, prompt: VideoPrompt) -> Decoded:
        """One object where somebody points at it, by nothing but this frame."""
        if prompt.mask is not None:
            return self._taken(seen, prompt.mask)
        coarse = self._square(seen.coarse + self._model.no_memory_embedding)
        return self._decoded(seen, coarse, prompt, is_first=True)

    def correct(self, seen: Seen, prompt: VideoPrompt, recall: Recall) -> Decoded:
        """One object that is remembered, and was pointed at."""
        return self._decoded(seen, self._remembering(seen, [recall]), prompt, is_first=False)

    def follow(self, seen: Seen, recalls: Sequence[Recall]) -> Decoded:
        """N objects that are remembered; their recalls have one layout."""
        return self._decoded(seen, self._remembering(seen, recalls), None, is_first=False)

    def remember(self, seen: Seen, decoded: Decoded, *, pointed_at: bool) -> list[Memory]:
        """What to keep of each object; masks of those that were pointed at count as certain."""
        count = len(decoded.logits)
        # EdgeTAM's tokens of several objects at once are an error in transformers (5.24).
        at_once = 1 if self._streams_tokens else count
        features = torch.cat(
            [
                self._encoded(seen, large, presences, pointed_at)[0]
                for large, presences in zip(
                    decoded.large.split(at_once), decoded.presences.split(at_once), strict=True
                )
            ],
            dim=1,
        )
        # Copies, as views would keep all objects of a batch for as long as one of them is needed.
        return [
            Memory(
                pointer=decoded.pointers[index : index + 1].clone(),
                features=features[:, index : index + 1].clone(),
            )
            for index in range(count)
        ]

    @cached_property
    def _memory_places(self) -> torch.Tensor:
        """Where the tokens of a memory's features are (tokens, 1, m): the same in all frames."""
        height, width = self._model.backbone_feature_sizes[-1]
        nothing = torch.zeros(height * width, 1, self._model.hidden_dim, device=self.device)
        mask = torch.zeros(1, 1, self.side, self.side, device=self.device)
        seen = Seen(fine=(), coarse=nothing, places=nothing)
        return self._encoded(seen, mask, mask.new_ones(1, 1, 1), pointed_at=True)[1]

    def _encoded(
        self, seen: Seen, large: torch.Tensor, presences: torch.Tensor, pointed_at: bool
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Features (tokens, n, m) of n objects in a frame, and their places (tokens, 1, m)."""
        with half_arithmetic(self.device):
            features, places = self._model._encode_new_memory(
                seen.coarse.expand(-1, len(large), -1), large, presences, pointed_at
            )
        if self._streams_tokens:
            places = places.squeeze(1).permute(1, 0, 2)
            features = features.permute(1, 0, 2)
        return features, places[:, :1]

    def _remembering(self, seen: Seen, recalls: Sequence[Recall]) -> torch.Tensor:
        """The coarse map (n, d, h, w) as n objects see it that are remembered."""
        count, model = len(recalls), self._model
        times = model.memory_temporal_positional_encoding
        features, places = [], []
        for index, (age, _) in enumerate(recalls[0].features):
            features.append(torch.cat([recall.features[index][1] for recall in recalls], dim=1))
            places.append((self._memory_places + times[age - 1]).expand(-1, count, -1))
        extra = [len(features)] if self._streams_tokens else []
        pointers, pointer_places = self._pointers(recalls)
        with half_arithmetic(self.device):
            coarse = model.memory_attention(
                seen.coarse.expand(-1, count, -1),
                torch.cat([*features, pointers]).float(),
                seen.places.expand(-1, count, -1),
                torch.cat([*places, pointer_places]),
                len(pointers),
                *extra,
            )
        return self._square(coarse.float().flatten(0, 1).transpose(0, 1))

    def _pointers(self, recalls: Sequence[Recall]) -> tuple[torch.Tensor, torch.Tensor]:
        """Pointers as tokens (tokens, n, m), and their places in time."""
        ages = [age for age, _ in recalls[0].pointers]
        of_ages = [
            torch.cat([recall.pointers[index][1] for recall in recalls])
            for index in range(len(ages))
        ]
        tokens: tuple[torch.Tensor, torch.Tensor] = self._model._process_object_pointers(
            ages,
            of_ages,
            self._model.config.max_object_pointers_in_encoder,
            len(recalls),
            self._model.hidden_dim,
            self.device,
        )
        return tokens

    def _square(self, coarse: torch.Tensor) -> torch.Tensor:
        """A map (h * w, n, d) as (n, d, h, w)."""
        return coarse.permute(1, 2, 0).unflatten(2, self._model.backbone_feature_sizes[-1])

    def _decoded(
        self, seen: Seen, coarse: torch.Tensor, prompt: VideoPrompt | None, *, is_first: bool
    ) -> Decoded:
        model, count = self._model, len(coarse)
        points, labels, rough = self._asked(count, prompt)
        several = self._may_be_several(0 if prompt is None else labels.shape[-1], is_first)
        sparse, dense = model.prompt_encoder(points, labels, None, rough)
        positions = model.get_image_wide_positional_embeddings()
        logits, ious, tokens, presences = model.mask_decoder(
            image_embeddings=coarse,
            image_positional_embeddings=positions.repeat(count, 1, 1, 1),
            sparse_prompt_embeddings=sparse,
            dense_prompt_embeddings=dense,
            multimask_output=several,
            high_resolution_features=[level.expand(count, -1, -1, -1) for level in seen.fine],
        )
        rows = torch.arange(count, device=coarse.device)
        best = ious[:, 0].argmax(dim=-1) if several else torch.zeros_like(rows)
        token = tokens[:, 0][rows, best if tokens.shape[2] > 1 else torch.zeros_like(rows)]
        is_there = (presences > 0).to(token.dtype)
        masks = torch.where(is_there[..., None] > 0, logits[:, 0], ABSENT)
        # All are enlarged, and then the best is taken: one alone would differ in the last digit.
        large = F.interpolate(masks, (self.side,) * 2, mode="bilinear", align_corners=False)
        pointers = is_there * model.object_pointer_proj(token[:, None])
        return Decoded(
            logits=masks[rows, best][:, None],
            large=large[rows, best][:, None],
            ious=ious[rows, 0, best].clamp(0, 1),
            pointers=pointers + (1 - is_there) * model.no_object_pointer,
            presences=presences,
        )

    def _asked(
        self, count: int, prompt: VideoPrompt | None
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor | None]:
        """Points (n, 1, k, 2), labels (n, 1, k) and logits; nothing is one point of label -1."""
        if prompt is None:
            points = torch.zeros(count, 1, 1, 2, device=self.device)
            return points, -torch.ones(count, 1, 1, dtype=torch.int32, device=self.device), None
        rough = None if prompt.rough is None else prompt.rough.to(self.device)
        return prompt.points.to(self.device), prompt.labels.to(self.device), rough

    def _may_be_several(self, points: int, is_first: bool) -> bool:
        """Whether the network makes three masks, of which the best is taken."""
        config = self._model.config
        fewest, most = config.multimask_min_pt_num, config.multimask_max_pt_num
        wanted = is_first or config.multimask_output_for_tracking
        return bool(config.multimask_output_in_sam and wanted and fewest <= points <= most)

    def _taken(self, seen: Seen, mask: torch.Tensor) -> Decoded:
        """A mask that a person gives is the mask."""
        output = self._model._use_mask_as_output(
            self._square(seen.coarse), list(seen.fine), mask.to(self.device)
        )
        return Decoded(
            logits=output.pred_masks,
            large=output.high_res_masks,
            ious=output.iou_scores.reshape(-1),
            pointers=output.object_pointer.reshape(1, 1, -1),
            presences=output.object_score_logits.reshape(1, 1, 1),
        )


def _flat(features: torch.Tensor) -> torch.Tensor:
    """A map (n, d, h, w) as (h * w, n, d)."""
    return features.flatten(2).permute(2, 0, 1)
