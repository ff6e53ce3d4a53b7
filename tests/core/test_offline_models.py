from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import skimage.data
from numpy.typing import NDArray

from premask.errors import MissingDependency, MissingWeights, UnsupportedPrompt
from premask.images import Image, read_image
from premask.masks import HALF, Mask
from premask.models.families import closed_form
from premask.models.families.closed_form import ClosedFormMatter
from premask.models.families.grabcut import GrabcutSegmenter
from premask.models.families.haar import HaarFinder
from premask.models.families.u2net import U2netMatter
from premask.models.options import ClosedFormOptions, GrabcutOptions, HaarOptions, NoOptions
from premask.models.parts import trimap
from premask.prompts import Hint, Point, Prompts

FACE = (177, 66, 274, 163)
GRAY = (128, 128, 128)
ODD_SIZES = [(1, 1), (1, 500), (500, 1), (2, 2), (3000, 4), (7, 5)]


@pytest.fixture(scope="session")
def haar() -> HaarFinder:
    return HaarFinder(weights=None, device="cpu")


@pytest.fixture(scope="session")
def grabcut() -> GrabcutSegmenter:
    return GrabcutSegmenter(weights=None, device="cpu")


@pytest.fixture(scope="session")
def u2net(u2netp_weights: Path) -> U2netMatter:
    return U2netMatter(weights=u2netp_weights, device="cpu")


@pytest.fixture(scope="session")
def closed() -> ClosedFormMatter:
    return ClosedFormMatter(weights=None, device="cpu")


@pytest.fixture(scope="session")
def woman(astronaut: NDArray[np.uint8]) -> Image:
    return read_image(astronaut)


@pytest.fixture(scope="session")
def coffee() -> Image:
    return read_image(skimage.data.coffee())


def plain(size_hw: tuple[int, int], color: tuple[int, int, int] = GRAY) -> Image:
    return read_image(np.full((*size_hw, 3), color, np.uint8))


def noise(size_hw: tuple[int, int]) -> Image:
    return read_image(np.random.default_rng(0).integers(0, 256, (*size_hw, 3), dtype=np.uint8))


def disc(size: int = 120, radius: float = 30, softness: float = 1) -> NDArray[np.float64]:
    """Alpha 0 to 1 of a disc in the middle, with an edge of `softness` pixels."""
    rows, columns = np.mgrid[:size, :size] + 0.5
    away = np.hypot(rows - size / 2, columns - size / 2)
    return np.asarray(np.clip((radius - away) / softness + 0.5, 0, 1))


def painted(alpha: NDArray[np.float64]) -> Image:
    """Red on a green that varies a little, so that there are colors to learn."""
    spread = np.random.default_rng(0).integers(-12, 12, (*alpha.shape, 3))
    weight = alpha[..., np.newaxis]
    rgb = weight * (200, 40, 30) + (1 - weight) * (40, 140, 60) + spread
    return read_image(np.clip(np.rint(rgb), 0, 255).astype(np.uint8))


def cut(model: GrabcutSegmenter, image: Image, **hint: Any) -> Mask:
    hints = [[Hint(label="", **hint)]]
    ((outline,),) = model.segment(model.embed([image]), hints, GrabcutOptions())
    assert outline.score is None
    return outline.mask


def overlap(box: Any, other: tuple[int, int, int, int]) -> float:
    size_hw = (2000, 2000)
    boxes = [tuple(round(side) for side in sides) for sides in (box, other)]
    first, second = (
        Mask.from_crop(np.ones((y1 - y0, x1 - x0), np.bool_), (x0, y0), size_hw)
        for x0, y0, x1, y1 in boxes
    )
    return first.iou(second)


# --- haar


def test_haar_finds_the_face_and_gives_no_score(haar: HaarFinder, woman: Image) -> None:
    ((face,),) = haar.find([woman], [Prompts()], HaarOptions())
    assert face.box_xyxy is not None
    assert overlap(face.box_xyxy, FACE) > 0.9
    assert (face.label, face.score) == ("face", None)


