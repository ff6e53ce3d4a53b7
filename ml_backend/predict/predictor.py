"""One task, or one click -> one prediction. Shared by the server, `push` and label-studio-ml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from ml_backend.predict.chosen_recipes import ChosenRecipes, Share
from ml_backend.predict.clip_predictor import ClipPredictor
from ml_backend.predict.model_version import model_version
from ml_backend.predict.recipe_runs import RecipeRuns
from ml_backend.predict.task_images import TaskImages
from ml_backend.project.controls import NAMELESS, Control
from ml_backend.project.label_config import LabelConfig, Page, without_repetition
from ml_backend.project.region_prompts import prompts_from_regions, regions_by_page
from ml_backend.project.regions import regions_from_annotations, without_label
from ml_backend.studio.protocol import Json, Task
from premask.annotations import Annotation
from premask.errors import UnsupportedPrompt, UnusableLabelConfig
from premask.images import Image
from premask.labels.label_studio import prediction_from_regions
from premask.prompts import Phrase, Prompts
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class Prediction:
    """A prediction for Label Studio; `dropped` counts what was found, but has no label there."""

    content: Json
    dropped: Counter[str] = field(default_factory=Counter)


class LabelNotSaid(UnusableLabelConfig):
    """All that was found has no name, and the label config has several labels; `dropped` counts."""

    def __init__(self, recipe: str, dropped: Counter[str]) -> None:
        self.dropped = dropped
        super().__init__(
            f"'{recipe}' finds things, but does not know which of the labels they have. Say which "
            f'one: <Label model_phrases="{next(iter(dropped))}">.'
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedShare:
    """A share of the whole tasks, and what its recipe is asked to look for."""

    share: Share
    prompts: Prompts

    @classmethod
    def of(cls, share: Share) -> AskedShare:
        """The labels as phrases, for a recipe that needs some; raises where it can't use them."""
        labels = without_repetition(share.controls) if share.recipe.needs_words else ()
        phrases = [
            Phrase(text=text, label=label.name) for label in labels for text in label.phrases
        ]
        prompts = Prompts(phrases=tuple(phrases))
        require_usable_prompts(share.recipe, prompts)
        return cls(share=share, prompts=prompts)


