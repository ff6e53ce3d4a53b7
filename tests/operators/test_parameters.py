"""An operator's parameters are declared once: its call, its form and what it reads agree."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from premask.errors import InvalidSetting

Operator = Callable[..., Any]

REQUIRED = inspect.Parameter.empty
STORAGE = {"masks_on_disk": False, "folder": None}
WRITE = STORAGE | {"existing": None, "overlap": 0.5, "settings": None, "label_field": None}
LABEL = WRITE | {
    "recipe": None,
    "download": False,
    "phrases": (),
    "phrases_field": None,
    "dataset_classes": False,
    "write": None,
    "export_folder": None,
    "margin": 0.1,
}
STAGE = WRITE | {"source_field": REQUIRED, "remaining_field": None}

CALLS: dict[str, dict[str, Any]] = {
    "label_samples": LABEL,
    "cut_out": LABEL,
    "semantic_map": LABEL,
    "outline_labels": WRITE | {"source_field": REQUIRED, "recipe": "click", "download": False},
    "refine_labels": STAGE,
    "select_labels": STAGE,
    "export_masks": {
        "label_fields": REQUIRED,
        "folder": REQUIRED,
        "formats": (),  # coco, and of clips ytvis
        "classes": (),
        "every_frame": True,
    },
    "import_masks": STORAGE
    | {"path": REQUIRED, "label_field": "imported", "image_folder": None, "append": False},
    "evaluate": {
        "pred_field": REQUIRED,
        "gt_field": REQUIRED,
        "eval_key": "premask",
        "iou": 0.5,
    },
    "review_queue": {
        "label_field": REQUIRED,
        "by": "score",
        "other_field": None,
        "name": "review",
    },
}
"""How people call them: what is here must go on to work."""


@pytest.mark.parametrize("name", CALLS)
def test_people_s_calls_go_on_to_work(operator: Operator, name: str) -> None:
    samples, *parameters = inspect.signature(operator(name)).parameters.values()
    assert samples.name == "samples"
    assert {parameter.kind for parameter in parameters} == {inspect.Parameter.KEYWORD_ONLY}
    given = {parameter.name: parameter.default for parameter in parameters}
    assert given == CALLS[name] | {"delegate": False}


@pytest.mark.parametrize(
    ("name", "call"),
    [
        ("undo_run", "(samples: Any, run_id: 'str'"),
        ("models", "(names: 'tuple[str, ...]' = (), *, delegate: bool = False)"),
        ("accept", "(samples: Any, *, label_fields: 'tuple[str, ...]' = ())"),
    ],
)
def test_some_take_what_they_are_about_by_its_place(
    operator: Operator, name: str, call: str
) -> None:
    shown = str(inspect.signature(operator(name))).replace("'Any'", "Any").replace("'bool'", "bool")
    assert shown.startswith(call)


def test_a_misspelled_or_missing_name_is_python_s_own_error(
    operator: Operator, photo_dataset: Any
) -> None:
    with pytest.raises(TypeError, match="unexpected keyword argument 'recpie'"):
        operator("label_samples")(photo_dataset, recpie="subject")
    with pytest.raises(TypeError, match="missing a required argument: 'gt_field'"):
        operator("evaluate")(photo_dataset, pred_field="subject")


def test_what_is_read_is_checked_and_what_is_empty_is_as_declared(fo: Any) -> None:
    read = importlib.import_module("operators.forms.parameters").read
    owner = importlib.import_module("operators.menu.export_masks").ExportParameters
    params = {"label_fields": ["masks"], "folder": "there", "formats": [], "view_target": "DATASET"}
    assert read(owner, params) == owner(label_fields=("masks",), folder="there")
    with pytest.raises(InvalidSetting, match="folder is missing; it must be a text"):
        read(owner, {"label_fields": ["masks"], "folder": ""})
    with pytest.raises(InvalidSetting, match="classes must be a list of texts; got 3"):
        read(owner, params | {"classes": 3})


def test_paths_and_any_iterables_are_taken(
    fo: Any, operator: Operator, photo_dataset: Any, tmp_path: Path
) -> None:
    photo_dataset.add_sample_field(
        "masks", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections
    )
    fields = {"masks"}
    result = operator("export_masks")(photo_dataset, label_fields=fields, folder=tmp_path).result
    assert result["images"] == 3
    assert (tmp_path / "coco.json").is_file()
