from __future__ import annotations

import base64
import io
import re
from collections.abc import Iterable, Iterator
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import PIL.ImageFont
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import PremaskError
from premask.images import Image
from premask.masks import Mask, Matte
from premask.report.contact_sheet import ContactSheet
from premask.report.draw import (
    colors,
    cutout_on_checkerboard,
    label_color,
    overlay,
    preview_size_wh,
)
from premask.report.html_report import write_report
from premask.report.lettering import draw_tag, fitted, font_for, free_spot
from premask.report.preview import preview

GRAY = 90


def photo(height: int, width: int, name: str = "a.png") -> Image:
    return Image.from_rgb(np.full((height, width, 3), GRAY, np.uint8), name=name)


def object_of(pixels: NDArray[np.bool_], label: str = "", score: float | None = None) -> Annotation:
    mask = Mask.from_array(pixels)
    x0, y0, x1, y1 = mask.box_xyxy
    return Annotation(label=label, box_xyxy=(x0, y0, x1, y1), score=score, mask=mask)


def disc(height: int, width: int, radius: float) -> NDArray[np.bool_]:
    y, x = np.ogrid[:height, :width]
    inside = (y - height / 2) ** 2 + (x - width / 2) ** 2 < radius**2
    return np.asarray(inside)


def ring(height: int, width: int) -> NDArray[np.bool_]:
    return disc(height, width, 30) & ~disc(height, width, 12)


def edge_of(x0: int, y0: int, x1: int, y1: int, shape: tuple[int, ...]) -> NDArray[np.bool_]:
    edge = np.zeros(shape, np.bool_)
    edge[y0:y1, x0:x1] = True
    edge[y0 + 1 : y1 - 1, x0 + 1 : x1 - 1] = False
    return edge


def changed(picture: PIL.Image.Image) -> NDArray[np.bool_]:
    return np.asarray((np.asarray(picture) != GRAY).any(axis=2))


def labeled(*annotations: Annotation, size: tuple[int, int] = (80, 100)) -> Labeled:
    return Labeled(image=photo(*size), annotations=annotations)


def contact_sheet(images: Iterable[Labeled], path: Path, **settings: int) -> Path:
    sheet = ContactSheet(**settings)
    for found in images:
        sheet.add(found)
    return sheet.write(path)


def test_overlay_at_full_scale_touches_the_masks_pixels_and_its_box_and_nothing_else() -> None:
    pixels = ring(80, 100)
    item = object_of(pixels)
    assert item.mask is not None
    expected = pixels | edge_of(*item.mask.box_xyxy, pixels.shape)
    np.testing.assert_array_equal(changed(overlay(labeled(item), max_side=100)), expected)


def test_a_mask_of_one_pixel_in_each_corner_is_drawn_on_that_pixel() -> None:
    for y, x in ((0, 0), (0, 99), (79, 0), (79, 99)):
        pixels = np.zeros((80, 100), np.bool_)
        pixels[y, x] = True
        drawn = changed(overlay(labeled(object_of(pixels)), max_side=100))
        np.testing.assert_array_equal(drawn, pixels)


def test_the_outline_is_two_solid_pixels_and_the_inside_is_translucent() -> None:
    pixels = np.zeros((80, 100), np.bool_)
    pixels[20:60, 30:70] = True
    row = np.asarray(overlay(labeled(object_of(pixels, "")), max_side=100))[40, 28:74]
    solid = (row == label_color("")).all(axis=1)
    assert np.flatnonzero(solid).tolist() == [2, 3, 40, 41]
    inside = row[4:40].astype(int)
    assert (inside != GRAY).any(axis=1).all()
    assert len(np.unique(inside, axis=0)) == 1


def test_an_overlay_scaled_down_keeps_the_place_and_the_size_of_the_mask() -> None:
    pixels = np.zeros((400, 500), np.bool_)
    pixels[100:200, 250:400] = True
    drawn = changed(overlay(labeled(object_of(pixels), size=(400, 500)), max_side=100))
    expected = np.zeros((80, 100), np.bool_)
    expected[20:40, 50:80] = True
    np.testing.assert_array_equal(drawn, expected)


