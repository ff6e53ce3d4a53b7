"""Swin Transformer V1 (Liu 2021), the encoder of BiRefNet: four maps, each of half the size."""

from __future__ import annotations

from dataclasses import dataclass

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

PATCH = 4
MLP_RATIO = 4

# Swin's authors add this to the attention between tokens that are no neighbors in the image: a
# shifted window holds some, as what is shifted out on one side comes in on the other.
APART = -100.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SwinShape:
    """The sizes that tell one Swin from another, one entry a stage where there are several."""

    width: int
    depths: tuple[int, ...]
    heads: tuple[int, ...]
    window: int

    @property
    def widths(self) -> tuple[int, ...]:
        """Channels of each stage."""
        return tuple(self.width * 2**stage for stage in range(len(self.depths)))


class Swin(nn.Module):
    """Maps (n, channels, h, w) of each stage, at a quarter, an eighth, ... of the image's size."""

    def __init__(self, shape: SwinShape) -> None:
        super().__init__()
        self.patch_embed = PatchEmbedding(shape.width)
        last = len(shape.depths) - 1
        self.layers = nn.ModuleList(
            Stage(width, depth, heads, shape.window, merges=stage < last)
            for stage, (width, depth, heads) in enumerate(
                zip(shape.widths, shape.depths, shape.heads, strict=True)
            )
        )
        for stage, width in enumerate(shape.widths):
            self.add_module(f"norm{stage}", nn.LayerNorm(width))

    def forward(self, pixels: torch.Tensor) -> list[torch.Tensor]:
        tokens = self.patch_embed(pixels)
        maps = []
        for stage, layer in enumerate(self.layers):
            seen, tokens = layer(tokens)
            maps.append(self.get_submodule(f"norm{stage}")(seen).permute(0, 3, 1, 2).contiguous())
        return maps


class PatchEmbedding(nn.Module):
    """Squares of 4 x 4 pixels as tokens (n, h, w, channels)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.proj = nn.Conv2d(3, width, PATCH, PATCH)
        self.norm = nn.LayerNorm(width)

    def forward(self, pixels: torch.Tensor) -> torch.Tensor:
        embedded: torch.Tensor = self.norm(self.proj(pixels).permute(0, 2, 3, 1))
        return embedded


class Stage(nn.Module):
    """Blocks at one resolution: their tokens, and those that the next stage begins with."""

    def __init__(self, width: int, depth: int, heads: int, window: int, *, merges: bool) -> None:
        super().__init__()
        self.window = window
        # Every other block looks across the borders of its predecessor's windows.
        self.blocks = nn.ModuleList(
            Block(width, heads, window, shift=window // 2 * (index % 2)) for index in range(depth)
        )
        self.downsample = Merging(width) if merges else None

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        height, width = (-(-side // self.window) * self.window for side in tokens.shape[1:3])
        apart = shift_mask((height, width), self.window, tokens)
        for block in self.blocks:
            tokens = block(tokens, apart)
        return tokens, tokens if self.downsample is None else self.downsample(tokens)


class Block(nn.Module):
    """Attention within windows, which may be shifted, then two dense layers a token."""

    def __init__(self, width: int, heads: int, window: int, shift: int) -> None:
        super().__init__()
        self.window, self.shift = window, shift
        self.norm1 = nn.LayerNorm(width)
        self.attn = WindowAttention(width, heads, window)
        self.norm2 = nn.LayerNorm(width)
        self.mlp = Dense(width)

    def forward(self, tokens: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
        tokens = tokens + self._attended(self.norm1(tokens), apart)
        changed: torch.Tensor = tokens + self.mlp(self.norm2(tokens))
        return changed

    def _attended(self, tokens: torch.Tensor, apart: torch.Tensor) -> torch.Tensor:
        height, width = tokens.shape[1:3]
        tokens = F.pad(tokens, (0, 0, 0, -width % self.window, 0, -height % self.window))
        rows, columns = tokens.shape[1:3]
        if self.shift:
            tokens = tokens.roll((-self.shift, -self.shift), (1, 2))
        windows = self.attn(windows_of(tokens, self.window), apart if self.shift else None)
        tokens = tokens_of(windows, self.window, (rows, columns))
        if self.shift:
            tokens = tokens.roll((self.shift, self.shift), (1, 2))
        return tokens[:, :height, :width]


class WindowAttention(nn.Module):
    """Attention among the tokens of a window (n, tokens, channels), biased by their distance."""

    relative_position_index: torch.Tensor

    def __init__(self, width: int, heads: int, window: int) -> None:
        super().__init__()
        self.heads = heads
        self.relative_position_bias_table = nn.Parameter(torch.zeros((2 * window - 1) ** 2, heads))
        self.register_buffer("relative_position_index", relative_positions(window))
        self.qkv = nn.Linear(width, 3 * width)
        self.proj = nn.Linear(width, width)

    def forward(self, windows: torch.Tensor, apart: torch.Tensor | None) -> torch.Tensor:
        count, tokens, width = windows.shape
        parts = self.qkv(windows).reshape(count, tokens, 3, self.heads, width // self.heads)
        query, key, value = parts.permute(2, 0, 3, 1, 4)
        bias = self.relative_position_bias_table[self.relative_position_index].permute(2, 0, 1)
        bias = bias[None] if apart is None else bias[None] + apart[:, None]
        bias = bias.repeat(count // len(bias), 1, 1, 1) if len(bias) > 1 else bias
        attended = F.scaled_dot_product_attention(query, key, value, attn_mask=bias)
        mixed: torch.Tensor = self.proj(attended.transpose(1, 2).reshape(count, tokens, width))
        return mixed


class Dense(nn.Module):
    """Two dense layers a token."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.fc1 = nn.Linear(width, MLP_RATIO * width)
        self.fc2 = nn.Linear(MLP_RATIO * width, width)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        changed: torch.Tensor = self.fc2(F.gelu(self.fc1(tokens)))
        return changed


