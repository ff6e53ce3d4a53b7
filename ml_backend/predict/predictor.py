"""One task, or one click -> one prediction. Shared by the server, `push` and label-studio-ml."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial

from ml_backend.predict.batching import Batches
from ml_backend.predict.chosen_recipes import ChosenRecipes
from ml_backend.predict.clip_predictor import ClipPredictor, clips_from_settings
from ml_backend.predict.model_version import model_version
from ml_backend.predict.task_images import Fetcher, TaskImages
from ml_backend.project.controls import NAMELESS, Control
from ml_backend.project.label_config import LabelConfig, Page
from ml_backend.project.region_prompts import prompts_from_regions, regions_by_page
from ml_backend.project.regions import regions_from_annotations, without_label
from ml_backend.settings import BackendSettings
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.protocol import Json, Task
from premask.annotations import Annotation, Labeled
from premask.errors import UnsupportedPrompt, UnusableLabelConfig
from premask.images import Image
from premask.labels.label_studio import prediction_from_regions
from premask.models.pool import ModelPool, make_pool
from premask.models.weights.paths import embeddings_folder
from premask.prompts import Phrase, Prompts
from premask.recipes.prompt_check import require_usable_prompts
from premask.recipes.recipe import Recipe
from premask.recipes.stages import run_stages
from premask.recipes.work_keys import WorkKeys
from premask.runs.pipeline import BATCH_SIZE, WORKERS, Request, explained, label


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


class Predictor:
    """Labels tasks and answers clicks with the recipes of one server; many threads may share it."""

    def __init__(
        self,
        recipes: ChosenRecipes,
        pool: ModelPool,
        images: TaskImages,
        clips: ClipPredictor | None = None,
    ) -> None:
        self.recipes = recipes
        self.pool = pool
        self.images = images
        self.clips = clips
        # Read once: loaded weights stay as they are if their files change, so the names must, too.
        self._work_keys = {recipe: WorkKeys(recipe) for recipe in recipes.all}
        self._batches = Batches(self._labeled, size=BATCH_SIZE, calls=WORKERS)

    def version(self, config: LabelConfig) -> str:
        """The model version of predictions for whole tasks of this project."""
        return self._version(self.recipes.for_tasks or self.recipes.for_clicks, config)

    def labels_whole_tasks(self, config: LabelConfig) -> bool:
        """Whether anything of the tasks of this project is labeled without being asked for."""
        if self.recipes.for_tasks is not None and any(map(config.outputs, config.images)):
            return True
        return self.clips is not None and self.clips.finds_something(config)

    def recipe_for_tasks(self) -> Recipe:
        """The recipe that labels whole tasks; raises where there is none."""
        if self.recipes.for_tasks is None:
            raise UnsupportedPrompt(
                f"The recipe '{self.recipes.for_clicks.name}' answers clicks only. Start with "
                "--recipe and one that finds objects itself, such as subject."
            )
        return self.recipes.for_tasks

    def prompts_for_tasks(self, config: LabelConfig) -> dict[str, Prompts]:
        """The prompts for whole tasks, by image tag; raises where the recipe can't use them."""
        recipe = self.recipe_for_tasks()
        asked = {
            name: _phrases(recipe, config, name) for name in config.images if config.outputs(name)
        }
        for prompts in asked.values():
            require_usable_prompts(recipe, prompts)
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
        recipe, own = self.recipe_for_tasks(), config.of_task(task.data)
        annotate = partial(self._annotate, recipe=recipe) if alone else self._annotate_together
        for name, prompts in self.prompts_for_tasks(own).items():
            for page in own.pages(name, task.data):
                image = self.images.image(page.url, task_id=task.id, keep=False)
                draft.add(annotate(image, prompts), image, own.outputs(name), name, page)
        draft.require_labels(recipe)
        return draft.prediction(self._version(recipe, config))

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
                    recipe = self.recipes.recipe_for(prompts)
                    found = self._annotate(image, prompts, recipe)
                    draft.add(found, image, own.drawn(name), name, page)
        return draft.prediction(self._version(recipe, config))

    def _version(self, recipe: Recipe, config: LabelConfig) -> str:
        if self.clips is None or not config.videos:
            return model_version(recipe.name, self._work_keys[recipe], config)
        if not config.images:
            return model_version(self.clips.recipe.name, self.clips.keys, config)
        follower = self.clips.recipe.fingerprint
        return model_version(recipe.name, self._work_keys[recipe], config, follower)

    def _annotate(self, image: Image, prompts: Prompts, recipe: Recipe) -> tuple[Annotation, ...]:
        try:
            return run_stages([image], [prompts], recipe, self.pool)[0]
        except Exception as error:
            raise explained(error, image, f"The recipe '{recipe.name}'") from error

    def _annotate_together(self, image: Image, prompts: Prompts) -> tuple[Annotation, ...]:
        """Run the recipe for whole tasks on a batch that this image is in."""
        labeled = self._batches.result_of(Request(image=image, prompts=prompts))
        if labeled.error is not None:
            raise labeled.error
        return labeled.annotations

    def _labeled(self, requests: Sequence[Request]) -> list[Labeled]:
        recipe = self.recipe_for_tasks()
        return list(label(requests, recipe, pool=self.pool, batch_size=len(requests)))


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


def predictor_from_settings(settings: BackendSettings, fetcher: Fetcher | None = None) -> Predictor:
    """The predictor of one process; by default it fetches images as Label Studio serves them."""
    memory_bytes = settings.image_megabytes * 2**20
    images = TaskImages(fetcher or ImageFetcher(settings), memory_bytes=memory_bytes)
    recipes, pool = ChosenRecipes.from_settings(settings), pool_from_settings(settings)
    return Predictor(recipes, pool, images, clips_from_settings(settings, pool))


def pool_from_settings(settings: BackendSettings) -> ModelPool:
    """The models of one process, with what `push --embed-only` left on disk for them."""
    return make_pool(
        device=settings.device,
        store_folder=embeddings_folder() if settings.embedding_megabytes else None,
        store_bytes=settings.embedding_megabytes * 2**20,
    )


def _phrases(recipe: Recipe, config: LabelConfig, image: str) -> Prompts:
    """The labels as phrases, for a recipe that needs some."""
    if not recipe.needs_words:
        return Prompts()
    return Prompts(
        phrases=tuple(
            Phrase(text=text, label=label.name)
            for label in config.labels(image)
            for text in label.phrases
        )
    )
