"""The backend as a model of label-studio-ml 2.x, for people who run that server."""

from __future__ import annotations

import json
import os
from functools import cache
from typing import Any

from label_studio_ml.model import LabelStudioMLBase

from ml_backend.predict.predictor import Predictor
from ml_backend.predict.predictors import Predictors
from ml_backend.project.extra_params import read_extra_params
from ml_backend.project.label_config import LabelConfig, parse_label_config
from ml_backend.project.region_prompts import regions_by_image
from ml_backend.settings import read_settings
from ml_backend.studio.protocol import NOT_LOOKED_AT, Json, Task, failed_item, task_from_json
from premask.errors import PremaskError


@cache
def shared_predictors() -> Predictors:
    """Those of the whole process: label-studio-ml makes a new model object for each request."""
    return Predictors.from_settings(read_settings(environment=os.environ))


class PremaskModel(LabelStudioMLBase):
    """Answers like `python -m ml_backend`, but has no queue, no deadline and no /status."""

    def setup(self) -> None:
        """Name the predictions for this project; raises for one that nothing can be done for."""
        predictor, config = self._served()
        self.set("model_version", predictor.version(config))

    def set_extra_params(self, extra_params: Any) -> None:
        """Keep what the form holds; label-studio-ml says it after `setup`, and keeps texts only."""
        self.set("extra_params", json.dumps(read_extra_params(extra_params).table()))
        self.setup()

    def predict(self, tasks: list[Json], context: Json | None = None, **kwargs: Any) -> list[Any]:
        """One item for each task; one that failed has no result, so Label Studio asks again."""
        predictor, config = self._served()
        if context is None:
            return [_item_for_task(task_from_json(task), predictor, config) for task in tasks]
        return [_answer(task_from_json(task), context, predictor, config) for task in tasks]

    def _served(self) -> tuple[Predictor, LabelConfig]:
        config = parse_label_config(self.label_config)
        return shared_predictors().of(read_extra_params(self.get("extra_params")), config), config


def _answer(task: Task, context: Json, predictor: Predictor, config: LabelConfig) -> Json:
    asked = regions_by_image(context, config.of_task(task.data))
    return predictor.answer_click(task, asked, config).content


def _item_for_task(task: Task, predictor: Predictor, config: LabelConfig) -> Any:
    if not predictor.labels_whole_tasks(config):
        return NOT_LOOKED_AT
    try:
        return predictor.label_task(task, config).content
    except PremaskError as error:
        return failed_item(str(error), predictor.version(config))