@pytest.mark.parametrize(("height", "width"), [(397, 501), (1, 500), (3000, 4), (641, 640), (1, 1)])
def test_odd_sizes_scale_down_to_full_masks_that_still_reach_every_edge(
    height: int, width: int
) -> None:
    item = object_of(np.ones((height, width), np.bool_))
    picture = overlay(labeled(item, size=(height, width)), max_side=100)
    assert picture.size == preview_size_wh((height, width), 100)
    assert max(picture.size) <= 100
    assert changed(picture).all()


def test_a_line_far_thinner_than_a_preview_pixel_stays_visible() -> None:
    pixels = np.zeros((800, 1000), np.bool_)
    pixels[400, 100:900] = True
    item = Annotation(label="", box_xyxy=(0, 0, 0, 0), mask=Mask.from_array(pixels))
    picture = np.asarray(overlay(labeled(item, size=(800, 1000)), max_side=100))
    drawn = (picture == label_color("")).all(axis=2)
    assert np.argwhere(drawn).tolist() == [[40, x] for x in range(10, 90)]


def test_a_box_without_a_mask_is_two_pixels_wide_and_clipped_to_the_picture() -> None:
    item = Annotation(label="", box_xyxy=(10, 20, 140.0, 60))
    drawn = changed(overlay(labeled(item), max_side=100))
    expected = np.zeros((80, 100), np.bool_)
    expected[20:60, 10:100] = True
    expected[22:58, 12:98] = False
    np.testing.assert_array_equal(drawn, expected)


def test_a_small_object_is_drawn_on_top_of_a_large_one_whatever_their_order() -> None:
    small = np.zeros((80, 100), np.bool_)
    small[30:34, 40:44] = True
    items = (object_of(small, "small"), object_of(np.ones((80, 100), np.bool_), "large"))
    picture = overlay(labeled(*items), max_side=100)
    assert picture.getpixel((42, 31)) == label_color("small")


def test_labels_lie_inside_the_picture_and_do_not_cover_each_other() -> None:
    taken: list[tuple[int, int, int, int]] = []
    for box in ((0, 0, 20, 20), (80, 60, 100, 80), (0, 0, 100, 80), (0, 0, 20, 20)):
        spot = free_spot(box, (40, 12), (100, 80), taken)
        assert spot is not None
        assert spot[0] >= 0
        assert spot[1] >= 0
        assert spot[2] <= 100
        assert spot[3] <= 80
        canvas = np.zeros((80, 100), int)
        for x0, y0, x1, y1 in (*taken, spot):
            canvas[y0:y1, x0:x1] += 1
        assert canvas.max() == 1
        taken.append(spot)


def test_tags_of_two_objects_in_one_place_are_both_seen() -> None:
    item = Annotation(label="cat", box_xyxy=(20, 100, 200, 180))
    one, two = (
        changed(overlay(labeled(*items, size=(200, 300)), max_side=300))[:100].sum()
        for items in ([item], [item, item])
    )
    assert two == 2 * one > 0


def test_a_label_with_no_room_is_left_out() -> None:
    assert free_spot((0, 0, 5, 5), (40, 12), (30, 80), []) is None
    assert free_spot((0, 0, 5, 5), (40, 12), (100, 80), [(0, 0, 100, 80)]) is None


@pytest.mark.parametrize("score", [None, 0.0, 0.5])
def test_a_score_is_written_only_where_there_is_one(score: float | None) -> None:
    item = Annotation(label="", box_xyxy=(20, 40, 60, 70), score=score)
    above = changed(overlay(labeled(item), max_side=100))[:40]
    assert above.any() == (score is not None)


@pytest.mark.parametrize("label", ["cat", "x" * 5000, "a\nb\x00\tc", "\udcff", "日本", "é"])
def test_any_label_can_be_drawn_beside_its_box(label: str) -> None:
    item = Annotation(label=label, box_xyxy=(20, 100, 90, 180), score=0.5)
    above = changed(overlay(labeled(item, size=(200, 300)), max_side=300))[:100]
    rows, columns = np.nonzero(above)
    assert rows.min() > 60
    assert columns.min() == 20
    assert columns.max() < 200


