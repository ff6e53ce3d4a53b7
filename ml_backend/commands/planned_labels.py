"""What a plan has found, as predictions of tasks: no model is loaded, and no image is fetched."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import cached_property

from ml_backend.commands.bulk_writer import NewPrediction
from ml_backend.commands.task_labeler import FailedTask
from ml_backend.predict.model_version import model_version
from ml_backend.project.label_config import LabelConfig
from ml_backend.project.regions import regions_from_annotations, without_label
from ml_backend.studio.addresses import image_name
from ml_backend.studio.protocol import Json, prediction_json
from premask.annotations import Labeled
from premask.errors import PremaskError, UnreadableImage
from premask.labels.image_names import ImageNames
from premask.labels.label_studio import prediction_from_regions
from premask.labels.shard_row import ShardRow
from premask.labels.shard_table import read_shard, shard_locations
from premask.plans.plan import Plan
from premask.recipes.work_keys import WorkKeys


@dataclass(slots=True)
class _Index:
    """Where rows are, by the addresses and by the names of their images."""

    places: dict[str, tuple[int, int]] = field(default_factory=dict)
    names: ImageNames = field(default_factory=ImageNames)

    @classmethod
    def of(cls, plan: Plan) -> _Index:
        index, names = cls(), list[str]()
        for shard in filter(plan.is_done, plan.shards):
            for row, (uri, name) in enumerate(shard_locations(plan.labels_path(shard))):
                index.places[uri] = index.places[name] = (shard, row)
                names.append(name)
        index.names = ImageNames.of(names)
        return index

    def find(self, url: str) -> tuple[int, int] | None:
        """The row of what a task shows: of its address, or of the only name that ends alike."""
        if url in self.places:
            return self.places[url]
        name = self.names.find(image_name(url) or url)
        return None if name is None else self.places[name]


@dataclass(kw_only=True)
class PlannedLabeler:
    """Looks tasks' images up in the shards that are done; `dropped` counts what has no label."""

    plan: Plan
    config: LabelConfig
    dropped: Counter[str] = field(default_factory=Counter)
    _rows: tuple[int, Sequence[ShardRow]] = (-1, ())

    @cached_property
    def model_version(self) -> str:
        """The name of these predictions: it changes with the plan's settings and the config."""
        recipe = self.plan.job.recipe
        return model_version(
            recipe.name, WorkKeys(recipe), self.config, "plan", self.plan.fingerprint
        )

    def prepare(self) -> None:
        """There is nothing to load."""

    def predictions(self, tasks: Iterable[Json]) -> Iterator[NewPrediction | FailedTask]:
        """A prediction or a failure for each task, in order."""
        for task in tasks:
            try:
                content = {"task": task["id"], **self._content(task["data"])}
                yield NewPrediction(task=task["id"], content=prediction_json(content))
            except PremaskError as error:
                yield FailedTask(task=task["id"], error=error)

    def _content(self, data: Json) -> Json:
        self.config.require_images(data)
        own, regions = self.config.of_task(data), list[Json]()
        for name in filter(own.outputs, own.images):
            controls = own.outputs(name)
            for page in own.pages(name, data):
                found = self._found(page.url)
                regions += regions_from_annotations(
                    found.annotations, found.image.size_hw, controls, name, page.item_index
                )
                self.dropped += without_label(found.annotations, controls)
        return prediction_from_regions(regions, model_version=self.model_version)

    def _found(self, url: str) -> Labeled:
        place = self._index.find(url)
        if place is None:
            raise UnreadableImage(url, f"it is in no shard of {self.plan.folder} that is done")
        shard, row = place
        if self._rows[0] != shard:
            # Tasks nearly always come in the order of the plan.
            self._rows = shard, list(read_shard(self.plan.labels_path(shard)))
        labeled = self._rows[1][row].labeled
        if labeled.error is not None:
            raise labeled.error
        return labeled

    @cached_property
    def _index(self) -> _Index:
        return _Index.of(self.plan)
