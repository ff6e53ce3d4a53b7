"""Counts in words: 1 label, 2 labels."""

from __future__ import annotations


def counted(count: int, noun: str) -> str:
    """The number and the noun: '1 label', '2,000 labels'."""
    return f"{count:,} {noun}" if count == 1 else f"{count:,} {noun}s"
