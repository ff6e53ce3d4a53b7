"""The tiny SAM 3.1 once more: its one file holds the head for clicks, too."""

from __future__ import annotations

from tests.tiny_models.sam31 import build

__all__ = ["build"]