class Predictor:
    """Labels tasks and answers clicks with the recipes of one project; threads may share it."""

    def __init__(
        self,
        recipes: ChosenRecipes,
        runs: RecipeRuns,
        images: TaskImages,
        clips: ClipPredictor | None = None,
    ) -> None:
        self.recipes = recipes
        self.runs = runs
        self.images = images
        self.clips = clips

    def version(self, config: LabelConfig) -> str:
        """The model version of predictions for whole tasks of this project."""
        controls = (config.outputs(image) for image in config.images)
        shares = (share for own in controls for share in self.recipes.shares(own))
        recipes = tuple(dict.fromkeys(share.recipe for share in shares))
        return self._version(recipes or (self.recipes.for_clicks,), config)

    def labels_whole_tasks(self, config: LabelConfig) -> bool:
        """Whether anything of the tasks of this project is labeled without being asked for."""
        if any(self.recipes.shares(config.outputs(image)) for image in config.images):
            return True
        return self.clips is not None and self.clips.finds_something(config)

    def shares_of_tasks(self, config: LabelConfig) -> dict[str, list[AskedShare]]:
        """What labels whole tasks, by image tag; raises where there is nothing that does."""
        asked = {
            image: [AskedShare.of(share) for share in self.recipes.shares(config.outputs(image))]
            for image in config.images
        }
        if any(map(config.outputs, config.images)) and not any(asked.values()):
            raise UnsupportedPrompt(
                f"The recipe '{self.recipes.for_clicks.name}' answers clicks only. Name one that "
                "finds objects itself, such as subject."
            )
        return asked

    def label_task(self, task: Task, config: LabelConfig, *, alone: bool = False) -> Prediction:
        """Label all images of a task.

        The model gets them in a batch with images of other threads; `alone`, it gets them at once.
        """
        draft = _Draft()
        if self.clips is not None and self.clips.finds_something(config):
            draft.add_regions(*self.clips.regions_of_task(task, config))
            draft.require_labels(self.clips.recipe)
        if not any(map(config.outputs, config.images)):
            return draft.prediction(self.version(config))
        config.require_images(task.data)
        own = config.of_task(task.data)
        annotate = self.runs.alone if alone else self.runs.together
        asked = self.shares_of_tasks(own)
        for name, shares in asked.items():
            for page in own.pages(name, task.data) if shares else ():
                image = self.images.image(page.url, task_id=task.id, keep=False)
                for one in shares:
                    found = annotate(image, one.prompts, one.share.recipe)
                    draft.add(found, image, one.share.controls, name, page)
        for one in (one for shares in asked.values() for one in shares):
            draft.require_labels(one.share.recipe)
        return draft.prediction(self.version(config))

    def answer_click(
        self, task: Task, asked: Mapping[str, Sequence[Json]], config: LabelConfig
    ) -> Prediction:
        """Answer what a person asks for with regions; `asked` holds them by image tag.

        Nothing is said of the whole image, such as a choice: the person asked for an object.
        """
        draft, recipe, own = _Draft(), self.recipes.for_clicks, config.of_task(task.data)
        on_videos = {name: asked[name] for name in asked if name in config.videos}
        if self.clips is not None and on_videos:
            draft.add_regions(self.clips.answer(task, on_videos, config), Counter())
        for name, regions in asked.items():
            if name in config.videos:
                continue
            for page, on_page in regions_by_page(regions, own.pages(name, task.data)):
                image = self.images.image(page.url, task_id=task.id, keep=True)
                prompts = prompts_from_regions(on_page, image.size_hw, own, name)
                if prompts != Prompts():
                    recipe = self.recipes.recipe_for(prompts, own.control(on_page[-1]))
                    found = self.runs.alone(image, prompts, recipe)
                    draft.add(found, image, _of_any_score(own.drawn(name)), name, page)
        return draft.prediction(self._version((recipe,), config))

    def _version(self, recipes: Sequence[Recipe], config: LabelConfig) -> str:
        if self.clips is not None and config.videos and not config.images:
            return model_version(self.clips.recipe.name, self.clips.keys, config)
        name = "+".join(dict.fromkeys(recipe.name for recipe in recipes))
        first, *others = map(self.runs.keys, recipes)
        decisive = [keys.key(Prompts()) for keys in others]
        if self.clips is not None and config.videos:
            decisive.append(self.clips.recipe.fingerprint)
        return model_version(name, first, config, *decisive)


@dataclass(slots=True, kw_only=True)
class _Draft:
    """The prediction of one task, while its images are labeled."""

    regions: list[Json] = field(default_factory=list)
    dropped: Counter[str] = field(default_factory=Counter)

    def add(
        self,
        annotations: Sequence[Annotation],
        image: Image,
        controls: Sequence[Control],
        name: str,
        page: Page,
    ) -> None:
        self.regions += regions_from_annotations(
            annotations, image.size_hw, controls, name, page.item_index
        )
        self.dropped += without_label(annotations, controls)

    def add_regions(self, regions: Sequence[Json], dropped: Counter[str]) -> None:
        self.regions += regions
        self.dropped += dropped

    def require_labels(self, recipe: Recipe) -> None:
        """Raise where things were found, and their recipe does not know what they are."""
        if not self.regions and any(label.casefold() in NAMELESS for label in self.dropped):
            # As a prediction without regions, it would count as looked at, with nothing there.
            raise LabelNotSaid(recipe.name, self.dropped)

    def prediction(self, version: str) -> Prediction:
        content = prediction_from_regions(self.regions, model_version=version)
        return Prediction(content=content, dropped=self.dropped)


def _of_any_score(controls: Iterable[Control]) -> tuple[Control, ...]:
    """The same controls for what a person asked for: it is shown, however doubtful."""
    return tuple(
        replace(
            control,
            threshold=None,
            labels=tuple(replace(label, threshold=None) for label in control.labels),
        )
        for control in controls
    )
