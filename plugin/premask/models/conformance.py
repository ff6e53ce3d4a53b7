"""Each family beside what its stages promise, for mypy: nothing of this exists at run time.

The registry names its adapters as texts, so that no model library is imported. Here they are named
as what they are, and mypy compares what they make with the protocols in capabilities.py.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    from premask.models.capabilities import (
        EmbeddedFinder,
        Finder,
        Matter,
        PhraseTracker,
        Segmenter,
        Tracker,
    )
    from premask.models.families.birefnet.matter import BirefnetMatter
    from premask.models.families.closed_form import ClosedFormMatter
    from premask.models.families.detr import DetrFinder
    from premask.models.families.edgetam import edgetam_segmenter
    from premask.models.families.eomt import eomt_finder
    from premask.models.families.florence2.finder import florence2_finder
    from premask.models.families.flow.tracker import FlowTracker
    from premask.models.families.grabcut import GrabcutSegmenter
    from premask.models.families.grounding_dino import grounding_dino_finder
    from premask.models.families.haar import HaarFinder
    from premask.models.families.mask2former import mask2former_finder
    from premask.models.families.oneformer import oneformer_finder
    from premask.models.families.owlv2 import owlv2_finder
    from premask.models.families.sam import sam_segmenter
    from premask.models.families.sam2 import sam2_segmenter
    from premask.models.families.sam2_official.segmenter import sam2_official_segmenter
    from premask.models.families.sam3 import sam3_finder
    from premask.models.families.sam3_tracker import sam3_tracker_segmenter
    from premask.models.families.sam3_video.tracker import sam3_video_tracker
    from premask.models.families.sam31.adapters import sam31_finder, sam31_tracker_segmenter
    from premask.models.families.sam_hq import sam_hq_segmenter
    from premask.models.families.segformer import SegformerFinder
    from premask.models.families.u2net import U2netMatter
    from premask.models.families.vitmatte import VitMatteMatter
    from premask.models.families.yolo.finder import YoloFinder

    FINDERS: dict[str, Callable[..., Finder]] = {
        "birefnet": BirefnetMatter,
        "detr": DetrFinder,
        "eomt": eomt_finder,
        "grounding-dino": grounding_dino_finder,
        "haar": HaarFinder,
        "mask2former": mask2former_finder,
        "oneformer": oneformer_finder,
        "segformer": SegformerFinder,
        "u2net": U2netMatter,
        "yolo": YoloFinder,
    }
    EMBEDDED_FINDERS: dict[str, Callable[..., EmbeddedFinder]] = {
        "edgetam": edgetam_segmenter,
        "florence2": florence2_finder,
        "owlv2": owlv2_finder,
        "sam": sam_segmenter,
        "sam-hq": sam_hq_segmenter,
        "sam2": sam2_segmenter,
        "sam2-official": sam2_official_segmenter,
        "sam3": sam3_finder,
        "sam3-tracker": sam3_tracker_segmenter,
        "sam31": sam31_finder,
        "sam31-tracker": sam31_tracker_segmenter,
    }
    SEGMENTERS: dict[str, Callable[..., Segmenter]] = {
        "edgetam": edgetam_segmenter,
        "grabcut": GrabcutSegmenter,
        "sam": sam_segmenter,
        "sam-hq": sam_hq_segmenter,
        "sam2": sam2_segmenter,
        "sam2-official": sam2_official_segmenter,
        "sam3-tracker": sam3_tracker_segmenter,
        "sam31-tracker": sam31_tracker_segmenter,
    }
    MATTERS: dict[str, Callable[..., Matter]] = {
        "birefnet": BirefnetMatter,
        "closed-form": ClosedFormMatter,
        "u2net": U2netMatter,
        "vitmatte": VitMatteMatter,
    }
    TRACKERS: dict[str, Callable[..., Tracker]] = {
        "edgetam": edgetam_segmenter,
        "flow": FlowTracker,
        "sam2": sam2_segmenter,
        "sam2-official": sam2_official_segmenter,
        "sam3-tracker": sam3_tracker_segmenter,
    }
    PHRASE_TRACKERS: dict[str, Callable[..., PhraseTracker]] = {
        "sam3-video": sam3_video_tracker,
    }
