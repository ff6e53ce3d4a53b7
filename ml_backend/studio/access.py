"""Requests with the person's token, which is sent to Label Studio only and renewed in time."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ml_backend.settings import BackendSettings
from ml_backend.studio.addresses import Origin
from ml_backend.studio.tokens import Refresh, Token, token_of
from premask.errors import LabelStudioFailed
from premask.web.hosts import Hosts
from premask.web.network import Network, Reply, TimeLimits


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    """The network, Label Studio's address if it is known, and the token if there is one."""

    network: Network
    origin: Origin | None = None
    token: Token | None = None

    @classmethod
    def from_settings(cls, settings: BackendSettings, time_limits: TimeLimits) -> Access:
        origin = Origin.of(settings.label_studio_url) if settings.label_studio_url else None
        network = Network(
            hosts=Hosts(origin=origin, allowed=settings.allowed_hosts), time_limits=time_limits
        )
        key = settings.label_studio_api_key
        token = token_of(key, _refresh_at(network, origin)) if origin and key.strip() else None
        return cls(network=network, origin=origin, token=token)

    @contextmanager
    def exchange(
        self,
        url: str,
        *,
        with_token: bool,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        body: bytes | None = None,
        ends: float | None = None,
    ) -> Iterator[Reply]:
        """Send one request, and once more with a new token where the first was refused."""
        token = self.token if with_token and self.origin and self.origin.owns(url) else None
        with ExitStack() as stack:

            def send(authorization: dict[str, str]) -> Reply:
                all_headers = {**(headers or {}), **authorization}
                sent = self.network.exchange(
                    url, method=method, headers=all_headers, body=body, ends=ends
                )
                return stack.enter_context(sent)

            if token is None:
                yield send({})
                return
            authorization = token.header()
            reply = send({"Authorization": authorization})
            if reply.status == 401 and token.renewed(authorization):
                stack.close()
                reply = send({"Authorization": token.header()})
            yield reply


def _refresh_at(network: Network, origin: Origin) -> Refresh:
    """A function that exchanges a personal access token for an access token."""

    def refresh(key: str) -> str:
        request = network.exchange(
            origin.url_of("/api/token/refresh"),
            method="POST",
            headers={"Content-Type": "application/json"},
            body=json.dumps({"refresh": key}).encode(),
        )
        with request as reply:
            answer = b"".join(reply.body)
        if reply.status in (400, 401, 403):
            raise LabelStudioFailed(
                f"Label Studio at {origin} does not accept the personal access token "
                f"({reply.status}): it was revoked, or belongs to another server. Make a new one "
                "in Account & Settings, and set LABEL_STUDIO_API_KEY."
            )
        try:
            return str(json.loads(answer)["access"])
        except (ValueError, KeyError, TypeError) as error:
            raise LabelStudioFailed(
                f"{origin} answers {reply.status} where Label Studio would give access for a "
                "personal access token. Is LABEL_STUDIO_URL the address of Label Studio?"
            ) from error

    return refresh