def test_the_text_of_a_tag_can_be_read_on_every_color() -> None:
    for number in range(60):
        ground = label_color(str(number), number)
        picture = PIL.Image.new("RGB", (60, 21))
        draw_tag(picture, "HHH", 16, (0, 0, 60, 21), ground)
        seen = np.unique(np.asarray(picture).reshape(-1, 3), axis=0)
        assert max(contrast(ground, (int(r), int(g), int(b))) for r, g, b in seen) > 3.3


def contrast(one: tuple[int, int, int], other: tuple[int, int, int]) -> float:
    bright, dark = sorted((luminance(one), luminance(other)), reverse=True)
    return (bright + 0.05) / (dark + 0.05)


def luminance(color: tuple[int, int, int]) -> float:
    linear = [
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in np.array(color) / 255
    ]
    return float(np.dot((0.2126, 0.7152, 0.0722), linear))


def test_text_that_is_too_long_ends_in_an_ellipsis_and_fits() -> None:
    line = fitted("a rather long label " * 9, 14, 100)
    assert line.startswith("a rather")
    assert line.endswith("…")
    assert 80 < font_for(line, 14).getlength(line) <= 100


def test_text_is_one_printable_line_or_nothing() -> None:
    assert fitted("a\nb\x00\tc\udcff", 14, 500) == "a b c"
    assert fitted("abc", 14, 3) == ""


@pytest.mark.parametrize("text", ["cat 0.93", "a long lab…"])
def test_plain_text_looks_the_same_on_every_machine(text: str) -> None:
    font = font_for(text, 14)
    assert isinstance(font, PIL.ImageFont.FreeTypeFont)
    assert font.getname()[0] == "Aileron"


def test_neighbors_of_one_label_differ_in_brightness() -> None:
    bright = [luminance(label_color("coin", nth)) for nth in range(20)]
    assert np.abs(np.diff(bright)).min() > 0.03


def test_colors_are_the_labels_own_and_differ_between_objects() -> None:
    forty = [Annotation(label="coin", box_xyxy=(0, 0, 1, 1)) for _ in range(40)]
    both = colors([*forty, Annotation(label="cat", box_xyxy=(0, 0, 1, 1))])
    assert len(set(both)) == 41
    assert both[0] == label_color("coin")
    assert both[-1] == label_color("cat")
    assert label_color("cat") == (43, 99, 238)  # the same in every run


def test_a_cutout_shows_objects_at_full_strength_and_the_board_elsewhere() -> None:
    pixels = ring(80, 100)
    rgb = np.random.default_rng(0).integers(0, 256, (80, 100, 3), dtype=np.uint8)
    image = Image.from_rgb(rgb, name="noise")
    cutout = cutout_on_checkerboard(
        Labeled(image=image, annotations=(object_of(pixels),)), max_side=100
    )
    assert cutout is not None
    shown = np.asarray(cutout)
    np.testing.assert_array_equal(shown[pixels], rgb[pixels])
    board = shown[~pixels]
    assert len(np.unique(board)) == 2
    assert (board == board[:, :1]).all()


def test_a_matte_is_blended_and_stronger_than_the_mask_that_follows_from_it() -> None:
    alpha = np.zeros((80, 100), np.uint8)
    alpha[10:20, 10:20] = 51
    matte = Matte.from_array(alpha)
    item = Annotation(label="", box_xyxy=(10, 10, 20, 20), mask=matte.mask(), matte=matte)
    image = Image.from_rgb(np.full((80, 100, 3), 255, np.uint8), name="white")
    empty = cutout_on_checkerboard(
        Labeled(image=image, annotations=(object_of(np.zeros((80, 100), np.bool_)),)), max_side=100
    )
    cutout = cutout_on_checkerboard(Labeled(image=image, annotations=(item,)), max_side=100)
    assert cutout is not None
    assert empty is not None
    board = np.asarray(empty).astype(float)
    expected = board + (255 - board) * (alpha[..., None] / 255)
    np.testing.assert_allclose(np.asarray(cutout), expected, atol=1)


