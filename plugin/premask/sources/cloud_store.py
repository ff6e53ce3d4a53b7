"""Files in buckets and on the hub, through fsspec."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cached_property, partial
from typing import Any, TypeVar

from premask.errors import MissingDependency, PremaskError, UnreadableImage
from premask.libraries import imported
from premask.sources.patience import Patience
from premask.sources.source_image import MOST_IMAGE_BYTES
from premask.sources.stores import PassingFailure, StoredFile

Result = TypeVar("Result")

SCHEMES = frozenset({"s3", "gs", "gcs", "az", "abfs", "abfss", "hf"})
"""Only these: fsspec knows others, too, which read this machine's files or run commands."""

_GONE = (FileNotFoundError, NotADirectoryError, PermissionError, IsADirectoryError)

_FINAL = (
    "NoCredentialsError",
    "ParamValidationError",
    "PartialCredentialsError",
    "ProfileNotFound",
)
"""Errors of botocore that say what a person has to change."""

_ETAGS = ("ETag", "etag", "blob_id", "md5Hash", "generation", "LastModified", "last_modified")
"""What stores call that which changes with the content, the best first."""

_SECONDS_TO_CONNECT, _SECONDS_OF_SILENCE = 5, 20

_PAGE = 1000
"""As many keys as S3 lists at once."""


class CloudStore:
    """One kind of store; its servers and keys are found as always, by its variables and files."""

    def __init__(self, scheme: str, patience: Patience) -> None:
        self._scheme, self._patience = scheme, patience

    def stat(self, uri: str) -> StoredFile:
        return self._stored(uri, self._ask(uri, lambda: self._files.info(_path(uri))))

    def is_folder(self, uri: str) -> bool:
        return bool(self._ask(uri, lambda: self._files.isdir(_path(uri))))

    def walk(self, uri: str) -> Iterator[StoredFile]:
        return self._s3_pages(uri) if self._scheme == "s3" else self._below(uri)

    def read(self, uri: str, start: int = 0, length: int | None = None) -> bytes:
        # One more than there may be, so that it is noticed; stores give what there is.
        end = start + (MOST_IMAGE_BYTES + 1 if length is None else length)
        data: bytes = self._ask(uri, lambda: self._files.cat_file(_path(uri), start=start, end=end))
        if length is None and len(data) > MOST_IMAGE_BYTES:
            raise UnreadableImage(uri, f"it has more than {MOST_IMAGE_BYTES:,} bytes")
        return data

    def _below(self, uri: str) -> Iterator[StoredFile]:
        """Folder by folder, each sorted, so that only one folder's names are in memory."""
        entries: list[dict[str, Any]] = self._patience.ask(
            uri, lambda: self._ask(uri, lambda: self._files.ls(_path(uri), detail=True))
        )
        for entry in sorted(entries, key=lambda entry: str(entry["name"])):
            name = str(entry["name"]).rstrip("/")
            if _is_hidden(name.rpartition("/")[2]) or name == _path(uri).rstrip("/"):
                continue
            below = f"{self._scheme}://{name}"
            if entry["type"] == "directory":
                yield from self._below(below)
            else:
                yield self._stored(below, entry)

    def _s3_pages(self, uri: str) -> Iterator[StoredFile]:
        """Page by page: a bucket may have ten million keys in one folder."""
        bucket, _, prefix = _path(uri).partition("/")
        prefix = f"{prefix.rstrip('/')}/" if prefix.strip("/") else ""
        more: dict[str, str] = {}
        while True:
            question = partial(self._page, bucket, prefix, more)
            page = self._patience.ask(uri, partial(self._ask, uri, question))
            for entry in page.get("Contents", ()):
                key = str(entry["Key"])
                if not key.endswith("/") and not _is_hidden(key.removeprefix(prefix)):
                    found = {"size": entry["Size"], "ETag": entry["ETag"]}
                    yield self._stored(f"s3://{bucket}/{key}", found)
            if not page.get("IsTruncated"):
                return
            more = {"ContinuationToken": page["NextContinuationToken"]}

    def _page(self, bucket: str, prefix: str, more: dict[str, str]) -> dict[str, Any]:
        page: dict[str, Any] = self._files.call_s3(
            "list_objects_v2", Bucket=bucket, Prefix=prefix, MaxKeys=_PAGE, **more
        )
        return page

    def _stored(self, uri: str, info: dict[str, Any]) -> StoredFile:
        etag = next((str(info[name]) for name in _ETAGS if info.get(name)), "")
        size = info.get("size")
        return StoredFile(uri=uri, size=None if size is None else int(size), etag=etag.strip('"'))

    def _ask(self, uri: str, question: Callable[[], Result]) -> Result:
        """The answer; what goes wrong is sorted by whether it may go well in a moment."""
        try:
            return question()
        except PremaskError:
            raise
        except _GONE as error:
            raise UnreadableImage(uri, (error.strerror or str(error)).lower()) from error
        # Each library behind fsspec has errors of its own, and few of them say what they are.
        except Exception as error:
            kind = type(error).__name__
            if kind in _FINAL:
                raise UnreadableImage(uri, f"{kind}: {error}") from error
            raise PassingFailure(f"{kind}: {error}") from error

    @cached_property
    def _files(self) -> Any:
        what = f"Images at {self._scheme}:// addresses need"
        fsspec = imported("fsspec", what=what, extra="cloud")
        try:
            return fsspec.filesystem(self._scheme, **self._options)
        except ImportError as error:
            raise MissingDependency(
                f"{what} another package ({error}). Install it with: pip install 'premask[cloud]'"
            ) from error

    @property
    def _options(self) -> dict[str, Any]:
        # What is listed now is what is there now.
        options: dict[str, Any] = {"use_listings_cache": False}
        if self._scheme == "s3":
            # It would wait a minute for silence, and again and again before anybody hears of it.
            limits = {
                "connect_timeout": _SECONDS_TO_CONNECT,
                "read_timeout": _SECONDS_OF_SILENCE,
                "retries": {"max_attempts": 1},
            }
            options["config_kwargs"] = limits
        return options


def _path(uri: str) -> str:
    """The address without its scheme, as fsspec's file systems take it."""
    return uri.partition("://")[2]


def _is_hidden(path: str) -> bool:
    return any(step.startswith(".") for step in path.split("/"))
