"""What of a label config this server can serve, and what not, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ml_backend.predict.chosen_recipes import ChosenRecipes
from ml_backend.project.label_config import LabelConfig, ignored_tags


def setup_report(config: LabelConfig, xml: str, recipes: ChosenRecipes) -> list[str]:
    """Sentences for the person who connects a project."""
    if not config.images:
        return ["The label config is empty. Add an <Image> and labels, and nothing else is needed."]
    sentences = [sentence for image in config.images for sentence in _outputs(config, image)]
    sentences += [_whole_tasks(config, recipes), *_prompts(config, recipes)]
    ignored = ", ".join(ignored_tags(xml))
    return sentences + ([f"Left to people: {ignored}."] if ignored else [])


def _outputs(config: LabelConfig, image: str) -> Iterator[str]:
    for control in config.outputs(image):
        if control.labels:
            labels = ", ".join(label.name for label in control.labels)
            yield f"Image '{image}': written with {control} as {labels}."
        else:
            yield (
                f"{control} has no labels of its own, so nothing is written with it. "
                "Labels must be in the config; those from the task's data are not known beforehand."
            )


def _whole_tasks(config: LabelConfig, recipes: ChosenRecipes) -> str:
    if recipes.for_tasks is None:
        name = recipes.for_clicks.name
        return f"Whole tasks: not labeled, because '{name}' answers clicks only."
    if recipes.for_tasks.needs_words:
        labels = [label for image in config.images for label in config.labels(image)]
        phrases = dict.fromkeys(phrase for label in labels for phrase in label.phrases)
        return f"Whole tasks: '{recipes.for_tasks.name}' looks for {', '.join(phrases)}."
    return (
        f"Whole tasks: labeled by '{recipes.for_tasks.name}'. What it calls like a label gets that "
        'label, the rest is dropped; <Label model_phrases="name, name"> says what else a label '
        "is called."
    )


def _prompts(config: LabelConfig, recipes: ChosenRecipes) -> Iterator[str]:
    """Who answers what a person points at, and who answers words."""
    smart = [control for control in config.controls if control.smart and control.definition.prompt]
    pointing = [
        f"{control.definition.prompt_name} ({control})"
        for control in smart
        if not control.definition.takes_words
    ]
    if pointing:
        yield f"Answered by '{recipes.for_clicks.name}': {', '.join(pointing)}."
    else:
        yield (
            "Nobody can click: no tag is smart. Add one such as <KeyPointLabels "
            'name="clicks" toName="..." smart="true"> with the same labels.'
        )
    able = [recipe.name for recipe in recipes.all if recipe.understands_phrases]
    for control in smart:
        if control.definition.takes_words:
            yield f"{control.definition.prompt_name.capitalize()} in {control}: " + (
                f"answered by '{able[0]}'."
                if able
                else "not answered, because no recipe of this server understands words."
            )