def test_there_is_no_cutout_of_boxes() -> None:
    item = Annotation(label="a", box_xyxy=(0, 0, 9, 9))
    assert cutout_on_checkerboard(labeled(item), max_side=100) is None


def many(count: int) -> Iterator[Labeled]:
    for index in range(count):
        annotations = (object_of(disc(80, 100, 20), "disc"),)
        yield Labeled(image=photo(80, 100, f"{index}.png"), annotations=annotations)


def sheet_size(path: Path) -> tuple[int, int]:
    with PIL.Image.open(path) as sheet:
        assert sheet.format == "PNG"
        return sheet.width, sheet.height


def test_a_contact_sheet_grows_with_its_rows_and_stops_at_its_limit(tmp_path: Path) -> None:
    def size(count: int) -> tuple[int, int]:
        path = contact_sheet(many(count), tmp_path / f"{count}.png", columns=2, max_images=4)
        return sheet_size(path)

    assert size(1)[0] < size(2)[0] == size(3)[0]
    assert size(2)[1] < size(3)[1] == size(4)[1] == size(9)[1]


def test_a_row_of_a_contact_sheet_is_as_high_as_its_highest_picture(tmp_path: Path) -> None:
    flat, tall = labeled(size=(20, 100)), labeled(size=(90, 100))
    sheets = ([flat, flat], [flat, tall], [tall, flat])
    heights = [sheet_size(contact_sheet(images, tmp_path / "a.png"))[1] for images in sheets]
    assert heights[1] == heights[2] == heights[0] + 70


def test_a_contact_sheet_says_how_many_images_it_leaves_out() -> None:
    sheet = ContactSheet(max_images=4)
    assert len(list(sheet.watching(many(9)))) == 9
    assert sheet.footer() == "9 images: 4 shown, and 5 more"


def test_a_failed_image_gets_a_cell_with_its_reason_in_red(tmp_path: Path) -> None:
    failed = Labeled(image=Image(name="b.png"), error=PremaskError("the disk melted"))
    path = contact_sheet([failed], tmp_path / "sheet.png")
    with PIL.Image.open(path) as sheet:
        pixels = np.asarray(sheet.convert("RGB")).astype(int)
    assert ((pixels[..., 0] - pixels[..., 1]) > 100).any()


def test_a_contact_sheet_of_nothing_is_a_picture_too(tmp_path: Path) -> None:
    assert min(sheet_size(contact_sheet([], tmp_path / "sheet.png"))) > 0


def test_preview_writes_a_report_and_a_sheet_of_each_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    passes = []

    def results(folder: Path, root: Path | None = None) -> Iterator[Labeled]:
        passes.append(folder)
        return many(2)

    monkeypatch.setattr("premask.report.preview.read_results", results)
    monkeypatch.setattr("premask.report.preview.read_state", lambda folder: {"recipe": "[subject]"})
    report, sheet = preview([tmp_path])
    assert passes == [tmp_path]  # images are decoded once for both
    assert len(Page(report).all("article")) == 2
    assert "[subject]" in Page(report).words
    assert sheet_size(sheet)[0] > 600


