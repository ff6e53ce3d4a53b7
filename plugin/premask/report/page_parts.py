"""Parts that all HTML pages of results have: their top, lists of facts and failures, pictures."""

from __future__ import annotations

import base64
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import BinaryIO

import PIL.Image

from premask.report.lettering import Color
from premask.report.page_style import STYLE


def write_parts(file: BinaryIO, *parts: str) -> None:
    # File names may hold bytes that are no UTF-8; they become question marks.
    file.writelines(part.encode("utf-8", "replace") + b"\n" for part in parts)


def top(title: str, facts: Mapping[str, str], *, script: str, style: str = STYLE) -> str:
    """All that is above what was found; nothing but this script runs, and nothing is fetched."""
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    allowed = "img-src data:; media-src data:; style-src 'unsafe-inline'"
    allowed += f"; script-src 'sha256-{digest}'"
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; {allowed}">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<header>
<h1>{escape(title)}</h1>
{definitions("facts", facts)}
</header>"""


def definitions(kind: str, facts: Mapping[str, str]) -> str:
    rows = (
        f"<div><dt>{escape(name)}</dt><dd>{escape(value)}</dd></div>"
        for name, value in facts.items()
    )
    return f'<dl class="{kind}">{"".join(rows)}</dl>'


def data_uri(picture: PIL.Image.Image, kind: str, **settings: int) -> str:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **settings)
    return uri_of(buffer.getvalue(), f"image/{kind.lower()}")


def uri_of(data: bytes, media_type: str) -> str:
    """The file itself in the place of its address."""
    return f"data:{media_type};base64,{base64.b64encode(data).decode()}"


def zoomable(picture: PIL.Image.Image, uri: str, description: str) -> str:
    width, height = picture.size
    return (
        f'<button type="button"><img src="{uri}" width="{width}" height="{height}" '
        f'alt="{escape(description)}"></button>'
    )


def swatch(color: Color) -> str:
    return f'<span class="swatch" style="background:rgb{color}"></span>'


def failure_list(failures: Iterable[tuple[str, str]]) -> Iterator[str]:
    items = [
        f"<li><h3>{escape(name)}</h3><p>{escape(reason)}</p></li>" for name, reason in failures
    ]
    if items:
        yield '<section id="failures"><h2>Failed</h2><ul class="failures">'
        yield from items
        yield "</ul></section>"


def counted(number: int, thing: str) -> str:
    return f"{number:,} {thing}" if number == 1 else f"{number:,} {thing}s"
