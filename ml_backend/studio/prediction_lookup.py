"""Asks Label Studio for the prediction that an annotation began with."""

from __future__ import annotations

import logging

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.client import LabelStudioClient
from ml_backend.studio.protocol import Json
from premask.errors import PremaskError
from premask.web.network import TimeLimits

log = logging.getLogger(__name__)

TIME_LIMITS = TimeLimits(connect=3.0, read=10.0, total=20.0)
"""Other events wait meanwhile."""


class PredictionLookup:
    """Finds predictions by their numbers; nothing where there is no token to ask with."""

    def __init__(self, settings: BackendSettings) -> None:
        self._client: LabelStudioClient | None = None
        if settings.label_studio_url and settings.label_studio_api_key.strip():
            self._client = LabelStudioClient(Access.from_settings(settings, TIME_LIMITS))

    def __call__(self, number: int) -> Json:
        """The prediction, or an empty one where it can't be had."""
        if self._client is None:
            return {}
        try:
            return self._client.prediction(number)
        except PremaskError as error:
            log.info("the prediction %d of an annotation can't be read: %s", number, error)
            return {}
