"""The backend's settings: from a TOML file, environment variables and flags, all read here."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from premask.errors import InvalidSetting
from premask.models.weights.paths import home
from premask.settings import Setting, checked, require_known, setting, settings_of
from premask.toml import TomlError, parse_toml

SECRETS = ("label_studio_api_key", "basic_auth_pass", "webhook_secret")
"""Never printed, and no flags: all users of a machine can see the flags of a program."""

PREFIX = "PREMASK_"

SHARED_VARIABLES = {
    name.upper(): name
    for name in (
        "label_studio_url",
        "label_studio_api_key",
        "basic_auth_user",
        "basic_auth_pass",
        "port",
        "log_level",
    )
}
"""Environment variables that label-studio-ml reads, too, so they have no prefix."""

OTHER_VARIABLES = ("PREMASK_HOME", "PREMASK_CONFIG")
"""Variables with the prefix that are no settings. Any further one is a typing mistake."""


_SECRET = re.compile(r"[\w-]{16,}", re.ASCII)


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class BackendSettings:
    """All settings of the server and of its companions `push` and `pull`."""

    recipe: str = setting("subject", "what labels whole tasks: a name, or FILE.toml")
    recipe_settings: tuple[str, ...] = setting((), "its settings, as in refine.smooth=2")
    interactive_recipe: str = setting(
        "", "what answers clicks; empty: the recipe itself where it can, or else click"
    )
    interactive_settings: tuple[str, ...] = setting((), "its settings, as in refine.smooth=2")
    device: str = setting("auto", "where models run: cpu, cuda, cuda:1, or auto")
    project_recipes: tuple[str, ...] = setting(
        (), "recipes that projects may name: names, or FILE.toml; none: all of premask's own"
    )
    project_models: tuple[str, ...] = setting(
        (), "your own weights that projects may name, besides premask's models"
    )
    model_megabytes: int = setting(
        8192, "memory for models; those used longest ago are freed beyond it; 0: never", minimum=0
    )

    host: str = setting("127.0.0.1", "address to listen at; 0.0.0.0 lets other machines in")
    port: int = setting(9090, "port to listen at", minimum=1, maximum=65535)
    basic_auth_user: str = setting("", "user name that Label Studio has to send")
    basic_auth_pass: str = setting("", "password that Label Studio has to send")
    webhook_secret: str = setting(
        "", "what events must come with, in their header X-Premask-Secret or in the path"
    )
    server_names: tuple[str, ...] = setting(
        (), "names of this server in public domains, as in premask.example.com"
    )
    trusted_proxies: tuple[str, ...] = setting(
        (), "addresses or networks of proxies that say who calls, in X-Forwarded-For"
    )
    log_level: str = setting(
        "INFO", "how much is logged", choices=("DEBUG", "INFO", "WARNING", "ERROR")
    )

    label_studio_url: str = setting("", "where Label Studio is, as this machine reaches it")
    label_studio_api_key: str = setting("", "a personal access token, or a legacy one")
    label_studio_aliases: tuple[str, ...] = setting(
        (), "other addresses of Label Studio in its tasks, such as its LABEL_STUDIO_HOST"
    )
    allowed_hosts: tuple[str, ...] = setting(
        (), "hosts of private networks that images may come from, as in 10.0.0.7 or minio:9000"
    )
    max_image_megabytes: int = setting(512, "the largest image that is fetched", minimum=1)
    fetch_seconds: float = setting(30.0, "the longest that fetching one image takes", minimum=1)
    cache_folder: str = setting("", "where fetched images are kept; empty: below PREMASK_HOME")
    cache_megabytes: int = setting(4096, "how much they may take; 0 keeps none", minimum=0)
    cache_seconds: float = setting(
        300.0, "ask whether a kept image has changed when it is older than this", minimum=0
    )

    video_recipe: str = setting("follow", "what follows objects in videos")
    video_settings: tuple[str, ...] = setting((), "its settings, as in track.lost=30")
    max_video_megabytes: int = setting(4096, "the largest video that is fetched", minimum=1)
    video_seconds: float = setting(600.0, "the longest that fetching one video takes", minimum=1)
    video_megabytes: int = setting(16_384, "room on disk for fetched videos", minimum=1)
    track_megabytes: int = setting(
        2048, "room on disk for the masks behind the boxes in videos", minimum=1
    )

    deadline_seconds: float = setting(
        90.0, "answer Label Studio with what is done by then; the rest continues", minimum=0.1
    )
    batch_workers: int = setting(
        8, "tasks under way at once; the models see up to four together", minimum=1, maximum=64
    )
    interactive_workers: int = setting(2, "clicks under way at once", minimum=1, maximum=64)
    max_waiting_tasks: int = setting(10_000, "tasks that may wait", minimum=1)
    max_waiting_clicks: int = setting(128, "clicks that may wait", minimum=1)
    kept_megabytes: int = setting(256, "memory for results that wait to be collected", minimum=1)
    image_megabytes: int = setting(512, "memory for images that were clicked on", minimum=0)
    embedding_megabytes: int = setting(
        8192, "room on disk for what models remember of images; 0 keeps none", minimum=0
    )
    max_request_megabytes: int = setting(128, "the largest request that is read", minimum=1)
    requests_per_minute: int = setting(6000, "of one client; more are refused", minimum=1)
    events_folder: str = setting("", "where events are recorded; empty: below PREMASK_HOME")

    train_command: str = setting(
        "", "what Start Training runs, with {project}, {set} and {out}; see docs/training.md"
    )
    train_format: str = setting("coco", "the format of the set that it is given")

    def __repr__(self) -> str:
        shown = ", ".join(f"{name}={value}" for name, value in shown_settings(self))
        return f"BackendSettings({shown})"

    @property
    def video_path(self) -> Path:
        """Where videos are kept, and what was found in them."""
        beside = f"{self.cache_folder}-videos" if self.cache_folder else ""
        return Path(beside or home() / "label-studio" / "videos")

    @property
    def projects_path(self) -> Path:
        """The file that remembers what projects asked for."""
        return self.events_path.with_name("projects.json")

    @property
    def events_path(self) -> Path:
        """The file that events are recorded in."""
        return Path(self.events_folder or home() / "label-studio") / "events.jsonl"

    @property
    def training_path(self) -> Path:
        """The folder of what trainings are given, write and print."""
        return Path(self.events_folder or home() / "label-studio") / "training"


def read_settings(
    file: Path | None = None,
    *,
    environment: Mapping[str, str],
    flags: Mapping[str, Any] | None = None,
) -> BackendSettings:
    """The settings; flags override the environment, which overrides the file."""
    path = environment.get("PREMASK_CONFIG")
    file = file or (Path(path) if path else None)
    table = _from_file(file) if file else {}
    table |= _from_environment(environment)
    table |= {name: value for name, value in (flags or {}).items() if value is not None}
    settings = checked(BackendSettings, table, "settings: ")
    _require_complete(settings)
    return settings


def shown_settings(settings: BackendSettings) -> Iterator[tuple[str, str]]:
    """Names and values for people to see; of a secret, only whether it is set."""
    for name in settings_of(BackendSettings):
        value = getattr(settings, name)
        if name in SECRETS:
            yield name, "(set)" if value else "(not set)"
        else:
            yield name, " ".join(value) if isinstance(value, tuple) else str(value)


def flag_settings() -> dict[str, Setting]:
    """The settings that have a flag: all but the secrets."""
    return {
        name: item for name, item in settings_of(BackendSettings).items() if name not in SECRETS
    }


def _from_file(path: Path) -> dict[str, Any]:
    try:
        table = parse_toml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, TomlError) as error:
        raise InvalidSetting(f"The settings file {path} can't be read: {error}.") from error
    for name in SECRETS:
        if not isinstance(table.get(name, ""), str):
            raise InvalidSetting(f"{path}: {name} must be a text in quotes.")
    settings = checked(BackendSettings, table, f"{path}: ")
    return {name: getattr(settings, name) for name in table}


def _from_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    known = settings_of(BackendSettings)
    named = SHARED_VARIABLES | {f"{PREFIX}{name.upper()}": name for name in known}
    for variable in environment:
        if variable.startswith(PREFIX):
            require_known(variable, (*named, *OTHER_VARIABLES), "environment: ")
    return {
        name: known[name].parse(environment[variable], "environment: ")
        for variable, name in named.items()
        if variable in environment
    }


def _require_complete(settings: BackendSettings) -> None:
    if bool(settings.basic_auth_user) != bool(settings.basic_auth_pass):
        raise InvalidSetting(
            "Basic authentication needs a user and a password: set both BASIC_AUTH_USER and "
            "BASIC_AUTH_PASS, or neither."
        )
    if settings.webhook_secret and not _SECRET.fullmatch(settings.webhook_secret):
        raise InvalidSetting(
            "webhook_secret must be at least 16 letters, digits, '-' or '_', because it can be "
            "part of an address. Make one with: python -c 'import secrets; "
            "print(secrets.token_urlsafe())'"
        )
    url = urlsplit(settings.label_studio_url)
    if url.username or url.password:
        raise InvalidSetting(
            "label_studio_url must have no user name or password in it: set "
            "LABEL_STUDIO_API_KEY instead."
        )
    if settings.label_studio_url and (url.scheme not in ("http", "https") or not url.hostname):
        raise InvalidSetting(
            "label_studio_url must be an address such as http://localhost:8080; "
            f"got {settings.label_studio_url!r}."
        )
