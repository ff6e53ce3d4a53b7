"""What a person clicked, drew and wrote in Label Studio -> prompts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from ml_backend.project.label_config import LabelConfig, Page
from ml_backend.studio.protocol import Json
from premask.errors import InvalidMask, InvalidRequest
from premask.labels.label_studio import is_on_page, prompts_from_region, with_own_labels
from premask.masks import Size
from premask.prompts import Prompts


class UnreadableRegion(InvalidRequest):
    """A region of a click that is well-formed JSON, but means nothing."""


def regions_by_image(context: Mapping[str, Any], config: LabelConfig) -> dict[str, list[Json]]:
    """The regions of a click's context, by the tag of the image or the video that they lie on.

    An empty context has none: Label Studio sends such calls after each Submit.
    """
    regions: dict[str, list[Json]] = {}
    result = context.get("result") or ()
    if not isinstance(result, list | tuple):
        raise InvalidRequest("A context's result must be a list of regions.")
    for region in result:
        if not isinstance(region, dict) or not isinstance(region.get("value"), dict):
            raise InvalidRequest("Each item of a context's result must be a region with a value.")
        image = str(region.get("to_name"))
        if image not in config.images and image not in config.videos:
            shown = ", ".join((*config.images, *config.videos))
            raise InvalidRequest(
                f"A click is on the tag '{image}', but the images of the label config are: "
                f"{shown or 'none'}. Reload the page in Label Studio."
            )
        regions.setdefault(image, []).append(region)
    return regions


def regions_by_page(
    regions: Sequence[Json], pages: Sequence[Page]
) -> Iterator[tuple[Page, list[Json]]]:
    """The regions that a tag shows, with the page that each lies on; no page without any."""
    for page in pages:
        on_page = [region for region in regions if is_on_page(region, page.item_index)]
        if on_page:
            yield page, on_page


def prompts_from_regions(
    regions: Sequence[Json], size_hw: Size, config: LabelConfig, image: str
) -> Prompts:
    """What these regions ask for, together, on the upright image of this size.

    Labels become those that predictions for the image can have.
    """
    try:
        for region in regions:
            _require_texts(region)
        prompts = [prompts_from_region(region, size_hw) for region in with_own_labels(regions)]
    except (
        *(InvalidMask, KeyError, TypeError, ValueError),
        *(ArithmeticError, AttributeError, MemoryError),
    ) as error:
        reason = str(error) or type(error).__name__
        raise UnreadableRegion(f"What was clicked or drawn can't be read: {reason}.") from error

    def named(asked: str) -> str:
        return config.label_asked_for(image, asked)

    phrases = [phrase for one in prompts for phrase in one.phrases]
    points = [point for one in prompts for point in one.points]
    boxes = [box for one in prompts for box in one.boxes]
    strokes = [(one.mask, one.mask_label) for one in prompts if one.mask is not None]
    masks = [mask for mask, _ in strokes]
    return Prompts(
        phrases=tuple(replace(phrase, label=named(phrase.text)) for phrase in phrases),
        points=tuple(replace(point, label=named(point.label)) for point in points),
        boxes=tuple(replace(box, label=named(box.label)) for box in boxes),
        mask=masks[0].union(*masks[1:]) if masks else None,
        mask_label=named(strokes[0][1]) if strokes else "",
    )


def _require_texts(region: Json) -> None:
    """Raise where labels or words are no texts."""
    for name in (str(region.get("type")), "labels", "text"):
        said = region["value"].get(name)
        texts = said if isinstance(said, list) else [said]
        if said is not None and not all(isinstance(text, str) for text in texts):
            raise TypeError(f"'{name}' must be a list of texts, but is {str(said)[:80]!r}")
