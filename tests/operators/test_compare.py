"""Two fields, or two runs, side by side: numbers against a count of the test's own."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.operators.mask_samples import saved_image
from tests.operators.open_panel import OpenPanel

CELL, SIDE = 24, 16
"""Objects are squares in cells of their own, so that nobody can doubt who is whose partner."""

WIDTH, HEIGHT = CELL * 6, CELL * 4


class Squares:
    """Pairs of squares made up by chance, and what they come to."""

    def __init__(self, fo: Any, folder: Path, images: int) -> None:
        self.counts: Counter[tuple[str, str]] = Counter()
        self.ious: list[tuple[str, float]] = []
        self.dataset = fo.Dataset()
        chance, samples = random.Random(5), []
        for number in range(images):
            path = saved_image(folder, f"{number}.png", (HEIGHT, WIDTH))
            found, others = self._two_sides(fo, chance)
            samples.append(fo.Sample(filepath=str(path), found=found, truth=others))
        self.dataset.add_samples(samples, progress=False)

    def _two_sides(self, fo: Any, chance: random.Random) -> tuple[Any, Any]:
        sides: tuple[list[Any], list[Any]] = ([], [])
        for x in range(0, WIDTH, CELL):
            for y in range(0, HEIGHT, CELL):
                label, shift = chance.choice(["cat", "dog"]), chance.choice([0, 1, 3, 5])
                part = chance.choice(["only one", "only other", "both", "one says another"])
                self.counts[part, label] += 1
                if part != "only other":
                    sides[0].append(square(fo, label, x, y, score=chance.random()))
                if part == "both":
                    self.ious.append((label, (SIDE - shift) / (SIDE + shift)))
                if part != "only one":
                    other = "bird" if part == "one says another" else label
                    sides[1].append(square(fo, other, x + shift, y))
        chance.shuffle(sides[1])
        return fo.Detections(detections=sides[0]), fo.Detections(detections=sides[1])


def square(fo: Any, label: str, x: int, y: int, score: float | None = None) -> Any:
    box = [(x + 1e-6) / WIDTH, (y + 1e-6) / HEIGHT, SIDE / WIDTH, SIDE / HEIGHT]
    import numpy as np

    mask = np.ones((SIDE, SIDE), np.bool_)
    return fo.Detection(label=label, bounding_box=box, mask=mask, confidence=score)


@pytest.fixture
def squares(fo: Any, tmp_path: Path) -> Iterator[Squares]:
    squares = Squares(fo, tmp_path, images=5)
    yield squares
    squares.dataset.delete()


@pytest.fixture
def compare(operator: Callable[[str], Any]) -> Callable[..., Any]:
    return lambda samples, **options: operator("compare")(samples, **options).result


@pytest.fixture
def panel(operator: Callable[[str], Any], squares: Squares) -> OpenPanel:
    return OpenPanel(operator("premask_compare"), squares.dataset)


def test_it_counts_what_the_test_has_made(squares: Squares, compare: Any, panel: OpenPanel) -> None:
    result = compare(squares.dataset, one="found", other="truth")
    for row in result["rows"]:
        for part in ("only one", "only other", "both", "one says another"):
            assert row[part] == squares.counts[part, row["class"]]
    mean = sum(iou for _, iou in squares.ious) / len(squares.ious)
    assert result["totals"]["mean IoU"] == pytest.approx(mean)
    panel.send("on_load")
    ious = {trace["name"]: trace for trace in panel.data["ious"]}
    expected = Counter((label, min(int(iou * 20 + 1e-9), 19)) for label, iou in squares.ious)
    drawn = {
        (label, number): count
        for label, trace in ious.items()
        for number, count in enumerate(trace["y"])
        if count
    }
    assert drawn == dict(expected)


def test_a_click_shows_the_patches_that_the_bar_counts(
    squares: Squares, compare: Any, panel: OpenPanel
) -> None:
    compare(squares.dataset, one="found", other="truth")
    panel.send("on_load")
    names = panel.data["parts"][0]["x"]
    for trace_idx, part in enumerate(("only one", "both", "one says another", "only other")):
        panel.send("show_part", trace_idx=trace_idx, x="cat")
        view = panel.view()
        assert len(view) == squares.counts[part, "cat"]
        assert panel.data["parts"][trace_idx]["y"][names.index("cat")] == len(view)
        field = "truth" if part == "only other" else "found"
        assert view.distinct(f"{field}.label") == ["cat"]
        if part == "only one":
            scores = view.values("found.confidence")
            assert scores == sorted(scores, reverse=True)
            assert not view.has_field("truth") or view.count("truth.detections") == 0
        if part in ("both", "one says another"):
            assert view.count("truth.detections") >= len(view)


def test_a_click_on_an_iou_shows_its_pairs(
    squares: Squares, compare: Any, panel: OpenPanel
) -> None:
    compare(squares.dataset, one="found", other="truth")
    panel.send("on_load")
    panel.send("show_pairs", trace="dog", x=0.975)
    assert len(panel.view()) == squares.ious.count(("dog", 1.0))
    panel.send("show_cell", row=-1, column=2)
    assert len(panel.view()) == len(squares.ious)
    panel.send("show_pairs", trace="dog", x=0.025)
    assert "set_view" not in panel.asked


def test_it_says_when_labels_have_changed(squares: Squares, compare: Any, panel: OpenPanel) -> None:
    compare(squares.dataset, one="found", other="truth")
    panel.send("on_load")
    assert "changed" not in panel.shown
    sample = squares.dataset.first()
    sample.tags.append("seen")  # that is no label
    sample.save()
    panel.send("refresh")
    assert "changed" not in panel.shown
    sample.found.detections[0].label = "bird"
    sample.save()
    panel.send("refresh")
    assert sample.filepath in panel.shown["changed"]["view"]["description"]
    panel.send("again")
    params = panel.asked["prompt_user_for_operation"]["params"]
    assert params == {"one": "found", "other": "truth", "iou": 0.5}
    compare(squares.dataset, **params)
    panel.send("refresh")
    assert "changed" not in panel.shown
    squares.dataset.delete_samples([sample.id])
    panel.send("refresh")
    assert "1 fewer" in panel.shown["changed"]["view"]["description"]


def test_two_runs_in_one_field_and_what_no_run_wrote(
    fo: Any,
    photo_dataset: Any,
    label: Callable[..., Any],
    finder: Any,
    compare: Any,
    form: Callable[..., Any],
) -> None:
    finder.find("astronaut", (3, 4, 60, 70))
    first = label()["name"]
    sample = photo_dataset.first()
    own = fo.Detection(label="thing", bounding_box=[0.5, 0.5, 0.2, 0.2])
    sample.subject.detections.append(own)
    sample.save()
    fields = form("compare", photo_dataset)
    sides = [choice["value"] for choice in fields["one"]["view"]["choices"]]
    assert sides == ["subject", f"subject/{first}", "subject/others"]
    result = compare(photo_dataset, one=f"subject/{first}", other="subject/others")
    assert (result["totals"]["only one"], result["totals"]["only other"]) == (1, 1)


@pytest.mark.parametrize(
    ("sides", "words"),
    [
        ({"one": "found", "other": "found"}, "Both sides are 'found'"),
        ({"one": "found", "other": "nowhere"}, "holds no labels with a place"),
        ({"one": "found", "other": "empty"}, "No image has been looked at for both"),
        ({"one": "found", "other": "maps"}, "only objects have partners"),
    ],
)
def test_it_says_what_can_not_be_compared(
    fo: Any, squares: Squares, compare: Any, sides: Any, words: str
) -> None:
    for name, kind in (("empty", fo.Detections), ("maps", fo.Segmentation)):
        squares.dataset.add_sample_field(name, fo.EmbeddedDocumentField, embedded_doc_type=kind)
    with pytest.raises(Exception, match=words):
        compare(squares.dataset, **sides)


def test_an_image_with_a_broken_label_is_told(
    fo: Any, squares: Squares, compare: Any, panel: OpenPanel
) -> None:
    sample = squares.dataset.first()
    broken = fo.Detection(label="cat", bounding_box=[0, 0, 1, 1], mask_path="/nowhere.png")
    sample.found.detections.append(broken)
    sample.save()
    result = compare(squares.dataset, one="found", other="truth")
    assert list(result["failures"]) == [sample.filepath]
    panel.send("on_load")
    assert "1 image can't be read" in panel.shown["said"]["default"]
