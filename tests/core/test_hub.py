"""What is taken from the model hub: numbers and texts, whole, and only when asked for."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from premask.errors import DownloadFailed, MissingWeights
from premask.models.catalog import Checkpoint, checkpoint_of
from premask.models.weights import arrival, hub
from premask.models.weights.download import download, download_size
from premask.models.weights.installed import installed_weights, weights_identity
from premask.models.weights.kinds import HubWeights

huggingface_hub = pytest.importorskip(
    "huggingface_hub", reason="pip install 'premask[torch]' brings it"
)

# A file without tensors: it tells where it ends, as all of them do.
WEIGHTS = b"\x02\0\0\0\0\0\0\0{}"
COMMIT = "0123456789abcdef0123456789abcdef01234567"


@pytest.fixture
def checkpoint() -> Checkpoint:
    weights = HubWeights(hub="owner/net", bytes=10, gated=True)
    home = "https://huggingface.co/owner/net"
    return replace(checkpoint_of("u2netp"), name="net", weights=weights, homepage=home)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A hub cache as the library lays it out: refs/main names the commit's folder."""
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    repository = tmp_path / "models--owner--net"
    (repository / "refs").mkdir(parents=True)
    (repository / "refs" / "main").write_text(COMMIT)
    folder = repository / "snapshots" / COMMIT
    folder.mkdir(parents=True)
    (folder / "config.json").write_text("{}")
    return folder


def arriving(monkeypatch: pytest.MonkeyPatch, arrive: Callable[..., Any]) -> list[dict[str, Any]]:
    calls: list[dict[str, Any]] = []

    def snapshot_download(**what: Any) -> str:
        calls.append(what)
        return str(arrive(**what))

    monkeypatch.setattr(huggingface_hub, "snapshot_download", snapshot_download)
    return calls


def test_missing_weights_name_the_command(checkpoint: Checkpoint, cache: Path) -> None:
    with pytest.raises(MissingWeights, match="premask models download net"):
        installed_weights(checkpoint)


def test_what_other_tools_downloaded_is_found(checkpoint: Checkpoint, cache: Path) -> None:
    (cache / "model.safetensors").write_bytes(WEIGHTS)
    assert installed_weights(checkpoint) == cache
    assert weights_identity(checkpoint) == COMMIT


