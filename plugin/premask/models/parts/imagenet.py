"""The mean and the deviation of ImageNet's colors, by which most networks normalize their input."""

from __future__ import annotations

MEAN = (0.485, 0.456, 0.406)
DEVIATION = (0.229, 0.224, 0.225)
"""Red, green, blue, where the brightest value is 1."""