def test_haar_finds_no_face_where_there_is_none(haar: HaarFinder) -> None:
    photos = [skimage.data.coffee(), skimage.data.chelsea(), skimage.data.rocket()]
    images = [read_image(photo) for photo in photos]
    assert haar.find(images, [Prompts()] * 3, HaarOptions()) == [[], [], []]


def test_haar_maps_boxes_of_a_shrunk_image_back(haar: HaarFinder, woman: Image) -> None:
    large = cv2.resize(woman.rgb, (2048, 2048), interpolation=cv2.INTER_CUBIC)
    beside = np.full((2048, 3000, 3), 128, np.uint8)
    beside[:, 952:] = large
    ((face,),) = haar.find([read_image(beside)], [Prompts()], HaarOptions())
    assert face.box_xyxy is not None
    x0, y0, x1, y1 = face.box_xyxy
    assert overlap(((x0 - 952) / 4, y0 / 4, (x1 - 952) / 4, y1 / 4), FACE) > 0.9


def test_haar_hands_out_the_largest_face_first(haar: HaarFinder, woman: Image) -> None:
    half = cv2.resize(woman.rgb, (256, 256), interpolation=cv2.INTER_AREA)
    canvas = np.full((512, 800, 3), 255, np.uint8)
    canvas[:256, :256], canvas[:, 288:] = half, woman.rgb
    small_first = haar.find([read_image(canvas)], [Prompts()], HaarOptions())[0]
    widths = [face.box_xyxy[2] - face.box_xyxy[0] for face in small_first if face.box_xyxy]
    assert len(widths) == 2
    assert widths[0] > widths[1]


def test_haar_obeys_its_smallest_face(haar: HaarFinder, woman: Image) -> None:
    assert haar.find([woman], [Prompts()], HaarOptions(min_side=0.5)) == [[]]


def test_haar_says_which_opencv_has_the_cascades(tmp_path: Path) -> None:
    with pytest.raises(MissingDependency, match="opencv-python-headless<5"):
        HaarFinder(weights=tmp_path / "gone.xml", device="cpu")


# --- grabcut


def test_grabcut_finds_the_edge_from_a_box(grabcut: GrabcutSegmenter) -> None:
    truth = Mask.from_array(disc() >= 0.5)
    assert cut(grabcut, painted(disc()), box_xyxy=(20, 20, 100, 100)).iou(truth) > 0.98


def test_grabcut_finds_the_edge_from_one_click(grabcut: GrabcutSegmenter) -> None:
    truth = Mask.from_array(disc() >= 0.5)
    assert cut(grabcut, painted(disc()), points=(Point(x=50, y=62),)).iou(truth) > 0.98


def test_grabcut_finds_the_edge_from_a_rough_mask(grabcut: GrabcutSegmenter) -> None:
    truth = Mask.from_array(disc() >= 0.5)
    rough = Mask.from_array(disc(radius=38) >= 0.5)
    assert rough.iou(truth) < 0.7
    assert cut(grabcut, painted(disc()), mask=rough).iou(truth) > 0.98


def test_grabcut_cuts_a_real_photo(grabcut: GrabcutSegmenter, coffee: Image) -> None:
    mask = cut(grabcut, coffee, box_xyxy=(70, 15, 485, 395))
    rows, columns = np.mgrid[:400, :600]
    cup_and_saucer = ((rows - 207) / 185) ** 2 + ((columns - 278) / 202) ** 2 < 1
    assert mask.iou(Mask.from_array(cup_and_saucer)) > 0.85


def test_grabcut_keeps_the_part_that_was_clicked(grabcut: GrabcutSegmenter) -> None:
    near = np.roll(disc(radius=4), (0, 40), axis=(0, 1))
    mask = cut(grabcut, painted(disc() + near), points=(Point(x=60, y=60),))
    assert mask.iou(Mask.from_array(disc() >= 0.5)) > 0.98
    assert not mask.to_array()[60, 100]


