"""Legacy tokens are sent as they are; personal ones are exchanged once for many threads."""

from __future__ import annotations

import base64
import json
import logging
import threading
import time
from collections.abc import Callable

import pytest

from ml_backend.settings import BackendSettings
from ml_backend.studio.fetch import ImageFetcher
from ml_backend.studio.tokens import LegacyToken, PersonalToken, token_of
from premask.errors import InvalidSetting, LabelStudioFailed, PremaskError
from tests.ml_backend.local_server import Asked, LocalServer, Route, serving

LEGACY = "0123456789abcdef0123456789abcdef01234567"
IMAGE = b"\x89PNG\r\n\x1a\n, as far as a fetcher looks"


def jwt(kind: str, *, lifetime: float = 300, number: int = 0) -> str:
    claims = {"token_type": kind, "iat": 1000, "exp": 1000 + lifetime, "jti": number}
    parts = [json.dumps(part).encode() for part in ({"alg": "HS256"}, claims, "signed")]
    return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)


PERSONAL = jwt("refresh", lifetime=1e9)


def never_asked(key: str) -> str:
    raise AssertionError(key)


def test_a_legacy_token_is_sent_as_it_is() -> None:
    token = token_of(f" {LEGACY}\n", never_asked)
    assert isinstance(token, LegacyToken)
    assert token.header() == f"Token {LEGACY}"
    assert not token.renewed(token.header())


def test_a_personal_token_buys_access_and_is_never_sent_itself() -> None:
    token = token_of(PERSONAL, lambda key: jwt("access") if key == PERSONAL else "")
    assert isinstance(token, PersonalToken)
    assert token.header() == f"Bearer {jwt('access')}"


@pytest.mark.parametrize("key", [jwt("access"), "clé", "two\nlines"])
def test_what_is_no_lasting_token_is_refused_without_being_shown(key: str) -> None:
    with pytest.raises(InvalidSetting, match="Account & Settings") as caught:
        token_of(key, never_asked)
    assert key not in str(caught.value)


def test_identities_differ_and_tell_nothing() -> None:
    identities = {token_of(key, never_asked).identity for key in (LEGACY, PERSONAL)}
    assert len(identities) == 2
    assert not any(identity in LEGACY + PERSONAL for identity in identities)


class Shop:
    """Gives out access tokens, and counts them."""

    def __init__(self, lifetime: float = 300) -> None:
        self.sold, self.lifetime = 0, lifetime

    def refresh(self, key: str) -> str:
        time.sleep(0.05)
        self.sold += 1
        return jwt("access", lifetime=self.lifetime, number=self.sold)


def test_access_is_bought_once_for_many_threads() -> None:
    shop = Shop()
    token = PersonalToken(PERSONAL, shop.refresh)
    in_threads(10, token.header)
    assert shop.sold == 1
    refused = token.header()
    in_threads(10, lambda: token.renewed(refused))
    assert shop.sold == 2


def in_threads(count: int, work: Callable[[], object]) -> None:
    threads = [threading.Thread(target=work) for _ in range(count)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


def test_access_is_bought_anew_before_it_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    shop, clock = Shop(lifetime=300), [1e6]
    monkeypatch.setattr("ml_backend.studio.tokens.time.monotonic", lambda: clock[0])
    token = PersonalToken(PERSONAL, shop.refresh)
    for seconds, sold in ((0, 1), (200, 1), (75, 2), (100, 2)):
        clock[0] += seconds
        token.header()
        assert shop.sold == sold


def test_access_that_hardly_lives_is_used_for_half_its_life(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    shop, clock = Shop(lifetime=20), [1e6]
    monkeypatch.setattr("ml_backend.studio.tokens.time.monotonic", lambda: clock[0])
    token = PersonalToken(PERSONAL, shop.refresh)
    for seconds, sold in ((0, 1), (9, 1), (2, 2)):
        clock[0] += seconds
        token.header()
        assert shop.sold == sold


# --- With a server


def label_studio(server_side: Shop, *, rejected: int = 0) -> dict[str, Route]:
    """Label Studio's refresh route; it refuses the first so many access tokens that it gave."""

    def refresh(asked: Asked) -> None:
        if json.loads(asked.body) != {"refresh": PERSONAL}:
            asked.answer(b'{"detail": "Token is invalid"}', 401)
            return
        asked.answer(json.dumps({"access": server_side.refresh(PERSONAL)}).encode())

    def image(asked: Asked) -> None:
        good = f"Bearer {jwt('access', number=server_side.sold)}"
        accepted = server_side.sold > rejected and asked.headers.get("authorization") == good
        asked.answer(IMAGE) if accepted else asked.answer(status=401)

    return {"/api/token/refresh": refresh, "/data/upload/1/a.png": image}


def fetcher(server: LocalServer, key: str) -> ImageFetcher:
    settings = BackendSettings(
        label_studio_url=server.url, label_studio_api_key=key, cache_megabytes=0
    )
    return ImageFetcher(settings)


def test_an_image_is_fetched_with_access() -> None:
    with serving(label_studio(shop := Shop())) as server:
        fetch = fetcher(server, PERSONAL)
        in_threads(5, lambda: fetch.image_bytes("/data/upload/1/a.png"))
        assert fetch.image_bytes("/data/upload/1/a.png") == IMAGE
        assert shop.sold == 1
        assert PERSONAL not in str(server.authorizations())


def test_access_that_was_taken_back_is_renewed() -> None:
    with serving(label_studio(shop := Shop(), rejected=1)) as server:
        assert fetcher(server, PERSONAL).image_bytes("/data/upload/1/a.png") == IMAGE
        assert shop.sold == 2


def test_a_refusal_ends(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    with serving(label_studio(shop := Shop(), rejected=99)) as server:
        with pytest.raises(PremaskError, match="refuses the token") as caught:
            fetcher(server, PERSONAL).image_bytes("/data/upload/1/a.png")
        assert shop.sold == 2
    for secret in (PERSONAL, jwt("access", number=1), jwt("access", number=2)):
        assert secret not in str(caught.value) + caplog.text


def test_a_revoked_token_says_so_and_is_not_shown() -> None:
    revoked = jwt("refresh", number=13)
    with (
        serving(label_studio(Shop())) as server,
        pytest.raises(LabelStudioFailed, match="does not accept the personal") as caught,
    ):
        fetcher(server, revoked).image_bytes("/data/upload/1/a.png")
    assert revoked not in str(caught.value)


def test_another_server_in_the_place_of_label_studio_is_told_apart() -> None:
    with (
        serving({"*": lambda asked: asked.answer(b"<html>", 200)}) as server,
        pytest.raises(LabelStudioFailed, match="LABEL_STUDIO_URL"),
    ):
        fetcher(server, PERSONAL).image_bytes("/data/upload/1/a.png")