class Page(HTMLParser):
    """Every element of a page, and its text."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.source = path.read_text(encoding="utf-8")
        self.feed(self.source)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data.strip())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]


HOSTILE = "<script>alert(1)</script>\"'&<img src=x>"


def report_of(tmp_path: Path, *items: Labeled, **settings: Any) -> Page:
    facts = {HOSTILE: HOSTILE}
    return Page(
        write_report(items, tmp_path / "report.html", title=HOSTILE, facts=facts, **settings)
    )


def test_a_report_escapes_every_string(tmp_path: Path) -> None:
    source = (HOSTILE, HOSTILE)
    item = Annotation(label=HOSTILE, box_xyxy=(1, 2, 30.25, 40), source=source)
    shown = Labeled(image=photo(80, 100, HOSTILE), annotations=(item,))
    failed = Labeled(image=Image(name=HOSTILE), error=PremaskError(HOSTILE))
    page = report_of(tmp_path, shown, failed)
    assert len(page.all("script")) == 1
    assert len(page.all("img")) == 2  # the overlay, and the empty one of the dialog
    assert not any("onerror" in attributes for _, attributes in page.elements)
    assert page.words.count(HOSTILE) == 9
    assert any(image["alt"] and HOSTILE in image["alt"] for image in page.all("img"))


def test_a_report_needs_no_network(tmp_path: Path) -> None:
    page = report_of(tmp_path, *many(2))
    for _, attributes in page.elements:
        for name in ("src", "href", "srcset"):
            assert (attributes.get(name) or "data:").startswith("data:")
    assert "url(" not in page.source
    assert "@import" not in page.source
    assert "http:" not in page.source
    assert "https:" not in page.source
    assert "default-src 'none'" in str(page.all("meta")[2]["content"])


def test_a_report_embeds_a_photo_and_a_cutout_of_each_image(tmp_path: Path) -> None:
    images = report_of(tmp_path, *many(2)).all("img")[:-1]
    kinds = []
    for image in images:
        data = base64.b64decode(str(image["src"]).split(",", 1)[1])
        with PIL.Image.open(io.BytesIO(data)) as picture:
            kinds.append(picture.format)
            assert (str(picture.width), str(picture.height)) == (image["width"], image["height"])
        assert image["alt"]
    assert kinds == ["JPEG", "WEBP", "JPEG", "WEBP"]


def test_the_summary_counts_images_annotations_labels_and_failures(tmp_path: Path) -> None:
    two = (object_of(disc(80, 100, 20), "disc"), object_of(ring(80, 100), "ring"))
    failed = Labeled(image=Image(name="b.png"), error=PremaskError("the disk melted"))
    page = report_of(tmp_path, *many(3), labeled(*two), labeled(), failed)
    numbers = page.words[page.words.index("images") :]
    counted = [word for word in numbers[:20] if word][:10]
    assert counted == [
        *("images", "6", "annotations", "5", "labels", "2"),
        *("nothing found", "1", "failed", "1"),
    ]
    assert "the disk melted" in page.words
    assert re.findall(r"width:([0-9.]+)%", page.source) == ["100.0", "25.0"]


def test_the_filters_numbers_match_between_labels_images_and_rows(tmp_path: Path) -> None:
    two = (object_of(disc(80, 100, 20), "disc"), object_of(ring(80, 100), "ring"))
    page = report_of(tmp_path, *many(1), labeled(*two), labeled())
    images = [article["data-labels"] for article in page.all("article")]
    assert images == ["0", "0 1", ""]
    assert [row["data-label"] for row in page.all("tr") if "data-label" in row] == ["0", "0", "1"]
    buttons = [button["data-label"] for button in page.all("button") if "data-label" in button]
    assert buttons == ["0", "1"]


def test_a_row_says_what_is_known_and_leaves_the_rest_open(tmp_path: Path) -> None:
    box = Annotation(label="cat", box_xyxy=(1, 2, 30.25, 40), source=("find", "outline"))
    page = report_of(tmp_path, labeled(box, object_of(disc(80, 100, 20), "disc", 0.0)))
    cells = re.findall(r"<td[^>]*>(.*?)</td>", page.source)
    assert cells[1:6] == ["&ndash;", "&ndash;", "1, 2, 30.2, 40", "find → outline", "&ndash;"]
    assert cells[7:9] == ["0.000", f"{disc(80, 100, 20).sum():,}"]


def test_images_beyond_the_limit_are_counted_but_not_shown(tmp_path: Path) -> None:
    page = report_of(tmp_path, *many(5), max_images=2)
    assert len(page.all("article")) == 2
    assert "and 3 more that are not shown here" in page.words
    assert "5" in page.words


def test_names_that_are_no_unicode_become_readable(tmp_path: Path) -> None:
    page = report_of(tmp_path, Labeled(image=photo(8, 8, "caf\udce9.png")))
    assert "caf?.png" in page.words


def test_a_run_that_breaks_leaves_the_old_report_and_no_halves(tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    path.write_text("old")

    def breaking() -> Iterator[Labeled]:
        yield from many(1)
        raise RuntimeError("stop")

    with pytest.raises(RuntimeError, match="stop"):
        write_report(breaking(), path, title="t", facts={})
    assert path.read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["report.html"]
