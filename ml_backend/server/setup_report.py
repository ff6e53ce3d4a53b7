"""What of a label config this server can serve, and what not, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ml_backend.predict.chosen_recipes import ChosenRecipes, subject_without_label
from ml_backend.project.label_config import LabelConfig, ignored_tags
from ml_backend.server.video_report import video_report
from premask.recipes.recipe import Recipe


def setup_report(
    config: LabelConfig,
    xml: str,
    recipes: ChosenRecipes,
    extra_params: object = None,
    video_recipe: Recipe | None = None,
) -> list[str]:
    """Sentences for the person who connects a project; `extra_params` are those of the form."""
    if not config.images and not config.videos:
        return ["The label config is empty. Add an <Image> and labels, and nothing else is needed."]
    sentences = [
        sentence
        for image in config.images
        for sentence in (*_pages(config, image), *_outputs(config, image))
    ]
    if config.images:
        sentences += [*_whole_tasks(config, recipes), *_prompts(config, recipes)]
    if video_recipe is not None:
        for video in config.videos.values():
            sentences += video_report(video, video_recipe)
    if ignored := ", ".join(ignored_tags(xml)):
        sentences.append(f"Left to people: {ignored}.")
    if extra_params:
        sentences.append(
            "The extra params are ignored: the recipe and its settings are those that the server "
            "was started with (--recipe, --set)."
        )
    return sentences


def _pages(config: LabelConfig, image: str) -> Iterator[str]:
    repeater = config.repeated.get(image)
    each = repeater.on if repeater is not None else config.images[image]
    if repeater is not None or image in config.listed:
        yield f"Image '{image}': each item of {each} is an image of its own."


def _outputs(config: LabelConfig, image: str) -> Iterator[str]:
    better: list[str] = []
    for control in config.outputs(image):
        if not control.labels:
            beside = " or in a <Labels> with the same toName" if control.definition.is_plain else ""
            yield (
                f"{control} has no labels of its own, so nothing is written with it. Labels must "
                f"be in the config{beside}; those from the task's data are not known beforehand."
            )
            continue
        labels = ", ".join(label.name for label in control.labels)
        what = f"Image '{image}': written with {control} as {labels}"
        if control.definition.write_classes or control.also or not better:
            yield f"{what}."
        else:
            yield (
                f"{what}, where {' or '.join(better)} has no such label or needs a mask that there "
                'is not; model_also="true" writes everything with it, too.'
            )
        if control.turns and control.definition.write_turned:
            yield f"{control} is turned to be the smallest around the mask (canRotate)."
        better.append(str(control))


def _whole_tasks(config: LabelConfig, recipes: ChosenRecipes) -> Iterator[str]:
    recipe = recipes.for_tasks
    if recipe is None:
        name = recipes.for_clicks.name
        yield f"Whole tasks: not labeled, because '{name}' answers clicks only."
        return
    if recipe.needs_words:
        labels = [label for image in config.images for label in config.labels(image)]
        phrases = dict.fromkeys(phrase for label in labels for phrase in label.phrases)
        yield f"Whole tasks: '{recipe.name}' looks for {', '.join(phrases)}."
        return
    yield (
        f"Whole tasks: labeled by '{recipe.name}'. What it calls like a label gets that "
        'label, the rest is dropped; <Label model_phrases="name, name"> says what else a label '
        "is called."
    )
    called = subject_without_label(recipe, config)
    if called is not None:
        yield (
            f"'{recipe.name}' calls everything '{called}', which is none of these labels, so tasks "
            f'stay without predictions: say which one it means, <Label model_phrases="{called}">.'
        )


def _prompts(config: LabelConfig, recipes: ChosenRecipes) -> Iterator[str]:
    """Who answers what a person points at, and who answers words."""
    smart = [control for control in config.controls if control.smart and control.definition.prompt]
    pointing = [
        f"{control.definition.prompt_name} ({control})"
        for control in smart
        if not control.definition.takes_words
    ]
    if not any(map(config.drawn, config.images)):
        yield "Nobody can click: no tag can show an object. Add one such as <BrushLabels>."
    elif pointing:
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
