"""Where Label Studio gets the images of samples from: uploaded, from its disk, or from a cloud."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_backend.studio.client import LabelStudioClient
from premask.errors import InvalidSetting, UnreadableImage
from premask.images import read_file
from premask.labels.label_studio import local_file_url


@dataclass(frozen=True, slots=True, kw_only=True)
class SampleImages:
    """Without any of the two folders, images are uploaded.

    `local_root` is the folder whose files Label Studio serves itself; `cloud` is a folder here and
    its address there.
    """

    client: LabelStudioClient
    project: int
    local_root: Path | None = None
    cloud: tuple[Path, str] | None = None

    @classmethod
    def from_flags(
        cls,
        client: LabelStudioClient,
        project: int,
        local_root: Path | None = None,
        cloud: str | None = None,
    ) -> SampleImages:
        """What people said; `cloud` is as in /data/photos=s3://bucket/photos."""
        folder, _, address = (cloud or "").partition("=")
        if cloud is not None and ("://" not in address or not folder):
            raise InvalidSetting(
                f"--cloud {cloud}: write the folder here and its address, as in "
                "--cloud /data/photos=s3://bucket/photos."
            )
        return cls(
            client=client,
            project=project,
            local_root=local_root and local_root.resolve(),
            cloud=(Path(folder).resolve(), address.rstrip("/")) if cloud else None,
        )

    def url(self, path: str) -> str:
        """The address of an image for the data of a task; this is when it is uploaded."""
        if "://" in path:
            return path
        if self.local_root is not None:
            return local_file_url(self._below(path, self.local_root, "--local-files"))
        if self.cloud is not None:
            folder, address = self.cloud
            return f"{address}/{self._below(path, folder, '--cloud')}"
        file = Path(path)
        return self.client.upload(self.project, file.name, read_file(file, path))

    def _below(self, path: str, folder: Path, flag: str) -> str:
        try:
            return Path(path).resolve().relative_to(folder).as_posix()
        except ValueError as error:
            raise UnreadableImage(path, f"it does not lie below {folder}, see {flag}") from error
