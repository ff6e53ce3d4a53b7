"""What of a label config this server can serve, and what not, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ml_backend.predict.roles import Roles
from ml_backend.project.label_config import Control, LabelConfig, ignored_tags

CLICKS = {
    "keypoint": "clicks",
    "rectangle": "boxes",
    "brush": "strokes",
    "polygon": "polygons",
    "ellipse": "ellipses",
}


def setup_report(config: LabelConfig, xml: str, roles: Roles) -> list[str]:
    """Sentences for the person who connects a project."""
    if not config.images:
        return ["The label config is empty. Add an <Image> and labels, and nothing else is needed."]
    sentences = [each for image in config.images for each in _outputs(config, image)]
    sentences += [_batch(config, roles), *_interactive(config, roles)]
    ignored = ", ".join(ignored_tags(xml))
    return sentences + ([f"Left to people: {ignored}."] if ignored else [])


def _outputs(config: LabelConfig, image: str) -> Iterator[str]:
    for control in config.outputs(image):
        if control.labels:
            labels = ", ".join(each.name for each in control.labels)
            yield f"Image '{image}': written with {_shown(control)} as {labels}."
        else:
            yield (
                f"{_shown(control)} has no labels of its own, so nothing is written with it. "
                "Labels must be in the config; those from the task's data are not known beforehand."
            )


def _batch(config: LabelConfig, roles: Roles) -> str:
    if roles.batch is None:
        name = roles.interactive.name
        return f"Whole tasks: not labeled, because '{name}' answers clicks only."
    if roles.batch.needs_prompts:
        labels = [label for image in config.images for label in config.labels(image)]
        phrases = dict.fromkeys(phrase for label in labels for phrase in label.phrases)
        return f"Whole tasks: '{roles.batch.name}' looks for {', '.join(phrases)}."
    return (
        f"Whole tasks: labeled by '{roles.batch.name}'. What it calls like a label gets that "
        'label, the rest is dropped; <Label model_phrases="name, name"> says what else a label '
        "is called."
    )


def _interactive(config: LabelConfig, roles: Roles) -> Iterator[str]:
    smart = [each for each in config.controls if each.smart]
    drawn = [f"{CLICKS[each.kind]} ({_shown(each)})" for each in smart if each.kind in CLICKS]
    if drawn:
        yield f"Answered by '{roles.interactive.name}': {', '.join(drawn)}."
    else:
        yield (
            "Nobody can click: no tag is smart. Add one such as <KeyPointLabels "
            'name="clicks" toName="..." smart="true"> with the same labels.'
        )
    for each in (each for each in smart if each.kind == "text"):
        able = [recipe.name for recipe in roles.recipes if recipe.understands_phrases]
        yield f"Words in {_shown(each)}: " + (
            f"answered by '{able[0]}'."
            if able
            else "not answered, because no recipe of this server understands words."
        )


def _shown(control: Control) -> str:
    return f'<{control.tag} name="{control.name}">'
