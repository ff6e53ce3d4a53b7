"""Image files beside their labels: linked, copied, or with their pixels turned upright."""

from __future__ import annotations

import io
import os
import shutil
from pathlib import Path

import PIL.Image
import PIL.ImageOps

from premask.decoding import is_turned
from premask.errors import InvalidSetting, UnreadableImage
from premask.files import unwritable, write_atomically

COPY_MODES = ("none", "link", "copy", "upright")
"""What happens to images: nothing, or one of the three."""


def place_image(source: Path, target: Path, mode: str) -> None:
    """Put an image where a trainer looks for it.

    A JPEG that has to be turned is encoded anew, in the best quality; all others keep their bytes.
    """
    if mode not in COPY_MODES:
        raise InvalidSetting(f"'{mode}' is none of {', '.join(COPY_MODES)}.")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        if mode == "upright" and is_turned(source):
            write_atomically(target, _upright(source))
        elif mode == "link":
            target.unlink(missing_ok=True)
            target.symlink_to(os.path.abspath(source))  # noqa: PTH100 - a link stays a link
        else:
            # What is there may be a link to the image itself.
            target.unlink(missing_ok=True)
            shutil.copyfile(source, target)
    except OSError as error:
        raise unwritable(target, error) from error


def _upright(source: Path) -> bytes:
    buffer = io.BytesIO()
    try:
        with PIL.Image.open(source) as picture:
            turned, form = PIL.ImageOps.exif_transpose(picture), picture.format
            quality = {"quality": 100, "subsampling": 0} if form in ("JPEG", "MPO") else {}
            profile = picture.info.get("icc_profile")
            more = quality | ({"icc_profile": profile} if profile else {})
            turned.save(buffer, "JPEG" if form == "MPO" else form, **more)
    except Exception as error:  # Pillow's decoders raise nearly anything on broken files
        raise UnreadableImage(str(source), f"the file is broken ({error})") from error
    return buffer.getvalue()
