"""The FiftyOne face. FiftyOne runs this file anew at every call, so it holds nothing."""

from __future__ import annotations

from typing import Any


def register(plugin: Any) -> None:
    """Give FiftyOne the operators that fiftyone.yml lists."""
    for operator in offered(plugin.plugin_definition.operators):
        plugin.register(operator)


def offered(listed: list[str]) -> tuple[Any, ...]:
    """All operators; where the core is not installed, stand-ins that say how to install it."""
    try:
        from .cancel_run import CancelRun
        from .cut_out import CutOut
        from .evaluate import Evaluate
        from .export_masks import ExportMasks
        from .import_masks import ImportMasks
        from .label_samples import LabelSamples
        from .models import Models
        from .outline_labels import OutlineLabels
        from .refine_labels import RefineLabels
        from .review import Accept, Reject
        from .review_queue import ReviewQueue
        from .runs_panel import RunsPanel
        from .select_labels import SelectLabels
        from .semantic_map import SemanticMap
        from .undo_run import UndoRun
    except ModuleNotFoundError as error:
        if (error.name or "").startswith(__name__):
            raise
        from .missing_core import stand_ins

        return stand_ins(listed, str(error))
    return (
        LabelSamples,
        CutOut,
        SemanticMap,
        OutlineLabels,
        RefineLabels,
        SelectLabels,
        Models,
        CancelRun,
        ExportMasks,
        ImportMasks,
        Evaluate,
        ReviewQueue,
        Accept,
        Reject,
        UndoRun,
        RunsPanel,
    )
