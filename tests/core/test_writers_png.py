"""PNG maps, masks and alpha have the pixels of the annotations."""

from __future__ import annotations

import io
import json
from pathlib import Path

import numpy as np
import PIL.Image
import pytest
from numpy.typing import NDArray

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask, UnwritableOutput
from premask.images import Image
from premask.labels import png
from premask.labels.ade20k import (
    ade20k_files,
    ade20k_map,
    ade20k_number,
    ade20k_palette,
    read_ade20k,
)
from premask.labels.palette import color
from premask.labels.png_alpha import alpha_files
from premask.labels.png_classes import (
    class_map_from_annotations,
    read_class_maps,
    write_class_maps,
)
from premask.labels.png_masks import mask_files, read_masks
from premask.labels.png_objects import object_map
from premask.masks import Mask, Matte
from premask.shaping.maps import alpha_map, masks_from_number_map
from tests.golden.dataset import adversarial_masks

SIZE = (4, 6)


def block(label: str, rows: slice, columns: slice) -> Annotation:
    pixels = np.zeros(SIZE, np.bool_)
    pixels[rows, columns] = True
    mask = Mask.from_array(pixels)
    return Annotation(label=label, box_xyxy=mask.box_xyxy, mask=mask)


SMALL = block("small", slice(1, 2), slice(1, 3))
LARGE = block("large", slice(0, 3), slice(0, 4))
BARE = Annotation(label="bare", box_xyxy=(0, 0, 6, 4))


def labeled(*annotations: Annotation, name: str = "a.jpg") -> Labeled:
    return Labeled(image=Image(name=name, size_hw=SIZE), annotations=annotations)


def opened(data: bytes) -> PIL.Image.Image:
    return PIL.Image.open(io.BytesIO(data))


@pytest.mark.parametrize("order", [(SMALL, LARGE), (LARGE, SMALL)])
def test_the_smallest_object_is_on_top_whatever_the_order(order: tuple[Annotation, ...]) -> None:
    expected = np.zeros(SIZE, np.uint8)
    expected[0:3, 0:4], expected[1, 1:3] = 2, 1
    np.testing.assert_array_equal(
        class_map_from_annotations(order, SIZE, ["small", "large"]), expected
    )


def test_of_two_objects_of_one_size_the_first_is_on_top() -> None:
    other = block("other", slice(1, 2), slice(2, 4))
    expected = np.zeros(SIZE, np.uint8)
    expected[1, 1:4] = [1, 1, 2]
    np.testing.assert_array_equal(object_map(labeled(SMALL, other)), expected)


def test_a_box_leaves_no_trace_but_keeps_its_number() -> None:
    index = object_map(labeled(BARE, SMALL))
    assert set(np.unique(index).tolist()) == {0, 2}


def test_the_palette_is_pascal_vocs() -> None:
    picture = opened(png.png_from_numbers(object_map(labeled(SMALL, LARGE))))
    assert picture.mode == "P"
    assert picture.convert("RGB").getpixel((1, 1)) == color(1) == (128, 0, 0)
    assert picture.convert("RGB").getpixel((0, 0)) == color(2) == (0, 128, 0)
    assert picture.convert("RGB").getpixel((5, 3)) == (0, 0, 0)


@pytest.mark.parametrize(("count", "mode"), [(255, "P"), (256, "I;16"), (300, "I;16")])
def test_beyond_255_objects_the_map_has_16_bits(count: int, mode: str) -> None:
    size = (20, 16)
    pixels = [Mask.from_crop(np.ones((1, 1), np.bool_), divmod(i, 20), size) for i in range(count)]
    annotations = [Annotation(label="a", box_xyxy=mask.box_xyxy, mask=mask) for mask in pixels]
    image = Labeled(image=Image(name="a", size_hw=size), annotations=tuple(annotations))
    data = png.png_from_numbers(object_map(image))
    assert opened(data).mode == mode
    assert masks_from_number_map(png.pixels_from_png(data)) == dict(enumerate(pixels, start=1))


def test_more_objects_than_a_png_can_number_are_refused() -> None:
    many = labeled(*[SMALL] * 65536)
    with pytest.raises(UnwritableOutput, match=r"65,535 numbers.*COCO"):
        object_map(many)


