"""The files that tasks name, opened where they are: with the token where that is Label Studio."""

from __future__ import annotations

import http.client
import time
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from urllib.parse import urljoin

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.addresses import Origin, image_address
from ml_backend.studio.image_cache import cache_key
from premask.errors import UnreadableImage
from premask.web.addresses import require_fetchable
from premask.web.hosts import ForbiddenAddress
from premask.web.image_bytes import failure_in_words
from premask.web.network import Reply, TimeLimits

REDIRECTS = 5
NOT_MODIFIED = 304

_REDIRECTED = (301, 302, 303, 307, 308)
_OK = 200


class TaskFiles:
    """Opens files for one Label Studio; one of them may take so many seconds."""

    def __init__(
        self, settings: BackendSettings, seconds: float, access: Access | None = None
    ) -> None:
        self._seconds = seconds
        self._access = access or Access.from_settings(settings, TimeLimits(total=seconds))
        self._aliases = tuple(map(Origin.of, settings.label_studio_aliases))

    def address(self, url: str, *, task_id: int | None) -> str:
        """The http(s) URL of what a task names; cloud storages need the task's id."""
        return image_address(url, self._access.origin, aliases=self._aliases, task_id=task_id)

    def key(self, address: str) -> str:
        """The cache key, which has the token in it: what one person may see, another may not."""
        origin, token = self._access.origin, self._access.token
        own = origin is not None and origin.serves_data(address)
        return cache_key(str(origin), token.identity if own and token else "", address)

    @contextmanager
    def opened(self, address: str, name: str, headers: Mapping[str, str]) -> Iterator[Reply]:
        """The answer with the file, or one that says that it was not modified.

        Whatever goes wrong while it is read, too, is an `UnreadableImage`.
        """
        try:
            with ExitStack() as stack:
                yield self._followed(address, name, headers, stack)
        except ForbiddenAddress as error:
            raise UnreadableImage(name, self._alias_advice(address) or str(error)) from error
        except (OSError, http.client.HTTPException, ValueError) as error:
            raise UnreadableImage(name, failure_in_words(error, self._seconds)) from error

    def _followed(self, url: str, name: str, headers: Mapping[str, str], stack: ExitStack) -> Reply:
        """Follow redirects. Once one leads away from Label Studio, no token is sent any more."""
        ends = time.monotonic() + self._seconds
        origin, trusted = self._access.origin, True
        for _ in range(REDIRECTS + 1):
            trusted = trusted and origin is not None and origin.serves_data(url)
            with ExitStack() as opened:
                request = self._access.exchange(url, with_token=trusted, headers=headers, ends=ends)
                reply = opened.enter_context(request)
                if reply.status not in _REDIRECTED:
                    if reply.status not in (_OK, NOT_MODIFIED if headers else _OK):
                        raise UnreadableImage(name, self._refusal(reply.status, trusted))
                    stack.push(opened.pop_all())
                    return reply
                url = urljoin(url, reply.headers.get("Location", ""))
            require_fetchable(url, name)
        raise UnreadableImage(name, f"its server redirects more than {REDIRECTS} times")

    def _refusal(self, status: int, trusted: bool) -> str:
        """Why the server refuses the image, and what to do."""
        reason = f"its server answers {status} {http.client.responses.get(status, '')}".rstrip()
        if status not in (401, 403):
            return reason
        if not trusted:
            return (
                f"{reason}. If that is Label Studio under another address, name it in "
                "PREMASK_LABEL_STUDIO_ALIASES"
            )
        if self._access.token is None:
            return "Label Studio asks who you are; set LABEL_STUDIO_API_KEY to a token of yours"
        return (
            f"Label Studio refuses the token ({status}); set LABEL_STUDIO_API_KEY to one that is "
            "allowed to see this project"
        )

    def _alias_advice(self, address: str) -> str:
        """What to do about a private address that looks like one of Label Studio's own.

        To allow the host would not help: no token is sent there, so Label Studio refuses the file.
        """
        origin = self._access.origin
        if origin is not None and origin.owns(address):
            return ""
        other = Origin.of(urljoin(address, (origin and origin.path) or "/"))
        if not other.serves_data(address):
            return ""
        setting = "PREMASK_LABEL_STUDIO_ALIASES" if origin else "LABEL_STUDIO_URL"
        return (
            f"{other} is not where the backend looks for Label Studio. If it is Label Studio, say "
            f"so: {setting}={other}"
        )
