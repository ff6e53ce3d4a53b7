"""Tokens for Label Studio's API: legacy ones, and personal ones, which are refreshed."""

from __future__ import annotations

import base64
import hashlib
import json
import threading
import time
from collections.abc import Callable
from typing import Any, Protocol

from premask.errors import InvalidSetting

EARLY_SECONDS = 30.0
"""Access is renewed before it ends; Label Studio 1.23 gives it for 300 s."""

Refresh = Callable[[str], str]
"""A personal access token -> an access token that lives for some minutes."""


class Token(Protocol):
    """What goes into the header `Authorization`."""

    @property
    def identity(self) -> str:
        """A name for the token's owner, from which the token can't be guessed."""
        ...

    def header(self) -> str: ...

    def renewed(self, refused: str) -> bool:
        """Whether there is another header to send than the one that was refused."""
        ...


class LegacyToken:
    """Forty hexadecimal digits that are valid until somebody resets them."""

    def __init__(self, key: str) -> None:
        self._key = key
        self.identity = _identity(key)

    def header(self) -> str:
        return f"Token {self._key}"

    def renewed(self, refused: str) -> bool:
        return False


class PersonalToken:
    """A JWT that can't be sent as it is: it is exchanged for an access token of some minutes."""

    def __init__(self, key: str, refresh: Refresh) -> None:
        self._key, self._refresh = key, refresh
        self.identity = _identity(key)
        self._access, self._ends = "", 0.0
        self._lock = threading.Lock()

    def header(self) -> str:
        """An access token that is valid for a while yet; of many threads, one refreshes it."""
        with self._lock:
            if time.monotonic() >= self._ends:
                self._renew()
            return f"Bearer {self._access}"

    def renewed(self, refused: str) -> bool:
        """Get a new access token, unless another thread has done so since."""
        with self._lock:
            if f"Bearer {self._access}" == refused:
                self._renew()
            return True

    def _renew(self) -> None:
        access = self._refresh(self._key)
        claims = _claims(access) or {}
        # Only the difference of these two times is used, because clocks differ between machines.
        lifetime = float(claims.get("exp", 0)) - float(claims.get("iat", 0))
        self._access = access
        self._ends = time.monotonic() + max(lifetime - EARLY_SECONDS, lifetime / 2)


def token_of(key: str, refresh: Refresh) -> Token:
    """The kind of token that the key looks like."""
    key = key.strip()
    claims = _claims(key)
    if claims is None and not (key.isascii() and key.isprintable()):
        raise InvalidSetting(
            "LABEL_STUDIO_API_KEY is no token: it has letters that no token has. Copy it anew from "
            "Account & Settings in Label Studio."
        )
    if claims is not None and claims.get("token_type") != "refresh":
        raise InvalidSetting(
            "LABEL_STUDIO_API_KEY is a token that ends within minutes. Take a personal access "
            "token: Account & Settings > Personal Access Token in Label Studio."
        )
    return LegacyToken(key) if claims is None else PersonalToken(key, refresh)


def _claims(token: str) -> dict[str, Any] | None:
    """What a JWT says about itself; None for what is no JWT. Its signature is the server's."""
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        claims = json.loads(base64.urlsafe_b64decode(parts[1] + "=="))
    except ValueError:
        return None
    return claims if isinstance(claims, dict) else None


def _identity(key: str) -> str:
    return hashlib.sha256(key.encode()).hexdigest()[:16]