def test_a_download_that_stopped_halfway_is_missing(checkpoint: Checkpoint, cache: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (cache / "model.safetensors.index.json").write_text(json.dumps(index))
    (cache / "model-1.safetensors").write_bytes(WEIGHTS)
    with pytest.raises(MissingWeights):
        installed_weights(checkpoint)
    (cache / "model-2.safetensors").write_bytes(WEIGHTS)
    assert installed_weights(checkpoint) == cache


def test_a_pickle_that_the_catalog_names_is_taken_with_its_settings(
    cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = HubWeights(hub="owner/net", pickled="net.pt")
    net = Checkpoint(name="net", family="sam31", weights=weights)
    with pytest.raises(MissingWeights):
        installed_weights(net)

    def arrive(**what: Any) -> Path:
        (cache / "net.pt").write_bytes(WEIGHTS)
        return cache

    calls = arriving(monkeypatch, arrive)
    assert download(net) == cache
    assert "net.pt" in calls[0]["allow_patterns"]
    assert "*.safetensors" not in calls[0]["allow_patterns"]


def test_a_download_tells_how_much_has_come(
    checkpoint: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As the hub's library has it on the disk meanwhile; 10 bytes are expected."""
    monkeypatch.setattr(arrival, "_LOOK_SECONDS", 0.01)
    (cache.parents[1] / "blobs").mkdir()
    (cache.parents[1] / "blobs" / "of-before").write_bytes(b"123")
    seen = threading.Event()

    def arrive(**what: Any) -> Path:
        (cache.parents[1] / "blobs" / "abc.incomplete").write_bytes(b"1234")
        assert seen.wait(60)
        (cache / "model.safetensors").write_bytes(WEIGHTS)
        return cache

    arriving(monkeypatch, arrive)
    said = []
    for progress in arrival.arriving(checkpoint):
        said.append(progress)
        if progress.arrived == 4:
            seen.set()
    assert said[0] == arrival.Arrival(arrived=0, total=10)
    assert said[-1] == arrival.Arrival(arrived=4, total=10)
    assert installed_weights(checkpoint) == cache


def test_a_download_that_fails_says_so_where_it_is_waited_for(
    checkpoint: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def arrive(**what: Any) -> Path:
        raise OSError("no space left")

    arriving(monkeypatch, arrive)
    with pytest.raises(DownloadFailed, match="no space left"):
        list(arrival.arriving(checkpoint))


def test_neither_code_nor_pickles_are_asked_for(
    checkpoint: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "model.safetensors").write_bytes(WEIGHTS)
    calls = arriving(monkeypatch, lambda **what: cache)
    assert download(checkpoint) == cache
    (call,) = calls
    assert call["repo_id"] == "owner/net"
    assert not any(
        pattern.endswith((".py", ".bin", ".pt", "*")) for pattern in call["allow_patterns"]
    )


def test_the_hub_says_how_much_would_come(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def listed(**what: Any) -> list[SimpleNamespace]:
        assert what["dry_run"]
        sizes = [(100, True), (20, True), (3, False)]
        return [
            SimpleNamespace(filename="model.safetensors", file_size=size, will_download=new)
            for size, new in sizes
        ]

    monkeypatch.setattr(huggingface_hub, "snapshot_download", listed)
    unknown = replace(checkpoint, weights=HubWeights(hub="owner/net"))
    assert download_size(unknown) == 120
    assert download_size(checkpoint) == 10


def test_one_file_is_enough_where_one_is_named(
    checkpoint: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (cache / "net.pt").write_bytes(WEIGHTS)
    one = replace(checkpoint, weights=HubWeights(hub="owner/net", file="net.pt"))
    calls = arriving(monkeypatch, lambda **what: cache)
    assert download(one) == cache / "net.pt"
    assert calls[0]["allow_patterns"] == ["net.pt"]


def test_a_repository_without_safetensors_is_refused(
    checkpoint: Checkpoint, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    arriving(monkeypatch, lambda **what: cache)
    with pytest.raises(DownloadFailed, match="Pickled weights"):
        download(checkpoint)


def test_a_gated_model_says_how_to_get_in(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**what: Any) -> None:
        raise _answer(huggingface_hub.errors.GatedRepoError, 403)

    arriving(monkeypatch, refuse)
    with pytest.raises(DownloadFailed, match=r"gated.*https://huggingface\.co/owner/net.*hf auth"):
        download(checkpoint)


def test_no_network_says_so_in_one_line(
    checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**what: Any) -> None:
        raise huggingface_hub.errors.LocalEntryNotFoundError("No network.\nA page of advice.")

    arriving(monkeypatch, refuse)
    with pytest.raises(DownloadFailed) as caught:
        download(checkpoint)
    assert "No network. Check the network" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_nothing_is_downloaded_by_looking(checkpoint: Checkpoint, cache: Path) -> None:
    assert isinstance(checkpoint.weights, HubWeights)
    assert hub.installed(checkpoint.weights) is None


def _answer(error: type[Exception], status: int) -> Exception:
    import httpx

    request = httpx.Request("GET", "https://huggingface.co")
    answer = httpx.Response(status, request=request)
    return error("refused", response=answer)  # type: ignore[call-arg]


def test_weights_that_wait_in_a_pull_request_are_known_by_their_commit(
    checkpoint: Checkpoint, cache: Path
) -> None:
    """`refs/pr/6` may move: what is remembered of images belongs to the commit that came."""
    pull_requests = cache.parents[1] / "refs" / "refs" / "pr"
    pull_requests.mkdir(parents=True)
    (pull_requests / "6").write_text(COMMIT)
    (cache / "model.safetensors").write_bytes(WEIGHTS)
    waiting = replace(checkpoint, weights=HubWeights(hub="owner/net", revision="refs/pr/6"))
    assert installed_weights(waiting) == cache
    assert weights_identity(waiting) == COMMIT
