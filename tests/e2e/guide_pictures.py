"""Pictures for the guides in docs/, which `make pictures` makes of what a test saw."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import FloatRect, Page

ANIMATION_MILLISECONDS = 1000
GUIDES = Path(__file__).parents[2] / "test-artifacts" / "guides"


def show_in_guide(page: Page, name: str, part: FloatRect | None = None) -> None:
    """Leave what is on the screen, or a part of it, as the guide's picture of this name."""
    page.wait_for_timeout(ANIMATION_MILLISECONDS)
    GUIDES.mkdir(parents=True, exist_ok=True)
    page.screenshot(path=GUIDES / f"{name}.png", clip=part)
