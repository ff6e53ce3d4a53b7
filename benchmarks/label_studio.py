"""Clicks through the Label Studio face, over HTTP, against the bare mask decoder of SAM 2.1 tiny.

Its random weights are smoothed: the cost is the same, and masks are areas, as with real weights. Of
confetti, run lengths and an answer of more than a megabyte would take as long as the network.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

import numpy as np

from benchmarks.clicks import XY, bare_click
from benchmarks.label_studio_load import load_rows
from benchmarks.label_studio_server import HEIGHT, WIDTH, Json, Server, running_server
from benchmarks.table import Row, ratio_of
from premask.annotations import Annotation
from premask.labels.label_studio import TagNames, regions_from_annotation
from premask.masks import Mask

BRUSHES = 100


def rows() -> Iterator[Row]:
    """One person's clicks, then those of a hundred at once."""
    with running_server() as server:
        yield from click_rows(server)
        yield from load_rows(server)


def click_rows(server: Server) -> Iterator[Row]:
    light = server.click(*XY)
    on_brushes = server.click(*XY, **task_with_brushes())
    size = len(server.post(light))
    bare = bare_click(server.model, server.photo)
    yield Row(
        what="Label Studio: warm click at 1080p, HTTP in to region out / bare mask decoder",
        ratio=ratio_of(partial(server.post, light), bare, 9),
        goal=1 / 1.5,
        note=f"an answer of {size / 1e3:.0f} kB",
    )
    yield Row(
        what="Label Studio: the same / encoding at each click, as the official backends do",
        ratio=ratio_of(
            partial(server.post, light), lambda: bare_click(server.model, server.photo)(), 3
        ),
        goal=5,
        note="theirs without HTTP and without an answer",
    )
    yield Row(
        what=f"Label Studio: click on a task with {BRUSHES} brushes / on one without",
        ratio=ratio_of(partial(server.post, on_brushes), partial(server.post, light), 9),
        goal=0.9,
        note=f"a request of {len(on_brushes) / 1e6:.1f} MB",
    )


def task_with_brushes() -> Json:
    """What a task brings along on which a person has accepted the brushes of a prediction."""
    rows, columns = np.ogrid[:HEIGHT, :WIDTH]
    regions = []
    for number in range(BRUSHES):
        x, y = 100 + 17 * number, 100 + 8 * number
        mask = Mask.from_array(np.hypot(rows - y, columns - x) < 120)
        disc = Annotation(label="Cat", box_xyxy=mask.box_xyxy, mask=mask)
        regions += regions_from_annotation(
            disc, mask.size_hw, index=number, names=TagNames(image="img")
        )
    said = [{"id": 1, "result": regions}]
    return {"annotations": said, "predictions": said}
