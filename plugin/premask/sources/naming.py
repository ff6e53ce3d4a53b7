"""What images are called: by the path below what people named, and never a way out of a folder."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Sequence
from pathlib import PurePosixPath
from urllib.parse import unquote, urlsplit

from premask.images import digest_of

_UNSAFE = re.compile(r"(?:^|/)[. ]*(?:/|$)|[\\:\0]")


def safe_name(path: str) -> str:
    r"""A path that leads nowhere else, of one that a stranger wrote.

    >>> safe_name("../../etc/passwd"), safe_name("C:\\photos\\a.jpg"), safe_name("/")
    ('etc/passwd', 'C_/photos/a.jpg', 'image')
    """
    if not _UNSAFE.search(path):
        return path
    steps = [step for step in path.replace("\\", "/").split("/") if step.strip(". ")]
    return "/".join(steps or ["image"]).replace(":", "_").replace("\0", "_")


def name_of_address(url: str) -> str:
    """The name of an image behind an address: its host and its path.

    >>> name_of_address("https://example.com/cats/a%20b.jpg")
    'example.com/cats/a b.jpg'

    What is asked for behind the path makes other images, so their names differ, too.
    """
    parts = urlsplit(url.strip())
    steps = [step for step in unquote(parts.path).split("/") if step.strip(".")]
    path = PurePosixPath((parts.hostname or "host").replace(":", "_"), *steps or ["image"])
    if parts.query:
        path = path.with_name(f"{path.stem}-{digest_of(parts.query.encode())[:8]}{path.suffix}")
    return path.as_posix()


def suffix_of(uri: str) -> str:
    """What a file's name ends with, in small letters.

    >>> suffix_of("https://example.com/a.JPG?size=2"), suffix_of("s3://my.bucket/photos")
    ('.jpg', '')
    """
    path = uri.partition("?")[0] if uri.startswith(("http://", "https://")) else uri
    return posixpath.splitext(path)[1].lower()


def common_root(folders: Sequence[str]) -> str:
    """The deepest folder above all of these addresses; empty if they have nothing in common.

    >>> common_root(["s3://bucket/cats", "s3://bucket/dogs"]), common_root(["/data", "s3://bucket"])
    ('s3://bucket', '')
    """
    steps = [folder.rstrip("/").split("/") for folder in folders]
    shared = 0
    while steps and all(len(step) > shared for step in steps):
        if len({step[shared] for step in steps}) > 1:
            break
        shared += 1
    # Of s3://bucket, the first three steps only say where it is.
    enough = 3 if steps and steps[0][0].endswith(":") else 1
    return "/".join(steps[0][:shared]) if shared >= enough else ""


def name_below(root: str, uri: str) -> str:
    """An image's name: its path below the root, or all of its address if it is elsewhere."""
    below = uri.removeprefix(f"{root}/") if root else uri
    if below == uri and uri.startswith(("http://", "https://")):
        return name_of_address(uri)
    return safe_name(below if below != uri else uri.rpartition("://")[2])


def member_name(container: str, member: str) -> str:
    """The name of an image in a file: below the name of the file, without its suffix.

    >>> member_name("train/0001.tar", "cat.jpg")
    'train/0001/cat.jpg'
    """
    return safe_name(f"{posixpath.splitext(container)[0]}/{member}")
