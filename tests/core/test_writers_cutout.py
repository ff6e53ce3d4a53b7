"""Cut-outs and backgrounds: the object keeps its pixels, the rest is gone, there is no halo."""

from __future__ import annotations

import io
from collections.abc import Callable

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation, Labeled
from premask.errors import InvalidMask
from premask.images import Image, Rgb
from premask.labels.cutout import cutout, cutout_files, on_blur, on_color, on_gray
from premask.masks import Alpha, Mask, Matte

SIZE = (40, 60)
RED, BLUE = np.array([220, 30, 20]), np.array([10, 40, 230])


def noise_image() -> Image:
    rgb = np.random.default_rng(5).integers(0, 256, (*SIZE, 3)).astype(np.uint8)
    return Image.from_rgb(rgb, name="a.jpg")


def disc(radius: float = 12) -> Annotation:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    mask = Mask.from_array(np.hypot(rows - 15, columns - 20) < radius)
    return Annotation(label="disc", box_xyxy=mask.box_xyxy, mask=mask)


def soft_disc() -> tuple[Annotation, Alpha]:
    rows, columns = np.mgrid[: SIZE[0], : SIZE[1]]
    distance = np.hypot(rows - 18, columns - 28)
    alpha = np.clip(255 * (16 - distance) / 10, 0, 255).astype(np.uint8)
    matte = Matte.from_array(alpha)
    mask = matte.mask()
    return Annotation(label="soft", box_xyxy=mask.box_xyxy, mask=mask, matte=matte), alpha


def red_on_blue(alpha: Alpha) -> Rgb:
    share = alpha[..., None] / 255
    return np.round(RED * share + BLUE * (1 - share)).astype(np.uint8)


def pixels_of(annotation: Annotation) -> np.ndarray[tuple[int, ...], np.dtype[np.bool_]]:
    assert annotation.mask is not None
    return annotation.mask.to_array()


def test_a_hard_cutout_is_the_object_on_its_box() -> None:
    image, found = noise_image(), disc()
    inside = pixels_of(found)[4:27, 9:32]
    rgba = cutout(image.rgb, found)
    assert rgba.shape == (23, 23, 4)
    np.testing.assert_array_equal(rgba[..., 3], inside * 255)
    np.testing.assert_array_equal(rgba[..., :3], image.rgb[4:27, 9:32] * inside[..., None])


def test_padding_stops_at_the_edge_of_the_image() -> None:
    image, found = noise_image(), disc()
    rgba = cutout(image.rgb, found, padding=7)
    np.testing.assert_array_equal(rgba[..., 3], pixels_of(found)[0:34, 2:39] * 255)


def test_a_full_size_cutout_stays_where_the_object_is() -> None:
    image, found = noise_image(), disc()
    rgba = cutout(image.rgb, found, full_size=True)
    np.testing.assert_array_equal(rgba[..., 3], pixels_of(found) * 255)


def test_a_soft_cutout_keeps_its_alpha_and_loses_the_background() -> None:
    found, alpha = soft_disc()
    rgb = red_on_blue(alpha)
    rgba = cutout(rgb, found, full_size=True).astype(int)
    edge = (alpha > 60) & (alpha < 200)
    np.testing.assert_array_equal(rgba[..., 3], alpha)
    np.testing.assert_array_equal(rgba[alpha == 255, :3], rgb[alpha == 255])
    halo_before = np.abs(rgb.astype(int)[edge] - RED).mean()
    assert np.abs(rgba[edge, :3] - RED).mean() < 0.2 * halo_before


def test_what_is_cut_away_is_not_in_the_file() -> None:
    found, alpha = soft_disc()
    rgba = cutout(noise_image().rgb, found, full_size=True)
    assert (rgba[alpha == 0] == 0).all()
    assert (rgba[alpha > 0] > 0).any()


def test_a_box_can_not_be_cut_out() -> None:
    with pytest.raises(InvalidMask, match=r"'box'.*only a box.*recipe"):
        cutout(noise_image().rgb, Annotation(label="box", box_xyxy=(0, 0, 5, 5)))


def test_files_are_numbered_like_the_annotations() -> None:
    box = Annotation(label="box", box_xyxy=(0, 0, 5, 5))
    empty = Annotation(label="empty", box_xyxy=(0, 0, 5, 5), mask=Mask.empty(SIZE))
    files = cutout_files(Labeled(image=noise_image(), annotations=(box, empty, disc())), "a")
    assert list(files) == ["a_2.png"]
    with PIL.Image.open(io.BytesIO(files["a_2.png"]())) as picture:
        assert (picture.mode, picture.size) == ("RGBA", (23, 23))


def test_the_names_of_the_files_need_no_pixels() -> None:
    image = Image(name="a.jpg", size_hw=SIZE)
    assert list(cutout_files(Labeled(image=image, annotations=(disc(),)), "a")) == ["a_0.png"]


@pytest.mark.parametrize("background", [on_color, on_blur, on_gray])
def test_objects_stay_untouched(background: Callable[[Labeled], Rgb]) -> None:
    image, found = noise_image(), disc()
    inside = pixels_of(found)
    result = background(Labeled(image=image, annotations=(found,)))
    np.testing.assert_array_equal(result[inside], image.rgb[inside])
    assert (result[~inside] != image.rgb[~inside]).any(axis=-1).mean() > 0.95


def test_the_background_is_the_color_and_edges_have_no_halo() -> None:
    found, alpha = soft_disc()
    image = Image.from_rgb(red_on_blue(alpha), name="a")
    result = on_color(Labeled(image=image, annotations=(found,)), (250, 200, 0))
    share = alpha[..., None] / 255
    wanted = RED * share + np.array([250, 200, 0]) * (1 - share)
    assert (result[alpha == 0] == (250, 200, 0)).all()
    assert np.abs(result - wanted)[(alpha > 0) & (alpha < 255)].mean() < 6


def test_a_gray_background_has_the_brightness_of_the_photo() -> None:
    image = noise_image()
    result = on_gray(Labeled(image=image, annotations=()))
    wanted = image.rgb @ np.array([0.299, 0.587, 0.114])
    assert np.abs(result - wanted[..., None]).max() <= 1


def test_a_blurred_background_is_smooth() -> None:
    image = noise_image()
    result = on_blur(Labeled(image=image, annotations=(disc(4),)))
    outside = ~pixels_of(disc(8))
    assert result[outside].std() < 0.4 * image.rgb[outside].std()
    assert abs(result[outside].mean() - image.rgb[outside].mean()) < 3


def test_objects_do_not_bleed_into_the_blurred_background() -> None:
    found = disc()
    white_on_black = np.repeat(pixels_of(found)[..., None] * np.uint8(255), 3, axis=-1)
    image = Image.from_rgb(white_on_black, name="a")
    result = on_blur(Labeled(image=image, annotations=(found,)))
    np.testing.assert_array_equal(result, white_on_black)


def test_half_covered_pixels_are_half_and_half() -> None:
    matte = Matte.from_array(np.full((1, 2), 51, np.uint8))
    half = Annotation(label="a", box_xyxy=(0, 0, 2, 1), mask=matte.mask(), matte=matte)
    image = Image.from_rgb(np.array([[[255, 0, 0], [10, 20, 30]]], np.uint8), name="a")
    gray = np.asarray(PIL.Image.fromarray(image.rgb).convert("L")).astype(float)[..., None]
    result = on_gray(Labeled(image=image, annotations=(half,)))
    np.testing.assert_array_equal(result, np.round(0.2 * image.rgb + 0.8 * gray))
