"""BiRefNet's decoder: from coarse to fine, with the image itself as a reference at every step."""

from __future__ import annotations

from collections.abc import Sequence

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torchvision.ops import deform_conv2d

COARSEST = 4
LEVELS = range(COARSEST, 0, -1)
"""The levels by the numbers that are in the weights' names: the coarsest one first."""

NARROW = 64
BRANCH = 256
GRADIENT = 16
KERNELS = (1, 3, 7)

# How much narrower what is read from the image is than the map that it joins.
IMAGE_SHARE = 8


class Decoder(nn.Module):
    """Logits (n, 1, h, w) of the subject, from the image and the encoder's maps.

    The heads `conv_ms_spvn` and `gdt_convs_pred` only served to train it. They are made because
    checkpoints hold weights for them, and never called.
    """

    def __init__(self, widths: Sequence[int]) -> None:
        """`widths` are the channels of the maps, the finest first."""
        super().__init__()
        for level in LEVELS:
            read = widths[min(level, COARSEST - 1)] // IMAGE_SHARE
            given = widths[level - 1]
            made = widths[level - 2] if level > 1 else given // 2
            self.add_module(f"ipt_blk{level + 1}", ImageReader(3 * 4 ** (level + 1), read))
            self.add_module(f"decoder_block{level}", Step(given + read, made))
            if level > 1:
                self._add_reference(level, made)
        last = widths[0] // IMAGE_SHARE
        self.ipt_blk1 = ImageReader(3, last)
        self.conv_out1 = nn.Sequential(nn.Conv2d(widths[0] // 2 + last, 1, 1))

    def _add_reference(self, level: int, width: int) -> None:
        self.add_module(f"lateral_block{level}", Lateral(width))
        self.add_module(f"conv_ms_spvn_{level}", nn.Conv2d(width, 1, 1))
        gradients = nn.Conv2d(width, GRADIENT, 3, padding=1), nn.BatchNorm2d(GRADIENT), nn.ReLU()
        self.add_module(f"gdt_convs_{level}", nn.Sequential(*gradients))
        for head in ("pred", "attn"):
            self.add_module(f"gdt_convs_{head}_{level}", nn.Sequential(nn.Conv2d(GRADIENT, 1, 1)))

    def forward(self, image: torch.Tensor, maps: Sequence[torch.Tensor]) -> torch.Tensor:
        current = maps[-1]
        for level in LEVELS:
            read = self._part(f"ipt_blk{level + 1}", tiled(image, current))
            current = self._part(f"decoder_block{level}", torch.cat([current, read], dim=1))
            if level > 1:
                current = self._where_edges_are(level, current)
                finer = maps[level - 2]
                current = enlarged(current, finer) + self._part(f"lateral_block{level}", finer)
        current = torch.cat([enlarged(current, image), self.ipt_blk1(image)], dim=1)
        logits: torch.Tensor = self.conv_out1(current)
        return logits

    def _where_edges_are(self, level: int, current: torch.Tensor) -> torch.Tensor:
        gradients = self._part(f"gdt_convs_{level}", current)
        return current * self._part(f"gdt_convs_attn_{level}", gradients).sigmoid()

    def _part(self, name: str, given: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.get_submodule(name)(given)
        return made


class ImageReader(nn.Module):
    """Features of the image's own pixels, which are added to the input of a step."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(given, NARROW, 3, padding=1)
        self.conv_out = nn.Conv2d(NARROW, made, 3, padding=1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        read: torch.Tensor = self.conv_out(self.conv1(image))
        return read


class Lateral(nn.Module):
    """A skip connection: carries the encoder's map to the decoder's step of the same size."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(width, width, 1)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = self.conv(given)
        return made


class Step(nn.Module):
    """One step of the decoder: it narrows the map, mixes in the surroundings, and widens it."""

    def __init__(self, given: int, made: int) -> None:
        super().__init__()
        self.conv_in = nn.Conv2d(given, NARROW, 3, padding=1)
        self.bn_in = nn.BatchNorm2d(NARROW)
        self.dec_att = Surroundings()
        self.conv_out = nn.Conv2d(NARROW, made, 3, padding=1)
        self.bn_out = nn.BatchNorm2d(made)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        narrow = F.relu(self.bn_in(self.conv_in(given)))
        made: torch.Tensor = self.bn_out(self.conv_out(self.dec_att(narrow)))
        return made


class Surroundings(nn.Module):
    """ASPP with deformed kernels of several sizes, and the mean of the whole map."""

    def __init__(self) -> None:
        super().__init__()
        self.aspp1 = DeformedBranch(1)
        self.aspp_deforms = nn.ModuleList(DeformedBranch(kernel) for kernel in KERNELS)
        self.global_avg_pool = nn.Sequential(
            nn.AdaptiveAvgPool2d(1),
            nn.Conv2d(NARROW, BRANCH, 1, bias=False),
            nn.BatchNorm2d(BRANCH),
            nn.ReLU(),
        )
        self.conv1 = nn.Conv2d((len(KERNELS) + 2) * BRANCH, NARROW, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(NARROW)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        branches = [branch(given) for branch in (self.aspp1, *self.aspp_deforms)]
        everywhere = self.global_avg_pool(given).expand(-1, -1, *given.shape[2:])
        return F.relu(self.bn1(self.conv1(torch.cat([*branches, everywhere], dim=1))))


class DeformedBranch(nn.Module):
    """A deformed convolution, normalized."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.atrous_conv = DeformedConvolution(kernel)
        self.bn = nn.BatchNorm2d(BRANCH)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        return F.relu(self.bn(self.atrous_conv(given)))


class DeformedConvolution(nn.Module):
    """Modulated deformable convolution (Zhu 2019): offsets and weights are predicted a pixel."""

    def __init__(self, kernel: int) -> None:
        super().__init__()
        self.padding = kernel // 2
        places = kernel * kernel
        self.offset_conv = nn.Conv2d(NARROW, 2 * places, kernel, padding=self.padding)
        self.modulator_conv = nn.Conv2d(NARROW, places, kernel, padding=self.padding)
        self.regular_conv = nn.Conv2d(NARROW, BRANCH, kernel, padding=self.padding, bias=False)

    def forward(self, given: torch.Tensor) -> torch.Tensor:
        made: torch.Tensor = deform_conv2d(
            given,
            self.offset_conv(given),
            self.regular_conv.weight,
            padding=self.padding,
            mask=2 * self.modulator_conv(given).sigmoid(),
        )
        return made


def tiled(image: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The image (n, c, h, w) cut into tiles of the map's size, as channels (n, c * tiles, h, w)."""
    count, channels, height, width = image.shape
    rows, columns = like.shape[2:]
    grid = image.reshape(count, channels, height // rows, rows, width // columns, columns)
    return grid.transpose(3, 4).reshape(count, -1, rows, columns)


def enlarged(given: torch.Tensor, like: torch.Tensor) -> torch.Tensor:
    """The map at another one's size, with corners aligned, as it was trained."""
    return F.interpolate(given, like.shape[2:], mode="bilinear", align_corners=True)