def test_grabcut_enlarges_without_a_shift(grabcut: GrabcutSegmenter) -> None:
    alpha = disc(1200, 300, softness=3)
    mask = cut(grabcut, painted(alpha), box_xyxy=(200, 200, 1000, 1000))
    x0, y0, x1, y1 = mask.box_xyxy
    assert abs((x0 + x1) / 2 - 600) <= 1.5
    assert abs((y0 + y1) / 2 - 600) <= 1.5
    assert mask.iou(Mask.from_array(alpha >= 0.5)) > 0.98


@pytest.mark.parametrize("size", [120, 900])
def test_grabcut_obeys_each_click_to_the_pixel(grabcut: GrabcutSegmenter, size: int) -> None:
    middle = size // 2
    beside_the_box = Point(x=3.7, y=5)
    on_the_object = Point(x=middle - size // 8, y=middle)
    not_wanted = Point(x=middle, y=middle, positive=False)
    next_to_it = Point(x=middle + 1, y=middle)
    mask = cut(
        grabcut,
        painted(disc(size, size / 4)),
        points=(beside_the_box, on_the_object, not_wanted, next_to_it),
        box_xyxy=(10, 10, size - 10, size - 10),
    ).to_array()
    assert mask[5, 3]
    assert mask[middle, middle - size // 8]
    assert mask[middle, middle : middle + 2].tolist() == [False, True]


def test_grabcut_takes_a_click_for_more_than_its_pixel(grabcut: GrabcutSegmenter) -> None:
    points = (Point(x=50, y=60), Point(x=65, y=60, positive=False))
    mask = cut(grabcut, painted(disc()), points=points, box_xyxy=(20, 20, 100, 100)).to_array()
    assert not mask[59:62, 64:67].any()


def test_grabcut_finds_the_object_in_a_box_around_everything(grabcut: GrabcutSegmenter) -> None:
    mask = cut(grabcut, painted(disc()), box_xyxy=(0, 0, 120, 120))
    assert mask.iou(Mask.from_array(disc() >= 0.5)) > 0.98


def test_grabcut_trusts_the_core_of_a_rough_mask(grabcut: GrabcutSegmenter) -> None:
    hole_of_background = disc() - disc(radius=8)
    rough = Mask.from_array(disc() >= 0.5)
    assert cut(grabcut, painted(hole_of_background), mask=rough).to_array()[60, 60]


def test_grabcut_stays_inside_the_box(grabcut: GrabcutSegmenter) -> None:
    mask = cut(grabcut, painted(disc(900, 250)), box_xyxy=(150, 150, 600.5, 760))
    assert mask.box_xyxy[2] == 601
    assert mask.area > 100_000


@pytest.mark.parametrize(
    ("hint", "reason"),
    [
        ({}, "add a positive point, a box or a mask"),
        ({"points": (Point(x=1, y=1, positive=False),)}, "add a positive point"),
        ({"mask": Mask.empty((120, 120))}, "add a positive point"),
        ({"mask": Mask.empty((5, 5))}, "for an image of 5 x 5"),
        ({"box_xyxy": (130, 0, 140, 10)}, "covers no pixel"),
        ({"box_xyxy": (10, 10, 10, 20)}, "covers no pixel"),
        ({"points": (Point(x=121, y=4),)}, "not on the image"),
        ({"points": (Point(x=-1, y=4),)}, "not on the image"),
        ({"points": (Point(x=9.1, y=4), Point(x=9.8, y=4.9, positive=False))}, "same pixel"),
        (
            {"mask": Mask.from_array(np.eye(120)[:, ::-1] * 0 + (np.arange(120) < 9)),
             "box_xyxy": (50, 0, 60, 10)},
            "outside the box",
        ),
    ],
)  # fmt: skip
def test_grabcut_says_what_it_cannot_use(
    grabcut: GrabcutSegmenter, hint: dict[str, Any], reason: str
) -> None:
    with pytest.raises(UnsupportedPrompt, match=reason):
        cut(grabcut, painted(disc()), **hint)


@pytest.mark.parametrize("make", [plain, noise])
@pytest.mark.parametrize("size_hw", [*ODD_SIZES, (60, 80)])
def test_grabcut_answers_degenerate_hints(
    grabcut: GrabcutSegmenter, size_hw: tuple[int, int], make: Callable[..., Image]
) -> None:
    height, width = size_hw
    corner, everything = Point(x=width, y=height), (0, 0, width, height)
    hints: list[dict[str, Any]] = [
        {"box_xyxy": everything},
        {"box_xyxy": (-50, -50, width + 50, height + 50)},
        {"box_xyxy": (width - 1, height - 1, width, height)},
        {"box_xyxy": everything, "points": (corner, Point(x=0, y=0, positive=height + width < 3))},
        {"points": (Point(x=0, y=0),)},
        {"points": (corner,)},
        {"mask": Mask.empty(size_hw).inverted()},
        {"mask": Mask.from_crop(np.ones((1, 1), np.bool_), (0, 0), size_hw)},
    ]
    for hint in hints:
        mask = cut(grabcut, make(size_hw), **hint)
        assert mask.size_hw == size_hw
        assert all(
            mask.to_array()[min(height - 1, int(point.y)), min(width - 1, int(point.x))]
            == point.positive
            for point in hint.get("points", ())
        )


def test_grabcut_leaves_the_image_alone(grabcut: GrabcutSegmenter, woman: Image) -> None:
    frozen = woman.rgb.copy()
    frozen.setflags(write=False)
    cut(grabcut, Image.from_rgb(frozen, name="frozen"), box_xyxy=(110, 80, 320, 512))
    assert np.array_equal(frozen, woman.rgb)


# --- u2net


def test_u2net_finds_one_subject_and_gives_no_score(u2net: U2netMatter, coffee: Image) -> None:
    ((subject,),) = u2net.find([coffee], [Prompts()], NoOptions())
    assert subject.mask is not None
    assert overlap(subject.box_xyxy, (76, 18, 480, 391)) > 0.95
    assert subject.box_xyxy == subject.mask.box_xyxy
    assert (subject.label, subject.score) == ("subject", None)


def test_u2net_mask_is_the_matte_at_half(u2net: U2netMatter, woman: Image) -> None:
    ((subject,),) = u2net.find([woman], [Prompts()], NoOptions())
    (alpha,) = u2net.matte([woman], [None], NoOptions())
    assert subject.mask == Mask.from_array(alpha >= HALF)
    assert len(np.unique(alpha)) > 100


@pytest.mark.parametrize("color", [GRAY, (0, 0, 0), (255, 255, 255), (10, 50, 200)])
def test_u2net_invents_no_subject(u2net: U2netMatter, color: tuple[int, int, int]) -> None:
    image = plain((300, 400), color)
    assert u2net.find([image], [Prompts()], NoOptions()) == [[]]
    assert not u2net.matte([image], [None], NoOptions())[0].any()


def test_u2net_draws_no_stairs(u2net: U2netMatter, coffee: Image) -> None:
    large = read_image(cv2.resize(coffee.rgb, (2400, 1600), interpolation=cv2.INTER_CUBIC))
    (alpha,) = u2net.matte([large], [None], NoOptions())
    soft = (alpha[:, 1:] > 20) & (alpha[:, 1:] < 235)
    assert np.count_nonzero(np.diff(alpha.astype(int))[soft]) > 0.7 * soft.sum()


def test_u2net_sees_a_masked_object_closely(u2net: U2netMatter, coffee: Image) -> None:
    canvas = np.full((1500, 1500, 3), 128, np.uint8)
    canvas[1000:1400, 800:1400] = coffee.rgb
    mask = Mask.from_crop(np.ones((380, 410), np.bool_), (873, 1015), (1500, 1500))
    (alpha,) = u2net.matte([read_image(canvas)], [mask], NoOptions())
    (alone,) = u2net.matte([coffee], [None], NoOptions())
    difference = alpha[1000:1400, 800:1400].astype(int) - alone
    assert alpha.shape == (1500, 1500)
    assert np.abs(difference).mean() < 8
    assert not alpha[:900].any()


def test_u2net_mattes_nothing_for_an_empty_mask(u2net: U2netMatter, coffee: Image) -> None:
    (alpha,) = u2net.matte([coffee], [Mask.empty((400, 600))], NoOptions())
    assert alpha.shape == (400, 600)
    assert not alpha.any()


def test_u2net_says_how_to_get_its_weights() -> None:
    with pytest.raises(MissingWeights, match="premask models download u2netp"):
        U2netMatter(weights=None, device="cpu")


# --- closed form


def test_closed_form_recovers_a_soft_edge(closed: ClosedFormMatter) -> None:
    truth = disc(160, 45, softness=6)
    rough = Mask.from_array(truth >= 0.5)
    (alpha,) = closed.matte([painted(truth)], [rough], ClosedFormOptions(band=0.08))
    error = np.abs(alpha / 255 - truth).sum()
    assert error < 0.4 * np.abs(rough.to_array() - truth).sum()


def hairy_head() -> tuple[NDArray[np.float64], Image]:
    """A disc with thin hairs on a smooth background, and how opaque each pixel is."""
    random, fine = np.random.default_rng(0), 4
    y, x = np.mgrid[: 160 * fine, : 160 * fine] / fine
    away, turn = np.hypot(x - 80, y - 80), np.arctan2(y - 80, x - 80)
    opaque = away < 35
    for _ in range(25):
        angle, length = random.uniform(0, 2 * np.pi), random.uniform(12, 35)
        beside = np.abs(np.angle(np.exp(1j * (turn - angle)))) * away
        opaque |= (beside < 0.35) & (away >= 33) & (away < 35 + length)
    alpha = opaque.reshape(160, fine, 160, fine).mean(axis=(1, 3))
    rows, columns = np.mgrid[:160, :160]
    background = np.stack([120 + 60 * np.sin(columns / 20), 150 + rows / 4, 200 - columns / 4], -1)
    hair = np.array([60.0, 35, 20]) + random.normal(0, 8, (160, 160, 3))
    rgb = alpha[..., np.newaxis] * hair + (1 - alpha[..., np.newaxis]) * background
    rgb += random.normal(0, 3, rgb.shape)
    return alpha, read_image(rgb.clip(0, 255).astype(np.uint8))


@pytest.mark.parametrize(("band", "most"), [(1.2, 1.0), (4, 1.0), (10, 1.15), (20, 1.15)])
def test_closed_form_does_not_get_lost_in_thin_hair(
    closed: ClosedFormMatter, band: float, most: float
) -> None:
    truth, image = hairy_head()
    mask = Mask.from_array(truth >= 0.5)
    (alpha,) = closed.matte([image], [mask], ClosedFormOptions(band_pixels=band))
    error = np.abs(alpha / 255 - truth).sum()
    assert error < most * np.abs(mask.to_array() - truth).sum()


def test_closed_form_moves_a_misplaced_edge(closed: ClosedFormMatter) -> None:
    truth = disc(160, 45)
    wrong = Mask.from_array(disc(160, 48) >= 0.5)
    (alpha,) = closed.matte([painted(truth)], [wrong], ClosedFormOptions(band=0.08))
    assert Mask.from_array(alpha >= HALF).iou(Mask.from_array(truth >= 0.5)) > 0.98


@pytest.mark.parametrize("size", [160, 2200])
def test_closed_form_keeps_what_is_known(closed: ClosedFormMatter, size: int) -> None:
    mask = Mask.from_array(disc(size, size / 4) >= 0.5)
    (alpha,) = closed.matte([noise((size, size))], [mask], ClosedFormOptions(band=0.05))
    slack = 0.05 * mask.area**0.5 + 8
    assert np.all(alpha[disc(size, size / 4 - slack) == 1] == 255)
    assert np.all(alpha[disc(size, size / 4 + slack) == 0] == 0)
    assert len(np.unique(alpha)) > 20


def test_closed_form_keeps_each_part_and_each_hole(closed: ClosedFormMatter) -> None:
    pixels = disc(200, 60) >= 0.5
    pixels[100, 100] = False
    pixels[5, 5] = True
    (alpha,) = closed.matte(
        [noise((200, 200))], [Mask.from_array(pixels)], ClosedFormOptions(band=0.2)
    )
    assert (alpha[100, 100], alpha[5, 5]) == (0, 255)


def test_closed_form_keeps_an_object_that_the_image_cuts_off(closed: ClosedFormMatter) -> None:
    pixels = np.zeros((90, 120), np.bool_)
    pixels[40:, :] = True
    image = painted(pixels.astype(float))
    (alpha,) = closed.matte([image], [Mask.from_array(pixels)], ClosedFormOptions())
    assert np.all(alpha[60:] == 255)
    (everything,) = closed.matte([image], [Mask.empty((90, 120)).inverted()], ClosedFormOptions())
    assert np.all(everything == 255)


@pytest.mark.parametrize("side", [2, 3, 7])
def test_closed_form_in_blocks_is_close_to_the_full_solution(
    side: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    truth = disc(301, 80, softness=12)
    image, mask = painted(truth), truth >= 0.5
    full = closed_form._soft_edge(image.rgb, mask, 10.0)
    monkeypatch.setattr(closed_form, "_block_side", lambda mask, radius: side)
    blocks = closed_form._soft_edge(image.rgb, mask, 10.0)
    assert not np.array_equal(blocks, full)
    assert np.abs(blocks - truth).sum() < 1.5 * np.abs(full - truth).sum()


def test_closed_form_takes_blocks_for_large_objects_only() -> None:
    small, large = disc(400, 100) >= 0.5, disc(2200, 550) >= 0.5
    thick = closed_form._block_side(small, 400)
    assert (closed_form._block_side(small, 5), thick) == (1, 3)
    assert closed_form._block_side(large, 5) == 2


def test_closed_form_never_loses_hairlines(
    closed: ClosedFormMatter, monkeypatch: pytest.MonkeyPatch
) -> None:
    line = Mask.from_array(np.eye(90))
    monkeypatch.setattr(closed_form, "_block_side", lambda mask, radius: 4)
    (alpha,) = closed.matte([noise((90, 90))], [line], ClosedFormOptions())
    assert np.array_equal(alpha, np.eye(90, dtype=np.uint8) * 255)


def test_closed_form_is_levins(monkeypatch: pytest.MonkeyPatch) -> None:
    """The Laplacian, entry by entry, against the formula of the paper."""
    rgb = np.random.default_rng(0).random((5, 6, 3))
    unknown = np.ones((5, 6), np.bool_)
    numbers = np.arange(30)
    weights, neighbors = closed_form._laplacian(rgb, unknown, numbers)
    found = np.zeros((30, 30))
    np.add.at(found, (np.arange(30)[:, np.newaxis], neighbors), weights)
    assert np.allclose(found, paper_laplacian(rgb), atol=1e-9)


def paper_laplacian(rgb: NDArray[np.float64]) -> NDArray[np.float64]:
    height, width = rgb.shape[:2]
    laplacian = np.zeros((height * width, height * width))
    for y in range(1, height - 1):
        for x in range(1, width - 1):
            window = [(y + dy) * width + x + dx for dy in (-1, 0, 1) for dx in (-1, 0, 1)]
            colors = rgb.reshape(-1, 3)[window]
            off = colors - colors.mean(axis=0)
            spread = np.cov(colors.T, bias=True) + closed_form.EPSILON / 9 * np.eye(3)
            alike = off @ np.linalg.inv(spread) @ off.T
            laplacian[np.ix_(window, window)] += np.eye(9) - (1 + alike) / 9
    return laplacian


def test_closed_form_needs_a_mask(closed: ClosedFormMatter, woman: Image) -> None:
    with pytest.raises(UnsupportedPrompt, match="subject-cutout"):
        closed.matte([woman], [None], ClosedFormOptions())


# --- trimap


def test_core_is_an_exact_distance() -> None:
    square = np.zeros((21, 21), np.bool_)
    square[5:16, 5:16] = True
    expected = np.zeros_like(square)
    expected[7:14, 7:14] = True
    assert np.array_equal(trimap.core(square, 2), expected)


def test_core_keeps_something_of_each_part() -> None:
    pixels = np.zeros((30, 30), np.bool_)
    pixels[2, 2] = pixels[10:20, 10:20] = pixels[25, 3:28] = True
    kept = trimap.core(pixels, 50)
    assert kept[2, 2]
    assert kept[14, 14]
    assert kept[25].any()
    assert not kept[10, 10]


def test_core_of_everything_is_everything() -> None:
    assert trimap.core(np.ones((9, 12), np.bool_), 50).all()


def test_a_click_reaches_as_far_as_its_color() -> None:
    colors = np.zeros((20, 40, 3))
    colors[5:15, 5:15] = 50
    region = trimap.nearer_by_color(colors, np.array([[10, 10]]), np.zeros((0, 2), np.int64))
    assert np.array_equal(region, colors[..., 0] == 50)


def test_a_click_reaches_to_half_way_from_its_opposite() -> None:
    colors = np.zeros((41, 41, 3))
    region = trimap.nearer_by_color(colors, np.array([[20, 20]]), np.array([[20, 24]]))
    assert region[20, 18:26].tolist() == [True] * 4 + [False] * 4


# --- all of them

Call = Callable[[list[Image]], list[Any]]


@pytest.fixture(scope="session")
def calls(
    haar: HaarFinder, grabcut: GrabcutSegmenter, u2net: U2netMatter, closed: ClosedFormMatter
) -> dict[str, Call]:
    """What each model makes of any images: masks, alphas or boxes."""

    def middle(image: Image) -> Mask:
        height, width = image.size_hw
        pixels = np.zeros((height, width), np.bool_)
        pixels[height // 4 : height // 4 * 3 + 1, width // 4 : width // 4 * 3 + 1] = True
        return Mask.from_array(pixels)

    def outlined(images: list[Image]) -> list[Any]:
        hints = [[Hint(label="", mask=middle(image))] for image in images]
        return list(grabcut.segment(grabcut.embed(images), hints, GrabcutOptions()))

    def masks(images: list[Image]) -> list[Mask | None]:
        return [middle(image) for image in images]

    return {
        "haar": lambda images: haar.find(images, [Prompts()] * len(images), HaarOptions()),
        "grabcut": outlined,
        "u2net finds": lambda images: u2net.find(images, [Prompts()] * len(images), NoOptions()),
        "u2net mattes": lambda images: [
            alpha.tobytes() for alpha in u2net.matte(images, masks(images), NoOptions())
        ],
        "closed form": lambda images: [
            alpha.tobytes() for alpha in closed.matte(images, masks(images), ClosedFormOptions())
        ],
    }


NAMES = ["haar", "grabcut", "u2net finds", "u2net mattes", "closed form"]


@pytest.mark.parametrize("name", NAMES)
def test_a_batch_is_its_images(
    calls: dict[str, Call], name: str, woman: Image, coffee: Image
) -> None:
    call = calls[name]
    assert call([woman, coffee]) == [*call([woman]), *call([coffee])]
    assert call([]) == []


@pytest.mark.parametrize("name", NAMES)
def test_threads_do_not_mix(calls: dict[str, Call], name: str, woman: Image, coffee: Image) -> None:
    images = [[woman], [coffee]] * 3
    alone = [calls[name](image) for image in images[:2]] * 3
    with ThreadPoolExecutor(4) as threads:
        assert list(threads.map(calls[name], images)) == alone


@pytest.mark.parametrize("name", NAMES)
def test_another_image_is_another_result(calls: dict[str, Call], name: str, woman: Image) -> None:
    flipped = read_image(np.ascontiguousarray(woman.rgb[:, ::-1]))
    assert calls[name]([woman]) != calls[name]([flipped])


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("size_hw", ODD_SIZES)
def test_odd_sizes_do_no_harm(calls: dict[str, Call], name: str, size_hw: tuple[int, int]) -> None:
    (result,) = calls[name]([noise(size_hw)])
    if isinstance(result, bytes):
        assert len(result) == size_hw[0] * size_hw[1]
