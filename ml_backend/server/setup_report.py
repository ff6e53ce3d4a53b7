"""What of a label config this server can serve, and what not, in plain words."""

from __future__ import annotations

from collections.abc import Iterator

from ml_backend.predict.chosen_recipes import ChosenRecipes, Share, subject_without_label
from ml_backend.project.config_elements import root_of
from ml_backend.project.extra_params import ExtraParams
from ml_backend.project.label_config import LabelConfig, ignored_tags, without_repetition
from ml_backend.project.model_attributes import unknown_attributes
from ml_backend.server.video_report import video_report
from premask.prompts import Prompts

NOTHING_ASKED = ExtraParams()


def setup_report(
    config: LabelConfig, xml: str, recipes: ChosenRecipes, asked: ExtraParams = NOTHING_ASKED
) -> list[str]:
    """Sentences for the person who connects a project, and asks for this in the form."""
    if not config.images and not config.videos:
        return ["The label config is empty. Add an <Image> and labels, and nothing else is needed."]
    sentences = [
        sentence
        for image in config.images
        for sentence in (*_pages(config, image), *_outputs(config, image))
    ]
    if config.images:
        sentences += [*_whole_tasks(config, recipes), *_prompts(config, recipes)]
    if recipes.for_videos is not None:
        for video in config.videos.values():
            sentences += video_report(video, recipes.for_videos)
    if ignored := ", ".join(ignored_tags(xml)):
        sentences.append(f"Left to people: {ignored}.")
    sentences += unknown_attributes(root_of(xml).iter())
    if table := asked.table():
        said = ", ".join(f"{name}={_shown(value)}" for name, value in table.items())
        sentences.append(f"By the extra params: {said}.")
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
    shares = [share for image in config.images for share in recipes.shares(config.outputs(image))]
    if not shares:
        name = recipes.for_clicks.name
        yield f"Whole tasks: not labeled, because '{name}' answers clicks only."
    for recipe in dict.fromkeys(share.recipe for share in shares):
        controls = tuple(
            control for share in shares if share.recipe == recipe for control in share.controls
        )
        # With one recipe, it goes without saying who writes what.
        by = f" with {', '.join(dict.fromkeys(map(str, controls)))}" if recipes.of_tags else ""
        yield from _whole_tasks_by(Share(recipe=recipe, controls=controls), by)


def _whole_tasks_by(share: Share, by: str) -> Iterator[str]:
    recipe, least = share.recipe, _least(share)
    if recipe.needs_words:
        labels = without_repetition(share.controls)
        phrases = dict.fromkeys(phrase for label in labels for phrase in label.phrases)
        yield f"Whole tasks: '{recipe.name}' looks for {', '.join(phrases)}{by}{least}."
        return
    yield (
        f"Whole tasks: labeled by '{recipe.name}'{by}{least}. What it calls like a label gets that "
        'label, the rest is dropped; <Label model_phrases="name, name"> says what else a label '
        "is called."
    )
    called = subject_without_label(share)
    if called is not None:
        yield (
            f"'{recipe.name}' calls everything '{called}', which is none of these labels, so tasks "
            f'stay without predictions: say which one it means, <Label model_phrases="{called}">.'
        )


def _least(share: Share) -> str:
    """The lowest score that somebody asked for."""
    said = {
        score
        for control in share.controls
        for score in (control.threshold, *(label.threshold for label in control.labels))
        if score is not None
    }
    scores = ", ".join(f"{score:g}" for score in sorted(said))
    return f" from a score of {scores} on" if scores else ""


def _prompts(config: LabelConfig, recipes: ChosenRecipes) -> Iterator[str]:
    """Who answers what a person points at, and who answers words."""
    smart = [control for control in config.controls if control.smart and control.definition.prompt]
    pointing: dict[str, list[str]] = {}
    for control in smart:
        if not control.definition.takes_words:
            recipe = recipes.recipe_for(Prompts(), control)
            tool = f"{control.definition.prompt_name} ({control})"
            pointing.setdefault(recipe.name, []).append(tool)
    if not any(map(config.drawn, config.images)):
        yield "Nobody can click: no tag can show an object. Add one such as <BrushLabels>."
    elif pointing:
        for name, tools in pointing.items():
            yield f"Answered by '{name}': {', '.join(tools)}."
    else:
        yield (
            "Nobody can click: no tag is smart. Add one such as <KeyPointLabels "
            'name="clicks" toName="..." smart="true"> with the same labels.'
        )
    for control in smart:
        if control.definition.takes_words:
            named = recipes.of_tags.get(control.recipe)
            asked = recipes.all if named is None else (named, *recipes.all)
            able = [recipe.name for recipe in asked if recipe.understands_phrases]
            yield f"{control.definition.prompt_name.capitalize()} in {control}: " + (
                f"answered by '{able[0]}'."
                if able
                else "not answered, because no recipe of this project understands words."
            )


def _shown(value: object) -> str:
    return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
