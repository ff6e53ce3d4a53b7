"""Checkpoints that older and newer versions of transformers wrote give what those versions gave.

They lie in tests/golden/checkpoints, see the README there.
"""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

torch = pytest.importorskip("torch", reason="pip install 'premask[torch]'")
pytest.importorskip("transformers", reason="pip install 'premask[torch]'")

from premask.images import Image  # noqa: E402
from premask.masks import Mask  # noqa: E402
from premask.models.options import (  # noqa: E402
    DetrOptions,
    EomtOptions,
    Florence2Options,
    GroundingDinoOptions,
    NoOptions,
    Owlv2Options,
    QuerySegmentationOptions,
    Sam3Options,
    SegformerOptions,
    VitMatteOptions,
)
from premask.models.registry import build  # noqa: E402
from premask.prompts import Hint, Phrase, Point, Prompts  # noqa: E402
from tests.golden.checkpoints.documented import (  # noqa: E402
    BOX,
    CLICK,
    CONFIDENT,
    PHRASES,
    WORDS,
    disc,
    picture,
)
from tests.golden.checkpoints.layout import PICKLE, SAFETENSORS, write_weights  # noqa: E402
from tests.golden.checkpoints.write import CASES, INDEX, OTHERS, RESULT  # noqa: E402

GOLDEN = Path(__file__).parents[1] / "golden" / "checkpoints"
ARCHIVES = sorted(GOLDEN.glob("*/*.zip"))
Arrays = dict[str, NDArray[Any]]

# Floats are added up in another order by another version.
SCORE, PIXELS, SHARE = 1e-4, 1e-2, 0.002

FAMILY = {
    "sam2-video": "sam2",
    "eomt-semantic": "eomt",
    "sam3-lite-text": "sam3",
    "mm-grounding-dino": "grounding-dino",
    **dict.fromkeys(("rt-detr", "rt-detr-v2", "d-fine", "rf-detr", "rf-detr-seg"), "detr"),
}


def unpacked(archive: Path, folder: Path) -> Arrays:
    """The checkpoint, as its version wrote it, in the folder; and what that version said."""
    with zipfile.ZipFile(archive) as packed:
        for name in set(packed.namelist()) - {INDEX, OTHERS, RESULT}:
            packed.extract(name, folder)
        others = np.load(io.BytesIO(packed.read(OTHERS)))
        write_weights(folder, json.loads(packed.read(INDEX)), others)
        return dict(np.load(io.BytesIO(packed.read(RESULT))))


# transformers 5.0.0 answers otherwise than 4.57 and 5.24 do for the very same weights.
ERRING_IN_5_0 = ("grounding-dino",)


@pytest.mark.parametrize(
    "archive", ARCHIVES, ids=[f"{path.parent.name}-{path.stem}" for path in ARCHIVES]
)
def test_a_checkpoint_gives_what_the_version_that_wrote_it_gave(
    archive: Path, tmp_path: Path
) -> None:
    expected = unpacked(archive, tmp_path)
    if archive.parent.name == "5.0" and archive.stem in ERRING_IN_5_0:
        expected = unpacked(GOLDEN / "4.57" / archive.name, tmp_path / "other")
    family = FAMILY.get(archive.stem, archive.stem)
    model = build(family, tmp_path, "cpu")
    image = Image.from_rgb(picture(CASES[archive.stem].side), name=archive.stem)
    CHECKS[family](model, image, expected)


def test_every_family_and_version_is_there() -> None:
    families = {FAMILY.get(path.stem, path.stem) for path in ARCHIVES}
    assert families == set(CHECKS)
    assert {path.parent.name for path in ARCHIVES} == {"4.26", "4.40", "4.57", "5.0", "5.24"}
    for name, case in CASES.items():
        versions = [path.parent.name for path in ARCHIVES if path.stem == name]
        assert "5.24" in versions
        wanted = [version for version in VERSIONS if version not in case.without]
        assert len(versions) == sum(case.since <= version for version in wanted)


VERSIONS = ((4, 26), (4, 40), (4, 57), (5, 0), (5, 24))


