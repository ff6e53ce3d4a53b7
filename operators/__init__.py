"""The FiftyOne face: registers its operators. FiftyOne runs this file anew at every call."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """Give FiftyOne the operators that fiftyone.yml lists."""
    for operator in offered(plugin.plugin_definition.operators):
        plugin.register(operator)


def offered(listed: list[str]) -> tuple[Any, ...]:
    """All operators; where the core is not installed, stand-ins that say how to install it."""
    try:
        from .menu.cancel_run import CancelRun
        from .menu.compare import Compare
        from .menu.cut_out import CutOut
        from .menu.evaluate_masks import Evaluate
        from .menu.export_masks import ExportMasks
        from .menu.import_masks import ImportMasks
        from .menu.label_samples import LabelSamples
        from .menu.label_verdict import CloseReview, JudgeLabel
        from .menu.model_list import Models
        from .menu.outline_labels import OutlineLabels
        from .menu.refine_labels import RefineLabels
        from .menu.review_labels import ReviewLabels
        from .menu.review_panel import ReviewPanel
        from .menu.review_queue import ReviewQueue
        from .menu.select_labels import SelectLabels
        from .menu.semantic_map import SemanticMap
        from .menu.track_objects import TrackObjects
        from .menu.trial_verdicts import KeepTrial, ThrowTrialAway
        from .menu.try_on_sample import TryOnSample
        from .menu.undo_run import UndoRun
        from .menu.verdicts import Accept, Reject
        from .panels.compare_panel import ComparePanel
        from .panels.runs_panel import RunsPanel
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__name__):
            raise
        from .missing_core import stand_ins

        return stand_ins(listed, str(error))
    return (
        LabelSamples,
        TryOnSample,
        KeepTrial,
        ThrowTrialAway,
        CutOut,
        SemanticMap,
        OutlineLabels,
        RefineLabels,
        SelectLabels,
        TrackObjects,
        Models,
        CancelRun,
        ExportMasks,
        ImportMasks,
        Evaluate,
        Compare,
        ReviewQueue,
        ReviewLabels,
        JudgeLabel,
        CloseReview,
        Accept,
        Reject,
        UndoRun,
        RunsPanel,
        ReviewPanel,
        ComparePanel,
    )
