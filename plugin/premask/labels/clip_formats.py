"""Name -> format for clips: what knows which objects are the same in several frames."""

from __future__ import annotations

from functools import partial

from premask.labels.coco_clips import are_coco_clips, read_coco_clips, write_coco_clips
from premask.labels.davis import is_davis, read_davis, write_davis
from premask.labels.format_kinds import ClipFormat as ClipFormat
from premask.labels.mots import is_mots, read_mots, write_mots
from premask.labels.sav import is_sav, read_sav, write_sav
from premask.labels.ytvis import is_ytvis, read_ytvis, write_ytvis

CLIP_FORMATS: dict[str, ClipFormat] = {
    form.name: form
    for form in (
        ClipFormat(
            name="ytvis",
            help="YouTube-VIS JSON: one record a track, with exact run lengths of each frame",
            file_name="ytvis.json",
            write=write_ytvis,
            read=read_ytvis,
            recognizes=is_ytvis,
        ),
        ClipFormat(
            name="ytvis-uncompressed",
            help="the same with run lengths as lists of numbers, for tools without pycocotools",
            file_name="ytvis_uncompressed.json",
            write=partial(write_ytvis, compressed=False),
            read=read_ytvis,
            recognizes=is_ytvis,
        ),
        ClipFormat(
            name="davis",
            help="as DAVIS and YouTube-VOS: one indexed PNG a frame; the smallest object is on top",
            file_name="davis",
            write=write_davis,
            read=read_davis,
            recognizes=is_davis,
            numbers_classes=False,
        ),
        ClipFormat(
            name="mots",
            help="MOTS: a text a clip with run lengths; the smallest object is on top",
            file_name="mots",
            write=write_mots,
            read=read_mots,
            recognizes=is_mots,
        ),
        ClipFormat(
            name="sav",
            help="SA-V's JSON, on which SAM 2 is trained: a file a clip; objects may overlap",
            file_name="sav",
            write=write_sav,
            read=read_sav,
            recognizes=is_sav,
            numbers_classes=False,
        ),
        ClipFormat(
            name="coco",
            help="COCO JSON with an image a frame, and with video_id and track_id",
            file_name="coco.json",
            write=write_coco_clips,
            read=read_coco_clips,
            recognizes=are_coco_clips,
        ),
        ClipFormat(
            name="coco-mattes",
            help="the same with soft alpha as eight bit planes, which make it much larger",
            file_name="coco_mattes.json",
            write=partial(write_coco_clips, mattes=True),
            read=read_coco_clips,
            recognizes=are_coco_clips,
        ),
    )
}
"""What is made for clips. Where it has the name of a format of images, it takes its place."""