def test_the_oldest_are_pickles_and_the_others_safetensors(tmp_path: Path) -> None:
    for archive in ARCHIVES:
        with zipfile.ZipFile(archive) as packed:
            file = json.loads(packed.read(INDEX))["file"]
        assert file == (PICKLE if archive.parent.name == "4.26" else SAFETENSORS)


# --- what is compared, family by family


def check_semantic(finder: Any, image: Image, expected: Arrays) -> None:
    (found,) = finder.find([image], [Prompts()], SegformerOptions())
    assert_same_classes(found, expected["semantic"], finder._model.config.id2label, ("Background",))


def check_universal(options: type[QuerySegmentationOptions], visible: float) -> Callable[..., None]:
    def check(finder: Any, image: Image, expected: Arrays) -> None:
        names = finder._network.names
        if "semantic" in expected:
            (found,) = finder.find([image], [Prompts()], options(task="semantic"))
            assert_same_classes(found, expected["semantic"], names)
        if "panoptic_labels" in expected:
            told = options(task="panoptic", threshold=CONFIDENT, visible=visible)
            (found,) = finder.find([image], [Prompts()], told)
            order = np.argsort(-expected["panoptic_scores"], kind="stable")
            labels = expected["panoptic_labels"][order]
            assert [hint.label for hint in found] == [names[int(number)] for number in labels]
            assert_scores(found, expected["panoptic_scores"][order])
            masks = bits(expected["panoptic_masks"], image)[order]
            assert_masks([hint.mask for hint in found], masks)

    return check


def check_promptable(segmenter: Any, image: Image, expected: Arrays) -> None:
    x, y = CLICK
    hints = {
        "click": Hint(label="", points=(Point(x=x, y=y),)),
        "box": Hint(label="", box_xyxy=BOX),
    }
    for kind, hint in hints.items():
        ((outline,),) = segmenter.segment(segmenter.embed([image]), [[hint]], NoOptions())
        assert outline.score == pytest.approx(expected[f"{kind}_scores"][0].clip(0, 1), abs=SCORE)
        assert_masks([outline.mask], bits(expected[f"{kind}_masks"], image))


def check_detr(finder: Any, image: Image, expected: Arrays) -> None:
    names = finder._model.config.id2label
    threshold = 0.2
    (found,) = finder.find([image], [Prompts()], DetrOptions(threshold=threshold))
    x0, y0, x1, y1 = expected["boxes"].T
    height, width = image.size_hw
    inside = (x0 < width) & (y0 < height) & (x1 > 0) & (y1 > 0)
    kept = (expected["scores"] > threshold) & inside
    assert [hint.label for hint in found] == [names[int(each)] for each in expected["labels"][kept]]
    assert_scores(found, expected["scores"][kept])
    assert_boxes(found, expected["boxes"][kept], image)


def check_grounding_dino(finder: Any, image: Image, expected: Arrays) -> None:
    prompts = Prompts(phrases=tuple(Phrase(text=text) for text in PHRASES))
    (found,) = finder.find([image], [prompts], GroundingDinoOptions(threshold=0.0))
    ends = np.flatnonzero(expected["ids"] == expected["stop"])
    starts = [1, *(ends[:-1] + 1)]
    by_phrase = np.stack(
        [
            expected["scores"][:, start:end].max(axis=1)
            for start, end in zip(starts, ends, strict=True)
        ],
        axis=1,
    )
    order = np.argsort(-by_phrase.max(axis=1), kind="stable")
    assert [hint.label for hint in found] == [
        PHRASES[which] for which in by_phrase[order].argmax(1)
    ]
    assert_scores(found, by_phrase.max(axis=1)[order])
    x, y, w, h = (expected["boxes"][order] * image.size_hw[0]).T
    assert_boxes(found, np.stack([x - w / 2, y - h / 2, x + w / 2, y + h / 2], axis=1), image)


def check_owlv2(finder: Any, image: Image, expected: Arrays) -> None:
    """Ours drops what overlaps a better one; of what is left, all is the library's."""
    prompts = Prompts(phrases=tuple(Phrase(text=text) for text in PHRASES))
    (found,) = finder.find(finder.embed([image]), [prompts], Owlv2Options(threshold=0.0))
    assert found[0].score == pytest.approx(expected["scores"].max(), abs=SCORE)
    for hint in found:
        nearest = int(np.abs(expected["scores"] - hint.score).argmin())
        assert hint.label == PHRASES[int(expected["labels"][nearest])]
        assert_scores([hint], expected["scores"][[nearest]])
        assert_boxes([hint], expected["boxes"][[nearest]], image)