@pytest.mark.parametrize("name", adversarial_masks())
def test_masks_come_back(name: str) -> None:
    mask = Mask.from_array(adversarial_masks()[name])
    data = png.png_from_mask(mask)
    assert set(np.unique(np.asarray(opened(data))).tolist()) <= {0, 255}
    assert png.mask_from_png(data) == mask


def test_objects_that_overlap_are_whole_in_their_own_files() -> None:
    files = mask_files(labeled(SMALL, BARE, LARGE), "a")
    assert list(files) == ["a_0.png", "a_2.png"]
    assert [png.mask_from_png(make()) for make in files.values()] == [SMALL.mask, LARGE.mask]


def test_alpha_is_the_highest_of_all_objects() -> None:
    alpha = np.zeros(SIZE, np.uint8)
    alpha[1] = [0, 1, 100, 200, 254, 255]
    matte = Matte.from_array(alpha)
    soft = Annotation(label="soft", box_xyxy=(0, 0, 6, 4), mask=matte.mask(), matte=matte)
    (make,) = alpha_files(labeled(SMALL, soft, BARE), "a").values()
    alpha[1, 1:3] = 255
    assert Matte.from_array(png.pixels_from_png(make())) == Matte.from_array(alpha)


def test_the_alphas_of_objects_that_touch_add_up() -> None:
    """A seam is 191 + 64 of 255: no pale line may run between two people."""
    row = np.array([[255, 191, 64, 0], [255, 191, 64, 0]], np.uint8)
    touching = [matted(row), matted(row[:, ::-1])]
    assert np.array_equal(alpha_map(touching, (2, 4)), np.full((2, 4), 255))


def test_a_part_does_not_add_to_its_whole() -> None:
    whole = np.array([[128, 255, 255, 100]], np.uint8)
    part = np.array([[0, 0, 200, 90]], np.uint8)
    assert np.array_equal(alpha_map([matted(part), matted(whole)], (1, 4)), whole)


def matted(alpha: NDArray[np.uint8]) -> Annotation:
    matte = Matte.from_array(alpha)
    return Annotation(label="", box_xyxy=matte.box_xyxy, mask=matte.mask(), matte=matte)


def test_classes_keep_their_numbers_from_image_to_image(tmp_path: Path) -> None:
    images = [labeled(LARGE), labeled(SMALL, LARGE, name="sub/b.jpg"), labeled(name="c.jpg")]
    write_class_maps(images, tmp_path, ["small"])
    assert json.loads((tmp_path / "classes.json").read_text()) == {"1": "small", "2": "large"}
    assert pixels(tmp_path / "a.png")[0, 0] == 2
    assert pixels(tmp_path / "sub" / "b.png")[1, 1] == 1
    assert pixels(tmp_path / "c.png").max() == 0


def test_images_that_differ_in_their_suffix_only_keep_it(tmp_path: Path) -> None:
    names = ["a.jpg", "A.png", "/abs/../a.jpg"]
    write_class_maps([labeled(name=name) for name in names], tmp_path)
    written = {str(path.relative_to(tmp_path)) for path in tmp_path.rglob("*.png")}
    assert written == {"a.png", "A.png.png", "abs/a.png"}


@pytest.mark.parametrize("data", [b"", b"no png", png.png_from_mask(Mask.empty(SIZE))[:40]])
def test_a_broken_png_is_an_invalid_mask(data: bytes) -> None:
    with pytest.raises(InvalidMask, match="no PNG that can be read"):
        png.mask_from_png(data)


def test_a_photo_is_no_mask() -> None:
    photo = png.png_from_picture(PIL.Image.new("RGB", (2, 2)))
    with pytest.raises(InvalidMask, match=r"has colors \(RGB\)"):
        png.mask_from_png(photo)


