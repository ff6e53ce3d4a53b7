"""What transformers would download code for: which masks overlap, and which parts are connected."""

from __future__ import annotations

import cv2
import numpy as np
import torch


def generic_nms(
    ious: torch.Tensor, scores: torch.Tensor, iou_threshold: float, use_iou_matrix: bool = True
) -> torch.Tensor:
    """Indices of those that overlap none with a better score by more than the threshold."""
    overlaps = (ious > iou_threshold).cpu().numpy()
    kept: list[int] = []
    for index in scores.argsort(descending=True, stable=True).tolist():
        if not overlaps[index, kept].any():
            kept.append(index)
    return torch.tensor(kept, dtype=torch.int64, device=scores.device)


def cc_2d(masks: torch.Tensor, get_counts: bool = True) -> tuple[torch.Tensor, torch.Tensor]:
    """Which connected part a pixel is of, and of how many pixels that part is (n, 1, h, w)."""
    labels, counts = np.zeros(masks.shape, np.int32), np.zeros(masks.shape, np.int32)
    for index, mask in enumerate(masks[:, 0].cpu().numpy()):
        _, parts, statistics, _ = cv2.connectedComponentsWithStats(mask, connectivity=8)
        areas = statistics[:, cv2.CC_STAT_AREA]
        areas[0] = 0
        labels[index, 0], counts[index, 0] = parts, areas[parts]
    return (
        torch.from_numpy(labels).to(masks.device),
        torch.from_numpy(counts).to(masks.device),
    )
