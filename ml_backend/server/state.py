"""What lives as long as the server runs: models, queues, counts, events, connected projects."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping

from ml_backend.predict.model_loading import ModelLoading
from ml_backend.predict.offered_recipes import require_ready
from ml_backend.predict.predictors import Predictors
from ml_backend.predict.remembered_params import RememberedParams
from ml_backend.predict.takeover import Takeover
from ml_backend.predict.task_images import Fetcher
from ml_backend.project.extra_params import read_extra_params
from ml_backend.project.label_config import parse_label_config
from ml_backend.server.activity import Activity
from ml_backend.server.answers import Answers
from ml_backend.server.connected_projects import ConnectedProject, ConnectedProjects
from ml_backend.server.events import EventLog
from ml_backend.server.metrics import exposition, resident_bytes
from ml_backend.server.redaction import Redaction
from ml_backend.server.setup_report import setup_report
from ml_backend.server.status_page import Status, status_page
from ml_backend.server.training_report import training_sentence
from ml_backend.settings import SECRETS, BackendSettings, shown_settings
from ml_backend.studio.prediction_lookup import PredictionLookup
from ml_backend.studio.protocol import Json, label_config_of, project_id, project_key
from ml_backend.training.trainer import MakeSet, Trainer
from premask.errors import PremaskError

log = logging.getLogger("premask.label_studio")

CLOSE_SECONDS = 4.0
"""How long the server waits for what the models are working on when it stops."""


class ServerState:
    """All parts of one running server but its routes; two servers in one process share nothing."""

    def __init__(
        self,
        settings: BackendSettings,
        fetcher: Fetcher | None = None,
        make_set: MakeSet | None = None,
    ) -> None:
        self.settings = settings
        self.stopping = asyncio.Event()
        self.redaction = Redaction(getattr(settings, name) for name in SECRETS)
        self.activity = Activity(self.redaction.hide)
        self.events = EventLog(
            settings.events_path, self.activity.trouble, PredictionLookup(settings)
        )
        self.projects = ConnectedProjects()
        self.trainer = Trainer(
            settings, make_set, hide=self.redaction.hide, trouble=self.activity.trouble
        )
        self.predictors = Predictors.from_settings(settings, fetcher)
        self.remembered = RememberedParams(settings.projects_path)
        models = self.predictors.offered.usual.models
        self.loading = ModelLoading(self.predictors.pool, models, self.activity.trouble)
        self.answers = Answers(
            self.predictors, self.remembered, settings, self.activity, self.events
        )

        self.takeover = Takeover(self._models_in_use, self._renew, self.activity.trouble)

    def start(self) -> None:
        """Load the models and the recorded events, in two threads of their own."""
        self.events.start()
        self.trainer.start()
        self.loading.start()
        self.takeover.start()

    async def stop(self) -> None:
        """Finish what is under way; what waits is asked for again by Label Studio.

        A job that takes longer than `CLOSE_SECONDS` is left to the end of the process.
        """
        self.takeover.close()
        ended, _ = await asyncio.gather(
            asyncio.to_thread(self.answers.close, CLOSE_SECONDS),
            asyncio.to_thread(self.trainer.close),
        )
        await asyncio.to_thread(self.events.close)
        if ended:
            self.predictors.pool.free()

    def _models_in_use(self) -> list[str]:
        """Those of the server's own recipes, and those that projects have made it load."""
        predictors = self.predictors
        return [*predictors.offered.usual.models, *predictors.pool.loaded_bytes()]

    def _renew(self, model: str) -> None:
        self.predictors.renew(model)
        self.loading.renewed(self.predictors.pool, model)

    def readiness(self) -> str:
        """READY, LOADING or FAILED: whether all models are there."""
        states = self.loading.of_the_server()
        if any(state.startswith("failed") for state in states):
            return "FAILED"
        return "READY" if all(state == "ready" for state in states) else "LOADING"

    def set_up(self, document: Json) -> Json:
        """The answer to /setup: the model version for Label Studio, a report for people."""
        number = project_id(document.get("project"))
        try:
            schema = label_config_of(document, "schema")
            config = parse_label_config(schema)
            asked = read_extra_params(document.get("extra_params"))
            predictor = self.predictors.of(asked, config)
            require_ready(predictor.recipes.all if config.images else ())
        except PremaskError as error:
            self.projects.note(number, ConnectedProject(unusable=str(error)))
            raise
        self.remembered.note(project_key(document.get("project")), asked)
        version = predictor.version(config)
        report = setup_report(config, schema, predictor.recipes, asked)
        report.append(training_sentence(self.trainer.command is not None))
        report += _hostname_advice(str(document.get("hostname") or ""), self.settings)
        if self.projects.note(number, ConnectedProject(version=version, report=tuple(report))):
            log.info("project %s: %s: %s", number, version, " ".join(report))
            self.loading.want(predictor.recipes.models if config.images else ())
        return {"model_version": version, "report": report}

    def versions(self) -> list[str]:
        """The model versions of the connected projects."""
        known = self.projects.all().values()
        return sorted({project.version for project in known if project.version})

    def gauges(self) -> Mapping[str, float]:
        """What waits, what runs, and what takes memory now."""
        lanes = self.answers.lanes
        return {
            **{f"{lane.name}_waiting": lane.waiting for lane in lanes},
            **{f"{lane.name}_running": lane.running for lane in lanes},
            "models_bytes": sum(self.predictors.pool.loaded_bytes().values()),
            "embeddings_bytes": self.predictors.pool.embeddings.nbytes,
            "images_bytes": self.predictors.images.nbytes,
            "uncollected_results_bytes": self.answers.work.nbytes,
        }

    def metrics(self) -> str:
        """The text of /metrics."""
        snapshot = self.activity.snapshot()
        # A copy, as the thread of the events goes on counting.
        events = dict(self.events.counts)
        return exposition(snapshot, self.activity.started, self.gauges(), events)

    def status(self) -> str:
        """The HTML of /status."""
        page = status_page(
            Status(
                settings=shown_settings(self.settings),
                models=self.loading.shown(),
                gauges={**self.gauges(), "process_bytes": resident_bytes()},
                projects=self.projects.all(),
                videos=self.predictors.clips.progress(),
                corrections=self.events.corrections.counts(),
                snapshot=self.activity.snapshot(),
                trainings=self.trainer.records(),
                own_models=tuple(self.takeover.shown()),
            )
        )
        return self.redaction.hide(page, len(page))


def _hostname_advice(hostname: str, settings: BackendSettings) -> list[str]:
    """What to do where Label Studio's own address is not one that images are fetched from."""
    if not settings.label_studio_url:
        return ["Uploaded images can't be fetched: LABEL_STUDIO_URL and a token are not set."]
    known = (settings.label_studio_url, *settings.label_studio_aliases)
    if not hostname or hostname.rstrip("/") in (url.rstrip("/") for url in known):
        return []
    return [
        f"Label Studio calls itself {hostname}, but images are fetched from "
        f"{settings.label_studio_url}: if these are the same, name it in label_studio_aliases."
    ]
