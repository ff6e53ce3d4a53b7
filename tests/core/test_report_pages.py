"""Previews of whole runs: all images by pages, what was found first, images that have moved."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation, Labeled
from premask.cli import main
from premask.images import Image
from premask.report.draw import colors, colors_on
from premask.report.preview import preview

FOUND = (3, 5)


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Photos and results in one folder: in the photos 3 and 5, of 7, something was found."""

    def run_stages(images: Sequence[Image], *_: Any) -> list[list[Annotation]]:
        return [
            [Annotation(label="cup", box_xyxy=(1, 2, 9, 8), score=int(image.name[0]) / 10)]
            if int(image.name[0]) in FOUND
            else []
            for image in images
        ]

    monkeypatch.setattr("premask.runs.pipeline.run_stages", run_stages)
    photos = tmp_path / "project" / "photos"
    photos.mkdir(parents=True)
    for number in range(7):
        picture = np.full((10, 20, 3), 20 * number, np.uint8)
        PIL.Image.fromarray(picture).save(photos / f"{number}.png")
    (photos / "7.png").write_bytes(b"broken")
    flags = ["--recipe", "faces", "--out", str(tmp_path / "project" / "labels")]
    assert main(["annotate", str(photos), *flags]) == 1
    return tmp_path / "project"


def headings(page: Path) -> list[str]:
    return re.findall(r"<h3>(.*?)</h3>", page.read_text())


def test_all_images_are_on_pages_and_what_was_found_comes_first(project: Path) -> None:
    written = list(preview([project / "labels"], page_images=3))
    assert [path.name for path in written] == [
        *("report.html", "report-2.html", "report-3.html", "contact-sheet.png")
    ]
    shown = [name for page in written[:-1] for name in headings(page)]
    assert shown == [f"{number}.png" for number in (3, 5, 0, 1, 2, 4, 6, 7)]
    first, second, _ = (path.read_text() for path in written[:-1])
    assert first.count('<a href="report-2.html">2</a>') == 2
    assert '<a href="report.html">1</a>' in second
    assert 'aria-current="page">2</a>' in second


def test_one_page_has_no_links_and_old_pages_go(project: Path) -> None:
    list(preview([project / "labels"], page_images=3))
    (report, _) = preview([project / "labels"])
    assert "<nav" not in report.read_text()
    assert sorted(path.name for path in (project / "labels").glob("*.html")) == ["report.html"]


def test_filters_are_there_for_what_there_is(project: Path) -> None:
    (report, _) = preview([project / "labels"])
    page = report.read_text()
    assert re.findall(r'data-only="(\w+)"', page) == ["empty", "failed", "unsure"]
    least = re.findall(r'data-least="([\d.]+)"', page)
    assert least[:3] == ["0.3000", "0.5000", "2.0000"]


def test_images_that_have_moved_with_their_results_are_found(project: Path) -> None:
    moved = project.with_name("moved")
    project.rename(moved)
    assert main(["preview", str(moved / "labels")]) == 0


def test_images_that_have_moved_alone_are_asked_for(
    project: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    labels = str(project / "labels")
    assert main(["preview", labels]) == 0
    before = (project / "labels" / "report.html").read_bytes()
    (project / "photos").rename(tmp_path / "elsewhere")
    assert main(["preview", labels]) == 2
    assert "--root" in capsys.readouterr().err
    assert (project / "labels" / "report.html").read_bytes() == before
    assert main(["preview", labels, "--root", str(tmp_path / "elsewhere")]) == 0
    (tmp_path / "elsewhere" / "5.png").unlink()
    assert main(["preview", labels, "--root", str(tmp_path / "elsewhere")]) == 1
    assert "1 image could not be found, such as 5.png" in capsys.readouterr().err


def on(rgb: Sequence[int], count: int = 1) -> Labeled:
    pixels = np.full((40, 60, 3), rgb, np.uint8)
    found = [Annotation(label="cup", box_xyxy=(5, 5, 30, 30)) for _ in range(count)]
    return Labeled(image=Image.from_rgb(pixels, name="x"), annotations=tuple(found))


def test_a_color_differs_from_what_is_below_it() -> None:
    (usual,) = colors(on((0, 0, 0)).annotations)
    (on_itself,) = colors_on(on(usual))
    assert np.linalg.norm(np.subtract(on_itself, usual)) >= 110
    # Where the usual color can be seen, it stays: the same label looks the same everywhere.
    opposite = tuple(255 if part < 128 else 0 for part in usual)
    assert colors_on(on(opposite)) == [usual]


def test_an_object_without_pixels_has_its_usual_color() -> None:
    labeled = on((9, 9, 9))
    nothing = Annotation(label="cup", box_xyxy=(7, 7, 7, 7))
    assert len(colors_on(Labeled(image=labeled.image, annotations=(nothing,)))) == 1