@pytest.mark.parametrize(
    ("label", "number", "rgb"),
    [
        ("wall", 1, (120, 120, 120)),
        ("Building", 2, (180, 120, 120)),
        ("building, edifice", 2, (180, 120, 120)),
        ("window", 9, (230, 230, 230)),
        ("bed ", 8, (204, 5, 255)),
        ("screen", 131, (0, 204, 255)),
        ("screen door, screen", 59, (0, 173, 255)),
        ("stool", 111, (0, 214, 255)),
        ("flag", 150, (92, 0, 255)),
        ("unicorn", 0, (0, 0, 0)),
    ],
)
def test_ade20ks_classes_have_the_colors_that_controlnet_expects(
    label: str, number: int, rgb: tuple[int, int, int]
) -> None:
    (make,) = ade20k_files(labeled(block(label, slice(0, 2), slice(0, 2))), "a").values()
    picture = opened(make())
    assert picture.mode == "P"
    assert np.asarray(picture)[0, 0] == number
    assert picture.convert("RGB").getpixel((1, 1)) == rgb
    assert picture.convert("RGB").getpixel((5, 3)) == (0, 0, 0)


def test_what_is_no_class_of_ade20k_hides_none() -> None:
    wall = block("wall", slice(0, 3), slice(0, 4))
    index = ade20k_map(labeled(wall, block("unicorn", slice(1, 2), slice(1, 3))))
    assert Mask.from_array(index == 1) == wall.mask


def test_ade20k_has_150_classes_and_two_of_one_color() -> None:
    colors = [tuple(ade20k_palette()[at : at + 3]) for at in range(0, 3 * 151, 3)]
    assert len(colors) == 151
    assert len(set(colors)) == 150
    assert colors[ade20k_number("road")] == colors[ade20k_number("skyscraper")]


def test_a_map_names_its_image_where_nobody_else_does(tmp_path: Path) -> None:
    write_class_maps([labeled(LARGE), labeled(name="sub/b.jpg")], tmp_path)
    read = list(read_class_maps(tmp_path))
    assert [(one.image.name, one.image.size_hw) for one in read] == [("a", SIZE), ("sub/b", SIZE)]
    assert [one.annotations for one in read] == [(LARGE,), ()]


def test_images_that_differ_in_their_suffix_only_are_told_apart(tmp_path: Path) -> None:
    images = [labeled(LARGE, name="a.jpg"), labeled(SMALL, name="a.png")]
    write_class_maps(images, tmp_path)
    read = list(read_class_maps(tmp_path, [one.image for one in images]))
    assert [(one.image, one.annotations) for one in read] == [
        (one.image, one.annotations) for one in images
    ]


def test_a_map_of_another_size_than_its_image_is_refused(tmp_path: Path) -> None:
    write_class_maps([labeled(LARGE)], tmp_path)
    with pytest.raises(InvalidMask, match=r"a\.png' has 6 x 4 pixels.*its image has 9 x 9"):
        list(read_class_maps(tmp_path, [Image(name="a.jpg", size_hw=(9, 9))]))


def test_a_class_without_a_name_is_refused(tmp_path: Path) -> None:
    write_class_maps([labeled(LARGE, SMALL)], tmp_path)
    (tmp_path / "classes.json").write_text('{"1": "large"}')
    with pytest.raises(InvalidMask, match=r"'a' has pixels of class 2, which classes\.json"):
        list(read_class_maps(tmp_path))
    (tmp_path / "classes.json").write_text("[]")
    with pytest.raises(InvalidMask, match=r"classes\.json' can't be read"):
        list(read_class_maps(tmp_path))


def test_a_number_beyond_ade20ks_classes_is_refused(tmp_path: Path) -> None:
    (tmp_path / "a.png").write_bytes(png.png_from_gray(np.full(SIZE, 151, np.uint8)))
    with pytest.raises(InvalidMask, match="has the number 151, but ADE20K has 150 classes"):
        list(read_ade20k(tmp_path))


def test_masks_are_read_in_the_order_of_their_objects(tmp_path: Path) -> None:
    for number in (10, 9, 2):
        mask = SMALL.mask if number == 9 else LARGE.mask
        assert mask is not None
        (tmp_path / f"a_b_{number}.png").write_bytes(png.png_from_mask(mask))
    (tmp_path / "no number.png").write_bytes(b"")
    (read,) = read_masks(tmp_path)
    assert (read.image.name, read.image.size_hw) == ("a_b", SIZE)
    assert [found.mask for found in read.annotations] == [LARGE.mask, SMALL.mask, LARGE.mask]
    with pytest.raises(InvalidMask, match="different sizes"):
        list(read_masks(tmp_path, [Image(name="a_b.jpg", size_hw=(9, 9))]))


def pixels(path: Path) -> NDArray[np.uint8]:
    return np.asarray(PIL.Image.open(path))
