"""Shards are read by what people have: pyarrow, DuckDB, pandas, datasets, pycocotools."""

from __future__ import annotations

from pathlib import Path

import datasets
import duckdb
import numpy as np
import pandas
import PIL.Image
import pyarrow.parquet as pq
import pytest
from pycocotools import mask as coco_mask

import premask
from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, UnreadableImage
from premask.images import Image
from premask.labels.shard_row import ShardRow
from premask.labels.shard_table import read_shard, schema, shard_fingerprint, write_shard
from premask.masks import Mask, Matte
from premask.plans.job import PlanJob
from premask.plans.plan import Plan, make_plan
from premask.plans.shard_work import label_shard
from premask.recipes.recipe import recipe_of
from tests.core.counting_model import FakeMatter, FakePool, photo

DOCS = Path(__file__).parents[2] / "docs" / "scale.md"
ALPHA = np.random.default_rng(3).integers(0, 256, (6, 9), np.uint8)
PIXELS = np.random.default_rng(4).integers(0, 2, (6, 9)).astype(bool)

FOUND = (
    Annotation(label="cat", box_xyxy=(1.5, 0.25, 7.125, 3.0), score=0.1, source=("finder",)),
    Annotation(
        label="dog",
        box_xyxy=Mask.from_array(PIXELS).box_xyxy,
        mask=Mask.from_array(PIXELS),
        matte=Matte.from_array(ALPHA),
        track=7,
        source=("finder", "outliner"),
        crowd=True,
        keyframe=True,
    ),
)
LABELED = (
    Labeled(image=Image(name="a.png", size_hw=(6, 9), digest="d1"), annotations=FOUND, seconds=0.5),
    Labeled(image=Image(name="nothing.png", size_hw=(2, 2), digest="d2")),
    Labeled(image=Image.unread("bad.png"), error=UnreadableImage("bad.png", "it is empty")),
)


@pytest.fixture
def shard(tmp_path: Path) -> Path:
    rows = (ShardRow.of(one) for one in LABELED)
    return write_shard(tmp_path / "shard.parquet", rows, "abc-def")


def test_what_was_found_comes_back_bit_by_bit(shard: Path) -> None:
    found, nothing, bad = (row.labeled for row in read_shard(shard))
    assert found.annotations == FOUND
    assert nothing.annotations == ()
    assert [_identity(one) for one in (found, nothing)] == [_identity(one) for one in LABELED[:2]]
    assert str(bad.error) == str(LABELED[2].error)
    matte = found.annotations[1].matte
    assert matte is not None
    assert np.array_equal(matte.to_array(), ALPHA)
    assert shard_fingerprint(shard) == "abc-def"
    assert shard_fingerprint(shard.with_name("none.parquet")) is None


def _identity(labeled: Labeled) -> tuple[object, ...]:
    image = labeled.image
    return image.name, image.size_hw, image.digest, labeled.error, labeled.seconds


def test_the_documented_lines_decode_masks_and_mattes(shard: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    code = (
        text.split("```python\n")[1]
        .split("```")[0]
        .replace("plan/labels/shard-00000.parquet", str(shard))
    )
    scope: dict[str, object] = {}
    exec(code, scope)
    masks, alpha = scope["masks"], scope["alpha"]
    assert isinstance(masks, np.ndarray)
    assert np.array_equal(masks[..., 0], PIXELS)
    assert np.array_equal(np.asarray(alpha), ALPHA)


def test_the_documented_columns_are_those_of_the_file(shard: Path) -> None:
    text = DOCS.read_text(encoding="utf-8")
    lines = text.partition("## The shards")[2].splitlines()
    documented = [line.split("`")[1::2][:2] for line in lines if line.startswith("| `")]
    kinds = [[column.name, _type_in_words(str(column.type))] for column in schema()]
    assert documented == kinds
    assert pq.read_schema(shard).names == schema().names


def _type_in_words(kind: str) -> str:
    return kind.replace("item: ", "").replace("element: ", "")


def test_duckdb_pandas_and_datasets_read_it(shard: Path) -> None:
    query = f"select name, unnest(label) as label, unnest(score) as score from '{shard}'"
    assert duckdb.sql(query).fetchall() == [("a.png", "cat", 0.1), ("a.png", "dog", None)]
    failed = duckdb.sql(f"select name, error_kind from '{shard}' where error is not null")
    assert failed.fetchall() == [("bad.png", "UnreadableImage")]
    frame = pandas.read_parquet(shard)
    assert list(frame["name"]) == ["a.png", "nothing.png", "bad.png"]
    assert [counts is None for counts in frame["rle_counts"][0]] == [True, False]
    features = datasets.Dataset.from_parquet(str(shard), cache_dir=str(shard.parent / "cache"))
    assert features[0]["box"] == [[1.5, 0.25, 5.625, 2.75], [float(side) for side in _xywh()]]
    assert features[1]["label"] == []
    assert features[2]["label"] is None


def _xywh() -> list[float]:
    rle = {"size": list(PIXELS.shape), "counts": Mask.from_array(PIXELS).counts}
    box: list[float] = coco_mask.toBbox(rle).tolist()
    return box


def test_other_parquet_is_told(tmp_path: Path) -> None:
    pandas.DataFrame({"image": ["a"]}).to_parquet(tmp_path / "other.parquet")
    with pytest.raises(InvalidMask, match="no column image_id"):
        list(premask.read(tmp_path / "other.parquet"))


@pytest.fixture
def plan(tmp_path: Path) -> Plan:
    (tmp_path / "photos").mkdir()
    for value in range(20, 26):
        PIL.Image.fromarray(photo(value)).save(tmp_path / "photos" / f"{value}.png")
    job = PlanJob(recipe=recipe_of("subject"))
    plan = make_plan([str(tmp_path / "photos")], job, tmp_path / "plan", 3)
    for index in plan.shards:
        label_shard(plan, index, FakePool(FakeMatter()))
    return plan


def test_a_plan_and_a_shard_are_read_as_any_labels(plan: Plan, tmp_path: Path) -> None:
    whole, part = premask.read(plan.folder), premask.read(plan.labels_path(1))
    assert [one.image.name for one in whole] == [f"{value}.png" for value in range(20, 26)]
    assert [_identity(one) for one in part] == [_identity(one) for one in list(whole)[3:]]
    assert part.images.require("24.png") == tmp_path / "photos" / "24.png"
    assert premask.stats(plan.folder).images == 6
    coco = tmp_path / "coco.json"
    premask.write(whole, "coco", coco)
    result = premask.evaluate(plan.folder, coco)
    assert result.image_count == 6
    assert result.numbers["at one point"]["F1"] == 1.0


def test_a_plan_is_previewed(plan: Plan, capsys: pytest.CaptureFixture[str]) -> None:
    from premask.cli import main

    assert main(["preview", str(plan.folder)]) == 0
    page = Path(capsys.readouterr().out.splitlines()[0])
    assert "20.png" in page.read_text(encoding="utf-8")
    assert main(["preview", str(plan.labels_path(1))]) == 0
    assert pq.read_table(plan.folder / "labels").num_rows == 6