def check_florence2(finder: Any, image: Image, expected: Arrays) -> None:
    options = Florence2Options(task="object-detection", beams=1, max_tokens=80)
    (embedding,) = finder.embed([image])
    network = finder._network
    with torch.inference_mode():
        said = network.ask(network.questions(embedding, Prompts(), options), options)
    assert said == [str(expected["text"])]


def check_sam3(finder: Any, image: Image, expected: Arrays) -> None:
    prompts = Prompts(phrases=(Phrase(text=WORDS),))
    (found,) = finder.find(finder.embed([image]), [prompts], Sam3Options(threshold=0.0))
    order = np.argsort(-expected["scores"], kind="stable")
    assert_scores(found, expected["scores"][order])
    assert_boxes(found, expected["boxes"][order], image)
    assert_masks([hint.mask for hint in found], bits(expected["masks"], image)[order])


def check_vitmatte(matter: Any, image: Image, expected: Arrays) -> None:
    mask = Mask.from_array(disc(image.size_hw[0]))
    (alpha,) = matter.matte([image], [mask], VitMatteOptions(band_pixels=6))
    unknown = expected["trimap"] == 128
    np.testing.assert_allclose(alpha[unknown], expected["alpha"][unknown] * 255, atol=0.51)
    np.testing.assert_array_equal(alpha[~unknown], expected["trimap"][~unknown])


CHECKS: dict[str, Callable[[Any, Image, Arrays], None]] = {
    "segformer": check_semantic,
    "mask2former": check_universal(QuerySegmentationOptions, visible=0.8),
    "oneformer": check_universal(QuerySegmentationOptions, visible=0.8),
    "eomt": check_universal(EomtOptions, visible=0.8),
    "sam": check_promptable,
    "sam-hq": check_promptable,
    "sam2": check_promptable,
    "edgetam": check_promptable,
    "sam3-tracker": check_promptable,
    "sam3": check_sam3,
    "grounding-dino": check_grounding_dino,
    "owlv2": check_owlv2,
    "florence2": check_florence2,
    "vitmatte": check_vitmatte,
    "detr": check_detr,
}


def assert_same_classes(
    found: Sequence[Hint],
    numbers: NDArray[Any],
    names: dict[int, str],
    silent: tuple[str, ...] = (),
) -> None:
    ours = np.full(numbers.shape, -1)
    by_name = {name: number for number, name in names.items()}
    for hint in found:
        assert hint.mask is not None
        ours[hint.mask.to_array()] = by_name[hint.label]
    told = ~np.isin(numbers, [by_name[name] for name in silent])
    assert np.mean(ours[told] != numbers[told]) <= SHARE
    assert (ours[~told] == -1).mean() > 1 - SHARE if (~told).any() else True


def assert_scores(found: Sequence[Hint], expected: NDArray[Any]) -> None:
    np.testing.assert_allclose(
        np.array([hint.score for hint in found], np.float64), expected, rtol=0, atol=SCORE
    )


def assert_boxes(found: Sequence[Hint], expected: NDArray[Any], image: Image) -> None:
    height, width = image.size_hw
    within = expected.clip(0, [width, height, width, height])
    np.testing.assert_allclose(
        np.array([hint.box_xyxy for hint in found], np.float64), within, rtol=0, atol=PIXELS
    )


def assert_masks(found: Sequence[Mask | None], expected: NDArray[Any]) -> None:
    assert len(found) == len(expected)
    for mask, pixels in zip(found, expected, strict=True):
        assert mask is not None
        assert np.mean(mask.to_array() != pixels) <= SHARE


def bits(packed: NDArray[Any], image: Image) -> NDArray[np.bool_]:
    """Masks (k, h, w) as documented.py packs them."""
    return np.unpackbits(packed, axis=-1)[..., : image.size_hw[1]].astype(bool)
