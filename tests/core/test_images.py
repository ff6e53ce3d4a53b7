"""Files of all kinds are read upright; broken ones are refused with a reason."""

from __future__ import annotations

import io
import struct
import sys
import zlib
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import PIL.Image
import PIL.ImageCms
import pytest
import skimage.data
import tifffile
from numpy.typing import NDArray

from premask import decoding
from premask.cli import main
from premask.errors import UnreadableImage
from premask.images import SUFFIXES, Image, read_image

RED_AND_BLUE = np.zeros((40, 60, 3), np.uint8)
RED_AND_BLUE[:, :30] = (255, 0, 0)
RED_AND_BLUE[:, 30:] = (0, 0, 255)


def saved(picture: PIL.Image.Image, form: str, **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, form, **options)
    return buffer.getvalue()


def read(data: bytes) -> NDArray[np.uint8]:
    return read_image(data, "file").rgb


@pytest.mark.parametrize("form", ["PNG", "WEBP", "TIFF", "BMP", "GIF"])
def test_lossless_formats_come_back_exactly(form: str) -> None:
    options = {"lossless": True} if form == "WEBP" else {}
    data = saved(PIL.Image.fromarray(RED_AND_BLUE), form, **options)
    assert np.array_equal(read(data), RED_AND_BLUE)


def test_jpeg_comes_back_nearly() -> None:
    data = saved(PIL.Image.fromarray(RED_AND_BLUE), "JPEG", quality=95, subsampling=0)
    assert np.abs(read(data).astype(int) - RED_AND_BLUE).max() < 12


@pytest.mark.parametrize("orientation", range(1, 9))
def test_exif_orientation_is_applied(orientation: int) -> None:
    """The upright picture has red on its left, however the file stores it."""
    upright = PIL.Image.fromarray(RED_AND_BLUE)
    undo = {
        2: PIL.Image.Transpose.FLIP_LEFT_RIGHT,
        3: PIL.Image.Transpose.ROTATE_180,
        4: PIL.Image.Transpose.FLIP_TOP_BOTTOM,
        5: PIL.Image.Transpose.TRANSPOSE,
        6: PIL.Image.Transpose.ROTATE_90,
        7: PIL.Image.Transpose.TRANSVERSE,
        8: PIL.Image.Transpose.ROTATE_270,
    }
    stored = upright.transpose(undo[orientation]) if orientation > 1 else upright
    exif = PIL.Image.Exif()
    exif[0x0112] = orientation
    image = read_image(saved(stored, "PNG", exif=exif), "file")
    assert image.size_hw == (40, 60)
    assert np.array_equal(image.rgb, RED_AND_BLUE)


def test_animations_give_their_first_frame() -> None:
    frames = [PIL.Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
    for form in ("GIF", "PNG", "WEBP"):
        options = {"lossless": True} if form == "WEBP" else {}
        data = saved(frames[0], form, save_all=True, append_images=frames[1:], **options)
        assert tuple(read(data)[0, 0]) == (255, 0, 0), form


@pytest.mark.parametrize(
    ("mode", "color", "expected"),
    [
        ("1", 1, (255, 255, 255)),
        ("L", 100, (100, 100, 100)),
        ("LA", (100, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 255, 255), (0, 0, 255)),
        ("RGBA", (0, 0, 255, 0), (255, 255, 255)),
        ("RGBA", (0, 0, 0, 51), (204, 204, 204)),
        ("I;16", 0x8040, (0x80, 0x80, 0x80)),
    ],
)
def test_modes_become_rgb(mode: str, color: object, expected: tuple[int, int, int]) -> None:
    picture = PIL.Image.new(mode, (5, 4), color)  # type: ignore[arg-type]
    assert tuple(read(saved(picture, "PNG"))[2, 2]) == expected


def test_palette_with_transparency_lies_on_white() -> None:
    picture = PIL.Image.new("P", (4, 4), 0)
    picture.putpalette([0, 0, 0, 255, 0, 0])
    picture.putpixel((1, 1), 1)
    rgb = read(saved(picture, "PNG", transparency=0))
    assert tuple(rgb[0, 0]) == (255, 255, 255)
    assert tuple(rgb[1, 1]) == (255, 0, 0)


def test_cmyk_jpeg_and_tiff() -> None:
    cyan = PIL.Image.new("CMYK", (16, 16), (255, 0, 0, 0))
    for form in ("JPEG", "TIFF"):
        red, green, blue = (int(value) for value in read(saved(cyan, form))[8, 8])
        assert red < 40, form
        assert green > 150, form
        assert blue > 150, form


def test_sixteen_bit_tiff_keeps_its_upper_byte() -> None:
    gray = np.arange(256, dtype=np.uint16).reshape(16, 16) << 8
    rgb = read(saved(PIL.Image.fromarray(gray), "TIFF"))
    assert np.array_equal(rgb[..., 0], gray >> 8)


def bomb(width: int, height: int) -> bytes:
    """A PNG of a few bytes that declares a huge size."""
    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunks = [(b"IHDR", header), (b"IDAT", zlib.compress(b"")), (b"IEND", b"")]
    body = b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        for kind, data in chunks
    )
    return b"\x89PNG\r\n\x1a\n" + body


