"""Name -> format: what `--format` takes, how it is written and, where it can be, read."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

from premask.errors import UnknownFormat
from premask.labels import cutout
from premask.labels.ade20k import ade20k_files, are_ade20k, read_ade20k
from premask.labels.clip_formats import CLIP_FORMATS, ClipFormat
from premask.labels.coco import coco_ids, is_coco, stream_coco, write_coco
from premask.labels.coco_ids import CocoIds
from premask.labels.coco_panoptic import (
    is_coco_panoptic,
    read_coco_panoptic,
    write_coco_panoptic,
)
from premask.labels.coco_results import (
    is_coco_results,
    results_reader,
    write_coco_results,
)
from premask.labels.cvat import is_cvat, read_cvat, write_cvat
from premask.labels.format_kinds import DatasetFormat as DatasetFormat
from premask.labels.format_kinds import ImageFormat as ImageFormat
from premask.labels.image_folder import is_image_folder, read_image_folder, write_image_folder
from premask.labels.label_studio import is_label_studio, read_tasks, write_label_studio
from premask.labels.labelme import is_labelme, read_labelme, write_labelme
from premask.labels.png_alpha import alpha_files, are_alphas, read_alpha
from premask.labels.png_classes import (
    are_class_maps,
    class_map_ids,
    read_class_maps,
    write_class_maps,
)
from premask.labels.png_masks import are_masks, mask_files, read_masks
from premask.labels.png_objects import are_object_maps, object_files, read_object_maps
from premask.labels.voc import is_voc, read_voc, voc_ids, write_voc
from premask.labels.yolo import read_yolo, write_yolo
from premask.labels.yolo_dataset import (
    is_yolo,
    require_own_texts,
    write_yolo_parts,
    yolo_ids,
    yolo_images,
)


def _coco_format(
    name: str, help_text: str, write: Callable[..., tuple[Path, ...]]
) -> DatasetFormat:
    return DatasetFormat(
        name=name,
        help=help_text,
        file_name=f"{name.replace('-', '_')}.json",
        write=write,
        with_ids=lambda ids: partial(write, ids=ids),
        read=stream_coco,
        ids_of=coco_ids,
        recognizes=is_coco,
    )


_DATASET_FORMATS = (
    _coco_format("coco", "COCO JSON with exact run lengths", write_coco),
    _coco_format(
        "coco-mattes",
        "the same with soft alpha as eight bit planes, which make it much larger",
        partial(write_coco, mattes=True),
    ),
    _coco_format(
        "coco-polygons",
        "COCO JSON with polygons along the edges of the pixels, for tools without run lengths",
        partial(write_coco, polygons=True),
    ),
    replace(
        _coco_format(
            "coco-panoptic",
            "COCO's panoptic JSON, and a PNG for each image; the smallest object is on top",
            write_coco_panoptic,
        ),
        read=read_coco_panoptic,
        recognizes=is_coco_panoptic,
    ),
    replace(
        _coco_format(
            "coco-results",
            "COCO's list of results, for its evaluation; `--classes FILE.json` brings your ids",
            write_coco_results,
        ),
        read=None,  # it does not tell what its images are called
        read_with=results_reader,
        recognizes=is_coco_results,
        ids_of=None,
    ),
    DatasetFormat(
        name="label-studio",
        help="tasks with brushes as predictions, to import into Label Studio, and label_config.xml",
        file_name="label_studio.json",
        numbers_classes=False,
        write=write_label_studio,
        read=read_tasks,
        recognizes=is_label_studio,
    ),
    DatasetFormat(
        name="label-studio-bitmasks",
        help="the same with bitmasks (PNG), and label_config_bitmasks.xml",
        file_name="label_studio_bitmasks.json",
        numbers_classes=False,
        write=partial(
            write_label_studio,
            painted_with="BitmaskLabels",
            config_name="label_config_bitmasks.xml",
            tools=("BitmaskLabels", "RectangleLabels", "PolygonLabels"),
        ),
        read=read_tasks,
        recognizes=is_label_studio,
    ),
    DatasetFormat(
        name="label-studio-polygons",
        help="the same with polygons, one for each part of an object",
        file_name="label_studio_polygons.json",
        numbers_classes=False,
        write=partial(write_label_studio, controls=("PolygonLabels",)),
        read=read_tasks,
        recognizes=is_label_studio,
    ),
    DatasetFormat(
        name="label-studio-boxes",
        help="the same with rectangles",
        file_name="label_studio_boxes.json",
        numbers_classes=False,
        write=partial(write_label_studio, controls=("RectangleLabels",)),
        read=read_tasks,
        recognizes=is_label_studio,
    ),
    DatasetFormat(
        name="yolo",
        help="YOLO segmentation texts below labels/, and data.yaml",
        file_name="yolo",
        write=write_yolo,
        read=read_yolo,
        recognizes=is_yolo,
        ids_of=yolo_ids,
        own_images=yolo_images,
        write_parts=write_yolo_parts,
        require_names=require_own_texts,
    ),
    DatasetFormat(
        name="voc",
        help="Pascal VOC: boxes in XML, and indexed PNGs of classes and objects, smallest on top",
        file_name="voc",
        write=write_voc,
        read=read_voc,
        recognizes=is_voc,
        ids_of=voc_ids,
        image_folder="JPEGImages",
    ),
    DatasetFormat(
        name="labelme",
        help="LabelMe's JSON for each image, with masks",
        file_name="labelme",
        numbers_classes=False,
        write=write_labelme,
        read=read_labelme,
        recognizes=is_labelme,
        image_folder="",
    ),
    DatasetFormat(
        name="cvat",
        help="CVAT's XML for images, with masks",
        file_name="cvat.xml",
        numbers_classes=False,
        write=write_cvat,
        read=read_cvat,
        recognizes=is_cvat,
    ),
    DatasetFormat(
        name="image-folder",
        help="an image folder of Hugging Face's datasets: metadata.jsonl, and a PNG for each mask",
        file_name="image_folder",
        numbers_classes=False,
        write=write_image_folder,
        read=read_image_folder,
        recognizes=is_image_folder,
        image_folder="",
    ),
    DatasetFormat(
        name="png-classes",
        help="one indexed PNG an image: each pixel's class; the smallest object is on top",
        file_name="classes",
        write=write_class_maps,
        read=read_class_maps,
        recognizes=are_class_maps,
        ids_of=class_map_ids,
    ),
)
_IMAGE_FORMATS = (
    ImageFormat(
        name="ade20k",
        help="one indexed PNG an image in the colors of ADE20K that ControlNet expects; other "
        "classes than its 150 are black",
        folder_name="ade20k",
        encode=ade20k_files,
        read=read_ade20k,
        recognizes=are_ade20k,
    ),
    ImageFormat(
        name="png-objects",
        help="one indexed PNG an image: each pixel's object; the smallest is on top",
        folder_name="objects",
        encode=object_files,
        read=read_object_maps,
        recognizes=are_object_maps,
    ),
    ImageFormat(
        name="png-masks",
        help="one black and white PNG an object",
        folder_name="masks",
        encode=mask_files,
        read=read_masks,
        recognizes=are_masks,
    ),
    ImageFormat(
        name="png-alpha",
        help="one gray PNG an image: how much of each pixel belongs to any object",
        folder_name="alpha",
        encode=alpha_files,
        read=read_alpha,
        recognizes=are_alphas,
    ),
    ImageFormat(
        name="cutout",
        help="one transparent PNG an object, clean of the background in its soft edges",
        folder_name="cutouts",
        encode=cutout.cutout_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-white",
        help="the image with its objects on white",
        folder_name="background_white",
        encode=cutout.white_background_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-blur",
        help="the image, out of focus where no object is",
        folder_name="background_blur",
        encode=cutout.blurred_background_files,
        needs_pixels=True,
    ),
    ImageFormat(
        name="background-gray",
        help="the image, black and white where no object is",
        folder_name="background_gray",
        encode=cutout.gray_background_files,
        needs_pixels=True,
    ),
)

Format = DatasetFormat | ImageFormat
AnyFormat = Format | ClipFormat

FORMATS: dict[str, Format] = {form.name: form for form in (*_DATASET_FORMATS, *_IMAGE_FORMATS)}

FORMATS_FOR_CLIPS: dict[str, AnyFormat] = {
    **CLIP_FORMATS,
    **{name: form for name, form in FORMATS.items() if name not in CLIP_FORMATS},
}
"""Where a format of clips has the name of one of images, it takes its place."""

GROUPS: dict[str, tuple[str, ...]] = {
    group: tuple(name for name in FORMATS if name.startswith(f"{group}-"))
    for group in ("png", "background")
}
"""Names for several formats at once: `png` is all that begin with `png-`."""


def formats_of(names: Sequence[str], *, ids: CocoIds | None = None) -> list[Format]:
    """The formats of these names, each once; with `ids`, COCO's have those of a person's file."""
    chosen = [FORMATS[name] for name in _members(names, FORMATS)]
    return chosen if ids is None else [_with_ids(form, ids) for form in chosen]


def clip_formats_of(names: Sequence[str]) -> list[AnyFormat]:
    """The formats of these names for clips, each once; those of images write them by frames."""
    return [FORMATS_FOR_CLIPS[name] for name in _members(names, FORMATS_FOR_CLIPS)]


def _members(names: Sequence[str], known: Mapping[str, AnyFormat]) -> Iterable[str]:
    """The names with groups taken apart, each once."""
    unknown = next((name for name in names if name not in known and name not in GROUPS), None)
    if unknown is not None:
        raise UnknownFormat(unknown, (*known, *GROUPS))
    return dict.fromkeys(member for name in names for member in GROUPS.get(name, (name,)))


def _with_ids(form: Format, ids: CocoIds) -> Format:
    if not isinstance(form, DatasetFormat) or form.with_ids is None:
        return form
    return replace(form, write=form.with_ids(ids), require_names=ids.require_images)
