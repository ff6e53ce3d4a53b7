"""The settings that only one family has. Light, so that forms and files need no model library."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from premask.settings import setting


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """A family without settings of its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class HaarOptions:
    """OpenCV's cascade of Haar features."""

    neighbors: int = setting(
        5, "how many overlapping hits make a face; more finds fewer", minimum=0, maximum=50
    )
    scale_step: float = setting(
        1.1, "how much larger the next size to look for is", minimum=1.01, maximum=2
    )
    min_side: float = setting(
        0.04, "smallest face, as a share of the image's shorter side", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class GrabcutOptions:
    """Graph cuts between two color models."""

    iterations: int = setting(3, "how often the colors are learnt again", minimum=1, maximum=20)
    margin: float = setting(
        0.25, "how far around the object to look, as a share of its size", minimum=0, maximum=2
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class FlowOptions:
    """Optical flow against a picture of the object."""

    least_score: float = setting(
        0.2, "an object of which less looks like itself is lost", minimum=0, maximum=1
    )
    search: bool = setting(True, "whether an object that was lost is looked for in each frame")


def band_setting(share: float) -> Any:
    """How wide a trimap's unknown band is, for objects of all sizes."""
    return setting(
        share,
        "half the width of the unknown band, as a share of the object's size",
        minimum=0.001,
        maximum=0.5,
    )


def band_pixels_setting() -> Any:
    """The same, for all objects alike."""
    return setting(
        None, "half the width of the unknown band, in pixels, instead of a share", minimum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class ClosedFormOptions:
    """Closed-form matting from a trimap that is made of the object's mask."""

    band: float = band_setting(0.02)
    band_pixels: float | None = band_pixels_setting()


@dataclass(frozen=True, slots=True, kw_only=True)
class GroundingDinoOptions:
    """Grounding DINO and MM-Grounding-DINO."""

    threshold: float = setting(0.3, "lowest score of a box for its phrase", minimum=0, maximum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Owlv2Options:
    """OWLv2; what is like an exemplar scores much higher than what is like a phrase."""

    threshold: float = setting(0.2, "lowest score of a box for its phrase", minimum=0, maximum=1)
    exemplar_threshold: float = setting(
        0.9, "lowest score of a box for its exemplar", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class DetrOptions:
    """D-FINE, RT-DETR and RF-DETR."""

    threshold: float = setting(0.5, "lowest score of a box", minimum=0, maximum=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class EverythingOptions:
    """A promptable segmenter that is asked everywhere; the numbers are those of SAM's authors."""

    points_per_side: int = setting(
        32, "clicks in a row of the grid; more find smaller objects", minimum=1, maximum=256
    )
    min_score: float = setting(
        0.88,
        "lowest IoU that the model predicts for a mask (0.8 suits SAM 2)",
        minimum=0,
        maximum=1,
    )
    min_stability: float = setting(
        0.95, "how little a mask may depend on its threshold", minimum=0, maximum=1
    )
    min_area: int = setting(1, "smallest mask, in pixels", minimum=1)
    nms: float = setting(
        0.7, "drop what overlaps a better one by more than this IoU", minimum=0, maximum=1
    )
    nms_by: str = setting("box", "what has to overlap", choices=("box", "mask"))


@dataclass(frozen=True, slots=True, kw_only=True)
class SamHqOptions:
    """HQ-SAM's own head."""

    hq_token_only: bool = setting(
        False, "take the high-quality mask alone, not added to SAM's; for one object in an image"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam3Options:
    """SAM 3, asked for concepts."""

    threshold: float = setting(0.5, "lowest score of an object", minimum=0, maximum=1)
    mask_threshold: float = setting(
        0.5, "how likely a pixel of a mask must be; less makes masks larger", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Sam3VideoOptions:
    """SAM 3, asked for concepts in clips."""

    threshold: float = setting(0.5, "lowest score of what is looked at", minimum=0, maximum=1)
    new_threshold: float = setting(
        0.7, "lowest score of what is followed from then on", minimum=0, maximum=1
    )
    hold_back: int = setting(
        15,
        "frames to wait before one is judged: who is seen too seldom goes",
        minimum=8,
        maximum=60,
    )
    most_objects: int = setting(100, "how many objects to follow at once", minimum=1)
    lost_after: int = setting(
        150, "frames without a pixel of an object after which it is given up", minimum=60
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class VitMatteOptions:
    """ViTMatte from a trimap that is made of the object's mask."""

    band: float = band_setting(0.05)
    band_pixels: float | None = band_pixels_setting()
    longest_side: int = setting(
        1536, "what is longer is made smaller for the network", minimum=64, maximum=8192
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class BirefnetOptions:
    """BiRefNet sees every image at one size; the defaults are those that it was trained with."""

    width: int = setting(
        1024,
        "what the network sees, in pixels (a multiple of 32); 0: as wide as the image, within "
        "reason",
        minimum=0,
        maximum=4096,
    )
    height: int = setting(
        1024, "the same for the height; 0: as high as the image", minimum=0, maximum=4096
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Florence2Options:
    """Florence-2; gives no scores. The last two tasks find what there is, and take no phrases."""

    task: str = setting(
        "phrase-grounding",
        "how to look; of those that take phrases, only phrase-grounding looks for all at once",
        choices=(
            "phrase-grounding",
            "open-vocabulary-detection",
            "referring-expression-segmentation",
            "object-detection",
            "dense-region-captions",
        ),
    )
    keep: tuple[str, ...] = setting(
        (), "which regions of an image to keep: their places, from 0, or labels; none keeps all"
    )
    max_tokens: int = setting(1024, "longest answer, in tokens", minimum=8, maximum=1024)
    beams: int = setting(3, "how many answers to weigh up; 1 is fastest", minimum=1, maximum=16)

    def takes_phrases(self) -> bool:
        """Whether the task looks for what is named."""
        return self.task not in ("object-detection", "dense-region-captions")


@dataclass(frozen=True, slots=True, kw_only=True)
class YoloOptions:
    """YOLO by Ultralytics."""

    threshold: float = setting(0.25, "lowest score of an object", minimum=0, maximum=1)
    iou: float = setting(
        0.7, "drop what overlaps a better one of its class by more than this", minimum=0, maximum=1
    )
    image_size: int | None = setting(
        None, "longer side that the network sees; off: as it was trained", minimum=32, maximum=8192
    )
    # Off, as coordinates are half floats then, too, with steps of half a pixel of the network's
    # 640. Measured with random weights, halves against full floats on a CPU: corners move by 0.1 to
    # 0.3 pixels in the middle and by 0.4 to 1.9 in the worst twentieth, six times that in a photo
    # of 12 MP; scores by 0.04 at most.
    half: bool = setting(
        False, "half floats on a GPU: faster, but boxes may move by pixels of a large photo"
    )


def categories_setting() -> Any:
    """Which of the classes that a model knows are wanted."""
    return setting(
        (), "the classes, or groups such as 'upper body', that are wanted; none: all but background"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class SegformerOptions:
    """SegFormer: a class for every pixel."""

    categories: tuple[str, ...] = categories_setting()
    instances: bool = setting(False, "one object for each connected part, not for each class")


@dataclass(frozen=True, slots=True, kw_only=True)
class QuerySegmentationOptions:
    """Mask2Former and OneFormer: one network for classes, for objects, and for both."""

    task: str = setting(
        "panoptic",
        "semantic: a mask a class; instance: one an object; panoptic: both, and no two overlap",
        choices=("semantic", "instance", "panoptic"),
    )
    categories: tuple[str, ...] = categories_setting()
    threshold: float = setting(0.5, "lowest score of an object or area", minimum=0, maximum=1)
    visible: float = setting(
        0.8, "how much of itself others must leave to it, as a share", minimum=0, maximum=1
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class EomtOptions(QuerySegmentationOptions):
    """EoMT, which is surer of itself."""

    threshold: float = setting(0.8, "lowest score of an object or area", minimum=0, maximum=1)