PNG = saved(PIL.Image.fromarray(RED_AND_BLUE), "PNG")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"", "empty"),
        (b"hello, this is text", "no image"),
        (PNG[: len(PNG) // 2], "broken"),
        (saved(PIL.Image.fromarray(RED_AND_BLUE), "JPEG")[:300], "broken"),
        (bomb(16_500, 16_500), "pixels"),
        (bomb(60_000, 60_000), "pixels"),
        (saved(PIL.Image.fromarray(RED_AND_BLUE), "PPM"), "no image"),
    ],
)
def test_what_can_not_be_read_says_why(data: bytes, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        read_image(data, "the name")
    assert "'the name'" in str(caught.value)


@pytest.mark.filterwarnings("error")
def test_a_large_image_does_not_warn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pillow's own warning would fill the terminal; premask has its own bound."""
    monkeypatch.setattr(PIL.Image, "MAX_IMAGE_PIXELS", 2000)
    assert read_image(PNG, "file").size_hw == (40, 60)


def test_missing_files_and_folders_say_why(tmp_path: Path) -> None:
    with pytest.raises(UnreadableImage, match="no such file"):
        read_image(tmp_path / "none.jpg")
    with pytest.raises(UnreadableImage, match="no file"):
        read_image(tmp_path)


def test_arrays_and_pictures_are_images_too() -> None:
    from_array, again = read_image(RED_AND_BLUE), read_image(RED_AND_BLUE)
    from_picture = read_image(PIL.Image.fromarray(RED_AND_BLUE))
    assert np.array_equal(from_array.rgb, from_picture.rgb)
    assert from_array.digest == again.digest != read_image(RED_AND_BLUE[:, ::-1]).digest
    with pytest.raises(UnreadableImage, match="uint8"):
        read_image(RED_AND_BLUE.astype(float))
    with pytest.raises(UnreadableImage, match="no pixels"):
        read_image(np.zeros((0, 4, 3), np.uint8))


def test_an_image_that_let_its_pixels_go_says_so() -> None:
    with pytest.raises(UnreadableImage, match="not in memory"):
        _ = Image.unread("gone").rgb


def photo_like() -> NDArray[np.uint8]:
    rows, columns = np.mgrid[:64, :64] * 4
    return np.dstack((rows, columns, 255 - rows)).astype(np.uint8)


@pytest.mark.parametrize(
    ("form", "suffix"),
    [("AVIF", ".avif"), ("JPEG2000", ".jp2"), ("JPEG", ".jfif"), ("JPEG", ".jpe")],
)
def test_other_formats_of_photos_are_read_and_picked_up(form: str, suffix: str) -> None:
    data = saved(PIL.Image.fromarray(photo_like()), form, quality=95)
    assert np.abs(read(data).astype(int) - photo_like()).mean() < 6
    assert suffix in SUFFIXES


def test_heic_is_read_with_its_package() -> None:
    heif = pytest.importorskip("pillow_heif", reason="pip install 'premask[heif]'")
    buffer = io.BytesIO()
    heif.from_pillow(PIL.Image.fromarray(photo_like())).save(buffer, quality=95)
    assert np.abs(read(buffer.getvalue()).astype(int) - photo_like()).mean() < 6
    assert ".heic" in SUFFIXES


def test_heic_without_its_package_says_what_it_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    decoding._can_read_heic.cache_clear()
    with pytest.raises(UnreadableImage, match=r"it is HEIC, .* pip install 'premask\[heif\]'"):
        read(b"\0\0\0\x18ftypheic\0\0\0\0mif1heic" + bytes(100))
    decoding._can_read_heic.cache_clear()


def wide_profile() -> bytes:
    """A profile of Adobe RGB (1998): its primaries, and gamma 2.2."""
    lines = [(0.60974, 0.31111, 0.01947), (0.20528, 0.62567, 0.06087), (0.14919, 0.06322, 0.74457)]

    def s15(*numbers: float) -> bytes:
        return b"".join(struct.pack(">i", round(number * 65536)) for number in numbers)

    tags = {
        b"desc": b"desc\0\0\0\0" + struct.pack(">I", 5) + b"wide\0" + bytes(78),
        b"wtpt": b"XYZ \0\0\0\0" + s15(0.9642, 1, 0.8249),
        **{
            name: b"XYZ \0\0\0\0" + s15(*line)
            for name, line in zip((b"rXYZ", b"gXYZ", b"bXYZ"), lines, strict=True)
        },
        **{
            name: b"curv\0\0\0\0" + struct.pack(">IH", 1, round(2.19921875 * 256)) + b"\0\0"
            for name in (b"rTRC", b"gTRC", b"bTRC")
        },
    }
    table, body = struct.pack(">I", len(tags)), b""
    start = 128 + 4 + 12 * len(tags)
    for name, content in tags.items():
        content += bytes(-len(content) % 4)
        table += name + struct.pack(">II", start + len(body), len(content))
        body += content
    size = start + len(body)
    head = struct.pack(">I4xI4s4s4s12x4s", size, 0x02100000, b"mntr", b"RGB ", b"XYZ ", b"acsp")
    head = head.ljust(68, b"\0") + s15(0.9642, 1, 0.8249)
    return head.ljust(128, b"\0") + table + body


def in_srgb_by_hand(wide: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Adobe RGB (1998) -> sRGB by the matrices of their standards, both with D65."""
    x, y, z = (0.57667, 0.18556, 0.18823), (0.29734, 0.62736, 0.07529), (0.02703, 0.07069, 0.99134)
    red, green, blue = (
        (3.2406, -1.5372, -0.4986),
        (-0.9689, 1.8758, 0.0415),
        (0.0557, -0.204, 1.057),
    )
    to_srgb = np.array([red, green, blue]) @ np.array([x, y, z])
    linear = np.clip((wide / 255) ** 2.19921875 @ to_srgb.T, 0, 1)
    curved = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(255 * curved)


@pytest.mark.parametrize(("form", "mode"), [("PNG", "RGB"), ("TIFF", "RGB"), ("PNG", "RGBA")])
def test_colors_are_those_that_the_files_profile_means(form: str, mode: str) -> None:
    picture = PIL.Image.fromarray(photo_like()).convert(mode)
    rgb = read(saved(picture, form, icc_profile=wide_profile()))
    wanted = in_srgb_by_hand(photo_like())
    assert np.abs(wanted - photo_like()).mean() > 5
    assert np.abs(rgb - wanted).mean() < 1.5


def test_a_real_photo_in_adobe_rgb_looks_as_its_profile_says() -> None:
    path = Path(skimage.data.__file__).parent / "rocket.jpg"
    with PIL.Image.open(path) as picture:
        wanted = in_srgb_by_hand(np.asarray(picture))
    assert np.abs(read_image(path).rgb - wanted).mean() < 1.5
    assert np.abs(skimage.data.rocket() - wanted).mean() > 3


def test_srgb_and_broken_profiles_change_nothing() -> None:
    srgb = PIL.ImageCms.ImageCmsProfile(PIL.ImageCms.createProfile("sRGB")).tobytes()
    for profile in (srgb, b"nonsense", wide_profile()[:200]):
        data = saved(PIL.Image.fromarray(photo_like()), "PNG", icc_profile=profile)
        assert np.array_equal(read(data), photo_like())
    gray = PIL.Image.fromarray(photo_like()[..., 0])
    with_rgb_profile = read(saved(gray, "PNG", icc_profile=wide_profile()))
    assert np.ptp(with_rgb_profile.astype(int), axis=2).max() <= 2


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("form", ["PNG", "TIFF"])
def test_gray_values_of_any_depth_are_neither_black_nor_burnt(bits: int, form: str) -> None:
    gray = np.linspace(0, 2**bits - 1, 64 * 64).reshape(64, 64).astype(np.uint16)
    image = read_image(saved(PIL.Image.fromarray(gray), form), "file")
    assert np.array_equal(image.rgb[..., 0], gray >> (bits - 8))
    assert image.note == f"gray values of {bits} bits, as their range suggests"


def test_a_tiff_declares_how_deep_its_values_are() -> None:
    """The brightest pixel of a dark image has 9 bits, but the camera has 12."""
    gray = np.full((8, 8), 500, np.uint16)
    data = saved(PIL.Image.fromarray(gray), "TIFF", tiffinfo={281: 4095})
    image = read_image(data, "file")
    assert image.note == "gray values of 12 bits, as the file declares"
    assert image.rgb[0, 0, 0] == 500 >> 4


def test_an_image_of_8_bits_has_no_note() -> None:
    assert read_image(PNG, "file").note == ""


def test_deep_gray_values_are_turned_upright_too() -> None:
    gray = (np.arange(6 * 4).reshape(6, 4) * 100).astype(np.uint16)
    exif = PIL.Image.Exif()
    exif[0x0112] = 6
    rgb = read(saved(PIL.Image.fromarray(gray), "PNG", exif=exif))
    assert np.array_equal(rgb[..., 0], np.rot90(gray, -1) >> 4)


def test_a_run_says_how_deep_gray_values_were_read(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    gray = np.linspace(0, 4000, 64 * 64).reshape(64, 64).astype(np.uint16)
    for name in ("a.png", "b.png"):
        PIL.Image.fromarray(gray).save(tmp_path / name)
    assert main(["annotate", str(tmp_path), "--recipe", "faces", "--out", str(tmp_path / "o")]) == 0
    expected = "read in 2 images: gray values of 12 bits, as their range suggests"
    assert expected in capsys.readouterr().out


def as_png(bgr: NDArray[Any]) -> bytes:
    return cv2.imencode(".png", bgr.astype(np.uint16))[1].tobytes()


@pytest.mark.parametrize("bits", [8, 10, 12, 14, 16])
@pytest.mark.parametrize("channels", [3, 4])
def test_colors_of_any_depth_are_neither_black_nor_burnt(bits: int, channels: int) -> None:
    """Against OpenCV, which reads all 16 bits."""
    colors = np.linspace(0, 2**bits - 1, 64 * 48 * channels).reshape(64, 48, channels)
    colors[..., 3:] = 65535  # opaque, as these files are
    data = as_png(colors.astype(np.uint16))
    image = read_image(data, "file")
    deep = cv2.imdecode(np.frombuffer(data, np.uint8), cv2.IMREAD_UNCHANGED)
    assert deep is not None
    assert np.array_equal(image.rgb, deep[..., 2::-1] >> (bits - 8))
    assert image.note == f"color values of {bits} bits, as their range suggests"


@pytest.mark.parametrize(
    "layout",
    [
        {},
        {"byteorder": ">"},
        {"tile": (16, 16)},
        {"compression": "deflate"},
        {"planarconfig": "separate"},
        {"planarconfig": "separate", "byteorder": ">"},
    ],
    ids=str,
)
def test_tiffs_of_16_bits_in_any_layout(layout: dict[str, Any]) -> None:
    """As tifffile writes them; Pillow reads planes of 16 bits as if they had 8, without a word."""
    for bits in (12, 16):
        colors = np.linspace(0, 2**bits - 1, 48 * 64 * 3).reshape(48, 64, 3).astype(np.uint16)
        planes = np.moveaxis(colors, 2, 0) if "planarconfig" in layout else colors
        file = io.BytesIO()
        tifffile.imwrite(file, planes, photometric="rgb", **layout)
        assert np.array_equal(read(file.getvalue()), colors >> (bits - 8))


def test_a_dark_photo_stretched_from_8_bits_stays_dark() -> None:
    night = photo_like() // 8
    assert np.array_equal(read(as_png(night[..., ::-1].astype(np.uint16) * 257)), night)


def test_deep_colors_are_turned_upright_and_keep_their_profile() -> None:
    colors = (photo_like() // 2).astype(np.uint16) << 4
    picture = PIL.Image.open(io.BytesIO(as_png(colors[..., ::-1])))
    assert picture.mode == "RGB"
    file = io.BytesIO()
    tifffile.imwrite(
        file,
        colors,
        photometric="rgb",
        extratags=[(274, 3, 1, 6, True), (34675, 7, len(wide_profile()), wide_profile(), True)],
    )
    shallow = saved(PIL.Image.fromarray(photo_like() // 2), "PNG", icc_profile=wide_profile())
    assert np.array_equal(read(file.getvalue()), np.rot90(read(shallow), -1))


def test_a_window_is_the_same_for_all_images() -> None:
    window = (1000.0, 5095.0)
    dark = np.full((8, 8), 1500, np.uint16)
    bright = np.array([[0, 1000, 1500, 5095, 40_000, 65_535]], np.uint16)
    expected = {0: 0, 1000: 0, 1500: 500 >> 4, 5095: 255, 40_000: 255, 65_535: 255}
    for gray in (dark, bright):
        colors = np.stack([gray] * 3, axis=-1)
        wanted = np.vectorize(expected.get)(gray)
        for data in (saved(PIL.Image.fromarray(gray), "PNG"), as_png(colors)):
            image = read_image(data, "file", window=window)
            assert np.array_equal(image.rgb[..., 0], wanted)
            assert image.note.endswith("values 1000 to 5095 as 0 to 255, as asked")
            assert image.identity != read_image(data, "file").identity


def test_floats_go_through_a_window_and_their_holes_are_black() -> None:
    values = np.array([[np.nan, -1, 0, 0.5, 1, 2, np.inf, -np.inf]], np.float32)
    data = saved(PIL.Image.fromarray(values), "TIFF")
    image = read_image(data, "file", window=(0, 1))
    assert image.rgb[0, :, 0].tolist() == [0, 0, 0, 127, 255, 255, 255, 0]
    assert image.note == "gray values 0 to 1 as 0 to 255, as asked"
    assert read_image(data, "file").note == "gray values -1 to 2 as 0 to 255"
    assert read(data)[0, :, 0].tolist() == [0, 0, 85, 127, 170, 255, 255, 0]


def test_a_window_holds_for_a_whole_run_and_decides_its_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    photos, out = tmp_path / "photos", tmp_path / "out"
    photos.mkdir()
    for name, highest in (("a.png", 500), ("b.png", 4000)):
        gray = np.linspace(0, highest, 64 * 64).reshape(64, 64).astype(np.uint16)
        PIL.Image.fromarray(gray).save(photos / name)
    command = ["annotate", str(photos), "--recipe", "subject", "--out", str(out)]
    command += ["--format", "cutout,coco"]
    assert main([*command, "--window", "0,4095"]) == 0
    said = capsys.readouterr().out
    assert "read in 2 images: gray values 0 to 4095 as 0 to 255, as asked" in said
    assert main([*command, "--window", "0,4095"]) == 0
    assert "2 kept from before" in capsys.readouterr().out
    # Through another window it is another picture.
    assert main(command) == 0
    replaced = capsys.readouterr()
    assert "this run replaces them" in replaced.err
    assert "2 annotated now" in replaced.out
    assert main(["preview", str(out)]) == 0
    for wrong in ("4095", "4095,0", "0,nan"):
        assert main([*command, "--window", wrong]) == 2
