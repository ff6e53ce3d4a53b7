"""Make the guides' pictures anew, of what the browser tests saw: make pictures."""

from __future__ import annotations

from pathlib import Path

import PIL.Image

FOLDER = Path(__file__).parent / "guides"
SEEN = Path(__file__).parents[2] / "test-artifacts" / "guides"
WIDTH = 1000
QUALITY = 82


def main() -> None:
    """Each picture that a test has left becomes one of the same name, small enough for a page."""
    FOLDER.mkdir(exist_ok=True)
    for path in sorted(SEEN.glob("*.png")):
        with PIL.Image.open(path) as image:
            image.thumbnail((WIDTH, WIDTH))
            image.convert("RGB").save(FOLDER / f"{path.stem}.jpg", quality=QUALITY)
        print(FOLDER / f"{path.stem}.jpg")


if __name__ == "__main__":
    main()
