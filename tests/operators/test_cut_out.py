"""*Cut out subject* and *Semantic map*: soft alpha, class maps, and pictures of them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

import premask

Operator = Callable[[str], Any]


def test_a_real_photo_gets_its_alpha_its_mask_and_its_cut_out(
    photo_dataset: Any, operator: Operator, u2netp_weights: Path, tmp_path: Path
) -> None:
    view = photo_dataset[:1]
    operator("cut_out")(view, recipe="subject", label_field="cut", export_folder=str(tmp_path))
    (expected,) = premask.label(view.values("filepath"), "subject")
    matte = expected.annotations[0].matte
    assert matte is not None
    sample = view.first()
    np.testing.assert_array_equal(sample.cut_heatmap.get_map(), matte.to_array())
    assert sample.cut_heatmap.range == [0, 255]
    (detection,) = sample.cut.detections
    shape = expected.image.size_hw[::-1]
    mask = detection.to_segmentation(frame_size=shape, target=1).get_mask() != 0
    np.testing.assert_array_equal(mask, matte.to_array() >= 128)
    (cut_out,) = tmp_path.rglob("*.png")
    with PIL.Image.open(cut_out) as picture:
        rgba = np.asarray(picture)
    np.testing.assert_array_equal(rgba[..., 3], matte.crop())


def test_by_default_the_edge_is_recomputed_from_the_photo(operator: Operator) -> None:
    defaults = operator("cut_out").defaults
    assert (defaults.recipe, defaults.write) == ("subject-cutout", ("detections", "heatmap"))


def test_what_was_done_before_is_exported_too(
    photo_dataset: Any, operator: Operator, finder: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    operator("cut_out")(photo_dataset)
    operator("cut_out")(photo_dataset, export_folder=str(tmp_path))
    assert len(finder.looked_at) == 3
    assert [path.name for path in tmp_path.rglob("*.png")] == ["astronaut_0.png"]


def test_a_view_of_what_has_no_labels_is_exported_although_it_is_empty_then(
    fo: Any, photo_dataset: Any, operator: Operator, finder: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    photo_dataset.add_sample_field("cut", fo.EmbeddedDocumentField, embedded_doc_type=fo.Detections)
    unlabeled = photo_dataset.exists("cut", False)
    operator("cut_out")(unlabeled, label_field="cut", export_folder=str(tmp_path))
    assert unlabeled.count() == 0
    assert len(list(tmp_path.rglob("*.png"))) == 1


def test_a_semantic_map_has_targets_and_a_palette(
    photo_dataset: Any, operator: Operator, finder: Any, tmp_path: Path
) -> None:
    finder.find("astronaut", (3, 4, 60, 70), label="cat")
    operator("semantic_map")(photo_dataset, label_field="map", export_folder=str(tmp_path))
    assert photo_dataset.mask_targets["map"] == {1: "cat"}
    stored = photo_dataset.first().map.get_mask()
    assert (stored[10, 10], stored[0, 0]) == (1, 0)
    legend = json.loads(next(tmp_path.rglob("classes.json")).read_text())
    with PIL.Image.open(next(tmp_path.rglob("astronaut.png"))) as picture:
        assert picture.mode == "P"
        np.testing.assert_array_equal(np.asarray(picture), stored)
    assert legend == {"1": "cat"}


@pytest.mark.parametrize("name", ["cut_out", "semantic_map"])
def test_they_are_runs_like_all_others(
    photo_dataset: Any, operator: Operator, finder: Any, name: str
) -> None:
    run = operator(name)(photo_dataset).result
    assert run["operator"] == f"@premask/premask/{name}"
    assert operator(name)(photo_dataset).result["reused"] == 3
