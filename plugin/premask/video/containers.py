"""Which files are videos: told by their first bytes, never by their names.

FFmpeg, which does the decoding, also reads play lists. One of these could make it open other files
and addresses, so it is shown nothing but the kinds of files that are listed here.
"""

from __future__ import annotations

_BOXES = (b"ftyp", b"moov", b"mdat", b"wide", b"free", b"skip", b"pnot")
_STARTS = {
    b"\x1aE\xdf\xa3": "matroska",
    b"\x00\x00\x01\xba": "mpeg",
    b"\x00\x00\x01\xb3": "mpeg",
    b"FLV": "flv",
    b"0&\xb2u\x8ef\xcf\x11": "asf",
    b"OggS": "ogg",
    b"YUV4MPEG2": "y4m",
    b"\x00\x00\x00\x01": "h264",
    b"\x00\x00\x01": "h264",
}
_TRANSPORT_PACKET = 188

KINDS = "MP4, MOV, WebM, MKV, AVI, MPEG, MTS, FLV, WMV, OGV, Y4M, H.264"
COUNTING = frozenset({"mp4"})
"""The kinds whose header has the number of frames.

AVI's has one that is too high where frames were left out, and others are worked out of the length.
"""

PICTURES = frozenset({"gif", "webp", "png"})
"""Kinds of pictures that can be animated."""

HEAD_BYTES = 512


def container_of(head: bytes) -> str:
    """The kind of file that begins so, or nothing if it is neither a video nor a moving picture.

    >>> container_of(b"GIF89a"), container_of(b"#EXTM3U")
    ('gif', '')
    """
    if head[4:8] in _BOXES:
        return "" if head[8:12] in (b"avif", b"avis", b"heic", b"mif1") else "mp4"
    if head[:4] == b"RIFF":
        return {b"AVI ": "avi", b"WEBP": "webp"}.get(head[8:12], "")
    if head[:6] in (b"GIF87a", b"GIF89a"):
        return "gif"
    if head[:8] == b"\x89PNG\r\n\x1a\n":
        return "png"
    if _is_transport_stream(head):
        return "transport"
    return next((kind for start, kind in _STARTS.items() if head.startswith(start)), "")


def _is_transport_stream(head: bytes) -> bool:
    """Packets begin with a G; those of cameras (.mts) have four bytes of time before it."""
    return any(
        head[start : start + 1] == b"G" and head[start + step : start + step + 1] == b"G"
        for start, step in ((0, _TRANSPORT_PACKET), (4, _TRANSPORT_PACKET + 4))
    )
