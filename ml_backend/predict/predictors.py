"""The predictors of one process: one a project, with models, images and batches in common."""

from __future__ import annotations

from ml_backend.predict.clip_predictor import ClipPredictors
from ml_backend.predict.offered_recipes import OfferedRecipes
from ml_backend.predict.predictor import Predictor
from ml_backend.predict.recipe_runs import RecipeRuns
from ml_backend.predict.task_images import Fetcher, TaskImages
from ml_backend.project.extra_params import ExtraParams
from ml_backend.project.label_config import LabelConfig
from ml_backend.settings import BackendSettings
from ml_backend.studio.fetch import ImageFetcher
from premask.models.pool import ModelPool, make_pool
from premask.models.weights.paths import embeddings_folder


class Predictors:
    """Makes the predictor of each project. Threads may share it."""

    def __init__(
        self,
        offered: OfferedRecipes,
        pool: ModelPool,
        images: TaskImages,
        clips: ClipPredictors,
    ) -> None:
        self.offered = offered
        self.pool = pool
        self.images = images
        self.clips = clips
        self._runs = RecipeRuns(pool)

    @classmethod
    def from_settings(cls, settings: BackendSettings, fetcher: Fetcher | None = None) -> Predictors:
        """Those of one process; by default they fetch images as Label Studio serves them."""
        memory_bytes = settings.image_megabytes * 2**20
        images = TaskImages(fetcher or ImageFetcher(settings), memory_bytes=memory_bytes)
        pool = pool_from_settings(settings)
        return cls(OfferedRecipes(settings), pool, images, ClipPredictors(settings, pool))

    def renew(self, model: str) -> None:
        """Put new weights of a model in the place of those that are loaded, or raise.

        The predictors that were made before go on with the old ones, and end with them.
        """
        pool = self.pool.renewed(model)
        self.clips.renew(pool)
        self.pool, self._runs = pool, RecipeRuns(pool)

    def of(self, asked: ExtraParams, config: LabelConfig) -> Predictor:
        """The predictor of a project that asks for this; raises for what it can't have."""
        recipes = self.offered.chosen_by(asked, config)
        clips = self.clips.of(recipes.for_videos) if recipes.for_videos is not None else None
        return Predictor(recipes, self._runs, self.images, clips)


def pool_from_settings(settings: BackendSettings) -> ModelPool:
    """The models of one process, with what `push --embed-only` left on disk for them."""
    return make_pool(
        device=settings.device,
        store_folder=embeddings_folder() if settings.embedding_megabytes else None,
        store_bytes=settings.embedding_megabytes * 2**20,
        memory_bytes=settings.model_megabytes * 2**20 or None,
    )
