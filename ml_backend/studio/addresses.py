"""The addresses in tasks: what they mean, and which of them are Label Studio's own."""

from __future__ import annotations

import base64
import re
from dataclasses import dataclass
from urllib.parse import parse_qs, unquote, urlsplit

from premask.errors import InvalidSetting, UnreadableImage
from premask.web.addresses import (
    PORTS,
    quoted,
    require_fetchable,
    server_of,
    url_for_messages,
)

CLOUD_SCHEMES = ("s3", "gs", "azure-blob")
"""The schemes of cloud storages, which only Label Studio itself has the keys for."""

_FILE_ROUTES = re.compile(r"/(data|storage-data)/|/(tasks|projects)/\d{1,20}/(presign|resolve)/")
"""Label Studio's routes for files. Others below /tasks/ and /projects/ do more than show a file."""

_UPLOAD = re.compile(r"/data/upload/\d+/")


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """Scheme, host and port of a server, and the path below which it answers."""

    scheme: str
    host: str
    port: int
    path: str = ""

    @classmethod
    def of(cls, url: str) -> Origin:
        """The origin of an address in the settings, such as `https://host/label-studio`."""
        try:
            scheme, host, port = server_of(parts := urlsplit(url.strip()))
        except ValueError as error:
            raise InvalidSetting(
                f"Label Studio's address must be like https://labels.example.com; got {url!r} "
                f"({error})."
            ) from error
        return cls(scheme=scheme, host=host, port=port, path=parts.path.rstrip("/"))

    def url_of(self, path: str) -> str:
        """The URL of an absolute path, which may or may not begin with the origin's own path."""
        base = "" if self._holds(path) else self.path
        return f"{self.root}{base}{path}"

    def owns(self, url: str) -> bool:
        """Whether a URL has the same scheme, host and port, and lies below the same path."""
        parts = urlsplit(url)
        same = server_of(parts) == (self.scheme, self.host, self.port)
        # Dots would lead out of the path again.
        return same and self._holds(parts.path) and ".." not in unquote(parts.path).split("/")

    def serves_data(self, url: str) -> bool:
        """Whether a URL is one of Label Studio's own for files: only these need the token."""
        path = urlsplit(url).path[len(self.path) :]
        return self.owns(url) and _FILE_ROUTES.match(path) is not None

    @property
    def root(self) -> str:
        """Scheme, host and port, without a path."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        port = "" if self.port == PORTS[self.scheme] else f":{self.port}"
        return f"{self.scheme}://{host}{port}"

    def __str__(self) -> str:
        return self.root + self.path

    def _holds(self, path: str) -> bool:
        return path == self.path or path.startswith(f"{self.path}/")


def image_address(
    url: str, origin: Origin | None, *, aliases: tuple[Origin, ...] = (), task_id: int | None = None
) -> str:
    """The http(s) URL of what a task names; addresses of `aliases` become those of `origin`."""
    cleaned = quoted(url.strip())
    try:
        parts = urlsplit(cleaned)
    except ValueError as error:
        raise UnreadableImage(url_for_messages(url), f"it is no URL ({error})") from error
    if parts.scheme in CLOUD_SCHEMES:
        return _presign_url(url.strip(), _required(origin, url), task_id)
    if not parts.scheme and cleaned.startswith("/") and not parts.netloc:
        return _required(origin, url).url_of(cleaned)
    if not parts.scheme and parts.netloc:
        cleaned = f"{origin.scheme if origin else 'https'}:{cleaned}"
    require_fetchable(cleaned, url)
    alias = next((alias for alias in aliases if alias.owns(cleaned)), None)
    if alias is None:
        return cleaned
    path = cleaned.removeprefix("http:").removeprefix("https:").lstrip("/").partition("/")[2]
    return _required(origin, url).url_of(f"/{path}"[len(alias.path) :])


def image_name(url: str) -> str | None:
    """The file name of the image behind a URL; None where it has none.

    >>> image_name("/data/local-files/?d=photos/a%20b.png"), image_name("s3://bucket/dir/c.png")
    ('photos/a b.png', 'dir/c.png')
    >>> image_name("/data/upload/1/30eb015d-d.png"), image_name("https://host/e.png?token=1")
    ('30eb015d-d.png', 'e.png')
    """
    parts = urlsplit(url.strip())
    if parts.path.endswith("/data/local-files/"):
        return parse_qs(parts.query).get("d", [""])[0].strip("/") or None
    if parts.scheme == "data":
        return None
    uploaded = _UPLOAD.search(parts.path)
    path = parts.path[uploaded.end() :] if uploaded else parts.path
    return unquote(path).strip("/") or None


def _presign_url(uri: str, origin: Origin, task_id: int | None) -> str:
    if task_id is None:
        raise UnreadableImage(
            url_for_messages(uri),
            "an image in a cloud storage can only be opened as part of a saved task",
        )
    encoded = base64.urlsafe_b64encode(uri.encode()).decode()
    return origin.url_of(f"/tasks/{task_id}/presign/?fileuri={encoded}")


def _required(origin: Origin | None, url: str) -> Origin:
    if origin is None:
        raise UnreadableImage(
            url_for_messages(url),
            "it lies in Label Studio; say where that is with LABEL_STUDIO_URL",
        )
    return origin
