"""The command that trains: words with places in them, filled in without a shell."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from ml_backend.settings import SECRETS, BackendSettings
from premask.errors import InvalidSetting

PLACES = {
    "project": "the project's number",
    "set": "the folder of a set that is made of its corrections first",
    "out": "a new folder for what this run writes",
}

_PLACE = re.compile(r"\{([A-Za-z_]+)\}")

_FILES_WITH_SECRETS = ("PREMASK_CONFIG",)


@dataclass(frozen=True, slots=True, kw_only=True)
class TrainCommand:
    """What the person who runs the server wants to be run.

    Nothing of a task or a project is in it but the project's number.
    """

    words: tuple[str, ...]

    @classmethod
    def of(cls, text: str) -> TrainCommand | None:
        """From the setting, which is split as a shell would; None if there is none.

        >>> TrainCommand.of("train.py --data '{set}/data.yaml'").words
        ('train.py', '--data', '{set}/data.yaml')
        """
        try:
            words = tuple(shlex.split(text))
        except ValueError as error:
            raise InvalidSetting(f"train_command can't be split into words: {error}.") from error
        for place in (name for word in words for name in _PLACE.findall(word)):
            if place not in PLACES:
                known = "; ".join(f"{{{name}}} is {what}" for name, what in PLACES.items())
                raise InvalidSetting(f"train_command has no place for '{{{place}}}': {known}.")
        return cls(words=words) if words else None

    @property
    def needs_set(self) -> bool:
        return any("{set}" in word for word in self.words)

    def filled(self, project: int, set_folder: Path, out: Path) -> list[str]:
        """The words with the places filled in; what was one word stays one."""
        values = {"project": str(project), "set": str(set_folder), "out": str(out)}
        return [_PLACE.sub(lambda found: values[found[1]], word) for word in self.words]


def environment_without_secrets(
    settings: BackendSettings, environment: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The server's environment, without the variables that hold its secrets or lead to them."""
    secrets = {str(getattr(settings, name)) for name in SECRETS} - {""}
    # Without this, what a trainer in Python prints is seen when it is done.
    unbuffered = {"PYTHONUNBUFFERED": "1"}
    return unbuffered | {
        name: value
        for name, value in (os.environ if environment is None else environment).items()
        if name not in _FILES_WITH_SECRETS and not any(secret in value for secret in secrets)
    }
