"""Settings come from a file, the environment and flags; mistakes are named, secrets hidden."""

from __future__ import annotations

from pathlib import Path

import pytest

from ml_backend.__main__ import main
from ml_backend.settings import (
    BackendSettings,
    flag_settings,
    read_settings,
    shown_settings,
)
from premask.errors import InvalidSetting, UnknownSetting

KEY, PASSWORD = "key-of-nobody-0123", "pass-of-nobody-4567"


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "backend.toml"
    path.write_text(
        f'recipe = "faces"\nport = 7000\nrecipe_settings = ["refine.grow=2"]\n'
        f'label_studio_api_key = "{KEY}"\n'
    )
    return path


def test_flags_come_before_the_environment_and_that_before_the_file(file: Path) -> None:
    environment = {"PORT": "7001", "PREMASK_DEVICE": "cpu", "PREMASK_RECIPE_SETTINGS": "a=1, b=2"}
    settings = read_settings(file, environment=environment, flags={"device": "cuda", "host": None})
    assert (settings.recipe, settings.port, settings.device) == ("faces", 7001, "cuda")
    assert settings.recipe_settings == ("a=1", "b=2")
    assert settings.label_studio_api_key == KEY
    assert settings.host == BackendSettings().host


def test_the_file_may_be_named_in_the_environment(file: Path) -> None:
    assert read_settings(environment={"PREMASK_CONFIG": str(file)}).port == 7000


def test_the_variables_of_label_studio_ml_are_understood() -> None:
    settings = read_settings(
        environment={
            "LABEL_STUDIO_URL": "http://ls:8080",
            "LABEL_STUDIO_API_KEY": KEY,
            "BASIC_AUTH_USER": "me",
            "BASIC_AUTH_PASS": PASSWORD,
            "LOG_LEVEL": "DEBUG",
            "HOME": "/root",
            "PREMASK_HOME": "/somewhere",
        }
    )
    assert settings.label_studio_url == "http://ls:8080"
    assert (settings.basic_auth_user, settings.basic_auth_pass) == ("me", PASSWORD)
    assert settings.log_level == "DEBUG"


def test_a_misspelled_name_suggests_the_nearest(file: Path) -> None:
    file.write_text('recipes = "faces"')
    with pytest.raises(UnknownSetting, match="Did you mean 'recipe'"):
        read_settings(file, environment={})
    with pytest.raises(UnknownSetting, match="Did you mean 'PREMASK_RECIPE'"):
        read_settings(environment={"PREMASK_RECIPES": "faces"})


@pytest.mark.parametrize(
    ("environment", "words"),
    [
        ({"PORT": "many"}, "port must be a whole number"),
        ({"PORT": "0"}, "from 1 to 65,535"),
        ({"BASIC_AUTH_USER": "me"}, "set both"),
        ({"BASIC_AUTH_PASS": PASSWORD}, "set both"),
        ({"LABEL_STUDIO_URL": "label-studio:8080"}, "such as http://"),
        ({"LABEL_STUDIO_URL": f"ftp://me:{PASSWORD}@ls"}, "no user name or password"),
        ({"LOG_LEVEL": "loud"}, "one of 'DEBUG'"),
    ],
)
def test_a_mistake_is_explained_without_secrets(environment: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidSetting, match=words) as raised:
        read_settings(environment=environment)
    assert PASSWORD not in str(raised.value)


def test_a_file_that_can_not_be_read_is_named(tmp_path: Path) -> None:
    with pytest.raises(InvalidSetting, match=r"gone\.toml"):
        read_settings(tmp_path / "gone.toml", environment={})
    broken = tmp_path / "broken.toml"
    broken.write_text("label_studio_api_key = 4711")
    with pytest.raises(InvalidSetting, match="text in quotes") as raised:
        read_settings(broken, environment={})
    assert "4711" not in str(raised.value)


def test_secrets_are_never_shown_and_never_flags() -> None:
    settings = BackendSettings(
        label_studio_api_key=KEY, basic_auth_user="me", basic_auth_pass=PASSWORD
    )
    shown = dict(shown_settings(settings))
    assert (shown["label_studio_api_key"], shown["basic_auth_user"]) == ("(set)", "me")
    for text in (repr(settings), str(settings), str(shown)):
        assert KEY not in text
        assert PASSWORD not in text
    assert not {"label_studio_api_key", "basic_auth_pass"} & set(flag_settings())


def test_every_command_explains_its_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for command in ("serve", "push", "pull"):
        with pytest.raises(SystemExit):
            main([command, "--help"])
        out = capsys.readouterr().out
        assert "--recipe" in out
        assert "--label-studio-api-key" not in out


def test_a_mistake_is_one_line_and_exit_code_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--recipe", "clik"]) == 2
    assert "Did you mean 'click'?" in capsys.readouterr().err
    assert main(["--port", "none"]) == 2
    assert "port must be a whole number" in capsys.readouterr().err
    assert main(["--recipe", "subject", "--set", "refine.gro=2"]) == 2
    assert "Did you mean 'grow'?" in capsys.readouterr().err