class Merging(nn.Module):
    """Two by two tokens become one of twice the width."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(4 * width)
        self.reduction = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, tokens: torch.Tensor) -> torch.Tensor:
        height, width = tokens.shape[1:3]
        tokens = F.pad(tokens, (0, 0, 0, width % 2, 0, height % 2))
        corners = [tokens[:, y::2, x::2] for x in (0, 1) for y in (0, 1)]
        merged: torch.Tensor = self.reduction(self.norm(torch.cat(corners, dim=-1)))
        return merged


def windows_of(tokens: torch.Tensor, side: int) -> torch.Tensor:
    """Tokens (n, h, w, c) as windows (n * h / side * w / side, side * side, c)."""
    count, height, width, channels = tokens.shape
    grid = tokens.reshape(count, height // side, side, width // side, side, channels)
    return grid.transpose(2, 3).reshape(-1, side * side, channels)


def tokens_of(windows: torch.Tensor, side: int, size_hw: tuple[int, int]) -> torch.Tensor:
    """The inverse of `windows_of`."""
    height, width = size_hw
    grid = windows.reshape(-1, height // side, width // side, side, side, windows.shape[-1])
    return grid.transpose(2, 3).reshape(-1, height, width, windows.shape[-1])


def relative_positions(side: int) -> torch.Tensor:
    """The row of the bias table for each pair (tokens, tokens) of a window's tokens."""
    places = torch.cartesian_prod(torch.arange(side), torch.arange(side))
    steps = places[:, None] - places[None] + side - 1
    return steps[..., 0] * (2 * side - 1) + steps[..., 1]


def shift_mask(size_hw: tuple[int, int], window: int, like: torch.Tensor) -> torch.Tensor:
    """What to add to the attention (windows, tokens, tokens): 0 for neighbors, APART for others."""
    rows, columns = (_bands(side, window, like.device) for side in size_hw)
    regions = (3 * rows[:, None] + columns)[None, :, :, None]
    numbers = windows_of(regions, window)[..., 0]
    return (numbers[:, None] != numbers[:, :, None]).to(like) * APART


def _bands(length: int, window: int, device: torch.device) -> torch.Tensor:
    """Numbers of the rows (or columns): equal ones are neighbors wherever a window holds both."""
    numbers = torch.zeros(length, dtype=torch.long, device=device)
    numbers[-window:] = 1
    numbers[-(window // 2) :] = 2
    return numbers
