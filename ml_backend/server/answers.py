"""Answers to /predict: whole tasks until a deadline, and clicks."""

from __future__ import annotations

import asyncio
import json
import logging
import math
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import Any

from starlette.requests import Request

from ml_backend.predict.predictor import LabelNotSaid, Prediction, Predictor
from ml_backend.predict.predictors import Predictors
from ml_backend.predict.remembered_params import RememberedParams
from ml_backend.predict.work_queue import Lane, QueueFull, SharedWork
from ml_backend.project.label_config import LabelConfig, parse_label_config
from ml_backend.project.region_prompts import regions_by_image
from ml_backend.server.activity import Activity
from ml_backend.server.events import EventLog
from ml_backend.server.guards import has_gone
from ml_backend.settings import BackendSettings
from ml_backend.studio.protocol import (
    NOT_LOOKED_AT,
    Json,
    PredictCall,
    Task,
    answer,
    failed_item,
    prediction_json,
)
from premask.errors import ModelFailed, PremaskError
from premask.images import digest_of

log = logging.getLogger("premask.label_studio")

NOTHING = json.dumps(NOT_LOOKED_AT).encode()


class ClientGone(Exception):
    """The client has closed the connection."""


class TooLate(Exception):
    """A click waited until Label Studio was about to give up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Asked:
    """One task of a call, and its future result; None where the queue was full."""

    key: str
    result: Future[bytes] | None


class Answers:
    """Answers calls of /predict through two queues.

    Clicks have a queue of their own: the person who clicked waits in front of the screen.
    """

    def __init__(
        self,
        predictors: Predictors,
        remembered: RememberedParams,
        settings: BackendSettings,
        activity: Activity,
        events: EventLog,
    ) -> None:
        self.batch_lane = Lane(
            "batch", workers=settings.batch_workers, max_waiting=settings.max_waiting_tasks
        )
        self.click_lane = Lane(
            "click", workers=settings.interactive_workers, max_waiting=settings.max_waiting_clicks
        )
        # Nobody who clicks on an image waits behind a video that is fetched or gone through.
        self.video_lane = Lane(
            "video", workers=settings.batch_workers, max_waiting=settings.max_waiting_clicks
        )
        self.work = SharedWork(kept_bytes=settings.kept_megabytes * 2**20)
        self._predictors, self._remembered = predictors, remembered
        self._deadline_seconds = settings.deadline_seconds
        self._activity = activity
        self._events = events

    async def whole_tasks(self, call: PredictCall, request: Request) -> bytes:
        """The answer to a call for whole tasks: one item for each, in order.

        A task that is not ready at the deadline has no result here, but the work goes on, and its
        result is kept for the next call.
        """
        predictor, config = await asyncio.to_thread(self._served, call)
        if not predictor.labels_whole_tasks(config):
            return answer([NOTHING] * len(call.tasks))
        version = await asyncio.to_thread(predictor.version, config)
        asked = await asyncio.to_thread(self._ask_all, call, predictor, config, version)
        results = [one.result for one in asked if one.result is not None]
        try:
            await _until_done(results, request, self._deadline_seconds)
        except (ClientGone, asyncio.CancelledError):
            for one in asked:
                if one.result is not None:
                    self.work.give_up(one.key, one.result)
            raise
        return answer([self._item(one, version) for one in asked])

    async def click(self, call: PredictCall, request: Request) -> bytes:
        """The answer to a click. There is one task, so an error is the whole answer."""
        numbers = ", ".join(str(task.id) for task in call.tasks[:3])
        request.state.what = f"click on task {numbers} of project {call.project}"
        predictor, config = await asyncio.to_thread(self._served, call)
        results: list[Future[bytes]] = []
        try:
            for task in call.tasks:
                asked = regions_by_image(call.context or {}, config.of_task(task.data))
                job = partial(self._answer_click, predictor, call.project, task, asked, config)
                on_videos = any(name in config.videos for name in asked)
                lane = self.video_lane if on_videos else self.click_lane
                results.append(lane.submit(job))
            if not await _until_done(results, request, self._deadline_seconds):
                raise TooLate
            return answer([result.result() for result in results])
        finally:
            for result in results:
                result.cancel()

    @property
    def lanes(self) -> tuple[Lane, ...]:
        return self.click_lane, self.batch_lane, self.video_lane

    @property
    def busy(self) -> bool:
        """Whether a model works on something."""
        return any(lane.running for lane in self.lanes)

    def close(self, seconds: float | None = None) -> bool:
        """Finish what is under way; says whether that ended in time."""
        ends = math.inf if seconds is None else time.monotonic() + seconds
        self._predictors.clips.close()
        ended = [lane.close(_seconds_until(ends)) for lane in self.lanes]
        return all(ended)

    def _served(self, call: PredictCall) -> tuple[Predictor, LabelConfig]:
        """Who answers for this project, and its label config; raises where nobody can."""
        config = parse_label_config(call.label_config)
        return self._predictors.of(self._remembered.of(call.project_key), config), config

    def _ask_all(
        self, call: PredictCall, predictor: Predictor, config: LabelConfig, version: str
    ) -> list[_Asked]:
        return [self._ask(task, call, predictor, config, version) for task in call.tasks]

    def _ask(
        self,
        task: Task,
        call: PredictCall,
        predictor: Predictor,
        config: LabelConfig,
        version: str,
    ) -> _Asked:
        key = digest_of(json.dumps([task.id, task.data, version], sort_keys=True).encode())
        # Label Studio asks for one task when somebody opens it, and lets them wait.
        alone = len(call.tasks) == 1
        lane = self.click_lane if alone and not config.videos else self.batch_lane
        job = partial(self._label_task, predictor, call.project, task, config, alone=alone)
        try:
            return _Asked(key=key, result=self.work.ask(key, job, lane))
        except QueueFull:
            return _Asked(key=key, result=None)

    def _item(self, asked: _Asked, version: str) -> bytes:
        if asked.result is None or not asked.result.done():
            self._activity.predicted("batch", "refused" if asked.result is None else "late")
            return NOTHING
        error = asked.result.exception()
        if error is not None:
            item = failed_item(self._activity.hide(str(error)), version)
            return json.dumps(item).encode()
        self.work.collect(asked.key)
        return asked.result.result()

    def _answer_click(
        self,
        predictor: Predictor,
        project: str,
        task: Task,
        asked: Mapping[str, Sequence[Json]],
        config: LabelConfig,
    ) -> bytes:
        predict = partial(predictor.answer_click, task, asked, config)
        return self._counted("interactive", project, task, predict)

    def _label_task(
        self, predictor: Predictor, project: str, task: Task, config: LabelConfig, *, alone: bool
    ) -> bytes:
        """Errors are reported here, because nobody may wait for the result any more."""
        predict = partial(predictor.label_task, task, config, alone=alone)
        try:
            return self._counted("batch", project, task, predict)
        except Exception as error:
            what = f"task {task.id} of project {project}"
            known = isinstance(error, PremaskError) and not isinstance(error, ModelFailed)
            log.error("%s: not labeled: %s", what, error, exc_info=not known)
            self._activity.trouble(what, str(error))
            raise

    def _counted(
        self, mode: str, project: str, task: Task, predict: Callable[[], Prediction]
    ) -> bytes:
        """One prediction as JSON, counted and recorded."""
        try:
            prediction = predict()
            body = prediction_json(prediction.content)
        except LabelNotSaid as error:
            self._activity.predicted(mode, "failed", error.dropped)
            raise
        except Exception:
            self._activity.predicted(mode, "failed")
            raise
        self._activity.predicted(mode, "ok", prediction.dropped)
        clicked = mode == "interactive"
        self._events.proposed(project, task.id, prediction.content, clicked=clicked)
        return body


def _seconds_until(ends: float) -> float | None:
    return None if math.isinf(ends) else max(0.0, ends - time.monotonic())


async def _until_done(results: Sequence[Future[bytes]], request: Request, seconds: float) -> bool:
    """Whether all are done in time; raises `ClientGone` as soon as the client has hung up."""
    done = asyncio.gather(*map(asyncio.wrap_future, results), return_exceptions=True)
    gone = asyncio.ensure_future(has_gone(request))
    try:
        either: set[asyncio.Future[Any]] = {done, gone}
        finished, _ = await asyncio.wait(
            either, timeout=seconds, return_when=asyncio.FIRST_COMPLETED
        )
    finally:
        gone.cancel()
    if gone in finished and done not in finished:
        raise ClientGone
    return done in finished
