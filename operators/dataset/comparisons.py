"""Comparisons that a dataset keeps: numbers to show, and of each object enough to find it again."""

from __future__ import annotations

import base64
import io
import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from typing import Any

import numpy as np
from fiftyone.core.odm import get_db_conn
from numpy.typing import NDArray

from premask.errors import PremaskError

METHOD = "premask_comparison"

_PREFIX = "premask_compared_"

BINS = 20
"""Into which IoUs from 0 to 1 are sorted."""

Row = dict[str, Any]
Tables = dict[str, NDArray[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """What was compared: two sides, as their texts, in a whole dataset or in the view `stages`."""

    one: str
    other: str
    iou: float
    stages: str = ""
    titles: tuple[str, str] = ("", "")

    @property
    def title(self) -> str:
        return " and ".join(self.titles)

    def is_same_as(self, asked: Question) -> bool:
        """Whether a new answer takes the place of the old one."""
        return (self.one, self.other, self.stages) == (asked.one, asked.other, asked.stages)


@dataclass(slots=True, kw_only=True)
class Compared:
    """What came of a comparison.

    `rows` has the counts of each class, `histogram` of each class how many pairs have which IoU.
    `since` is when a sample was changed last before the labels were read. Samples that only one
    side looked at are `left_out`. The arrays in `tables` are, of the objects of either side
    (`one_`, `other_`), their ids, classes (places in `classes`) and scores; of the first side's,
    its partner's place and IoU, and whether nothing counts it; of the images, ids and digests.
    """

    question: Question
    since: str
    at: float = field(default_factory=time.time)
    images: int = 0
    left_out: int = 0
    totals: dict[str, float] = field(default_factory=dict)
    rows: list[Row] = field(default_factory=list)
    histogram: dict[str, list[int]] = field(default_factory=dict)
    classes: list[str] = field(default_factory=list)
    unmasked: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    tables: Tables = field(default_factory=dict)
    name: str = ""


def bins_of(ious: NDArray[np.float64]) -> NDArray[np.int64]:
    """The bin of each IoU; that of 1 is the last one."""
    # What is computed can be a hair below the edge of the bin that it is in.
    return np.minimum((ious * BINS + 1e-9).astype(np.int64), BINS - 1)


def keep(dataset: Any, compared: Compared) -> None:
    """Put a comparison among the dataset's runs; it takes the place of one of the same sides."""
    before = [name for name, asked in kept(dataset).items() if asked.is_same_as(compared.question)]
    moment = datetime.fromtimestamp(compared.at)
    compared.name = f"{_PREFIX}{moment.strftime('%Y%m%d_%H%M%S_%f')}"
    question = json.dumps(asdict(compared.question))
    dataset.register_run(compared.name, dataset.init_run(method=METHOD, question=question))
    record = asdict(compared) | {"tables": _packed(compared.tables)}
    results = dataset.init_run_results(compared.name, compared=record)
    dataset.save_run_results(compared.name, results, cache=False)
    for name in before:
        forget(dataset, name)


def kept(dataset: Any) -> dict[str, Question]:
    """The comparisons that the dataset keeps, by their names, the newest one first."""
    wanted = {"_dataset_id": dataset._doc.id, "config.method": METHOD}
    documents = get_db_conn()["runs"].find(wanted, {"key": 1, "config.question": 1})
    return {
        document["key"]: _question(json.loads(document["config"]["question"]))
        for document in documents.sort("key", -1)
    }


def load(dataset: Any, name: str) -> Compared:
    """Load one comparison."""
    _require_known(dataset, name)
    record = dict(dataset.load_run_results(name, cache=False, load_view=False).compared)
    record["question"] = _question(record["question"])
    return Compared(**record | {"tables": _unpacked(record["tables"])})


def forget(dataset: Any, name: str) -> None:
    _require_known(dataset, name)
    dataset.delete_run(name)


def _require_known(dataset: Any, name: str) -> None:
    if not dataset.has_run(name):
        dataset.reload()  # another process may have added it since the dataset was loaded
    if not dataset.has_run(name):
        raise PremaskError(f"The dataset '{dataset.name}' keeps no comparison '{name}' any more.")


def _question(record: Mapping[str, Any]) -> Question:
    return Question(**{**record, "titles": tuple(record["titles"])})


def _packed(tables: Tables) -> str:
    """As text, which FiftyOne writes into a file of its database, whatever its size."""
    file = io.BytesIO()
    np.savez_compressed(file, **tables)  # type: ignore[arg-type]  # numpy takes arrays by any name
    return base64.b64encode(file.getvalue()).decode()


def _unpacked(text: str) -> Tables:
    with np.load(io.BytesIO(base64.b64decode(text)), allow_pickle=False) as arrays:
        return {name: arrays[name] for name in arrays.files}
