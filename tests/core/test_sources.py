"""What people type: addresses, lists, patterns; with a server on this machine to fetch from."""

from __future__ import annotations

import io
import json
import threading
from collections.abc import Iterator, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from premask.annotations import Annotation
from premask.cli import main
from premask.errors import UnreadableImage
from premask.images import Image
from premask.runs.inputs import collect_inputs
from premask.runs.sources import sources
from premask.sources.naming import name_of_address
from premask.web.hosts import Hosts
from premask.web.image_bytes import fetch_image
from premask.web.network import Network, TimeLimits


def png(gray: int) -> bytes:
    buffer = io.BytesIO()
    PIL.Image.fromarray(np.full((10, 20, 3), gray, np.uint8)).save(buffer, "PNG")
    return buffer.getvalue()


class Site(BaseHTTPRequestHandler):
    asked: list[str] = []  # noqa: RUF012

    def do_GET(self) -> None:
        self.asked.append(self.path)
        if self.path.startswith("/moved"):
            self.send_response(302)
            self.send_header("Location", self.path.replace("/moved", ""))
            self.end_headers()
        elif self.path.startswith("/inside"):
            self.send_response(302)
            self.send_header("Location", "http://127.0.0.2:9/secret.png")
            self.end_headers()
        elif self.path.startswith("/round"):
            self.send_response(302)
            self.send_header("Location", self.path)
            self.end_headers()
        elif self.path.startswith("/none"):
            self.send_error(404)
        else:
            data = png(len(self.path))
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.end_headers()
            self.wfile.write(data)

    def log_message(self, *_: Any) -> None:
        return


@pytest.fixture
def site() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Site)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    Site.asked.clear()
    yield f"127.0.0.1:{server.server_address[1]}"
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture
def finds(monkeypatch: pytest.MonkeyPatch) -> None:
    def run_stages(images: Sequence[Image], *_: Any) -> list[list[Annotation]]:
        return [[Annotation(label="cup", box_xyxy=(1, 2, 9, 8))] for _ in images]

    monkeypatch.setattr("premask.runs.pipeline.run_stages", run_stages)


def names_in(folder: Path) -> list[str]:
    coco = json.loads((folder / "coco.json").read_text())
    return [image["file_name"] for image in coco["images"]]


def network(site: str, **limits: float) -> Network:
    return Network(hosts=Hosts(allowed=(site,)), time_limits=TimeLimits(**limits))


@pytest.mark.usefixtures("finds")
def test_addresses_are_fetched_annotated_and_kept(site: str, tmp_path: Path) -> None:
    out = tmp_path / "out"
    addresses = [f"http://{site}/cats/a%20b.png", f"http://{site}/x.png?size=1"]
    flags = ["--recipe", "faces", "--out", str(out), "--format", "coco,png-masks"]
    assert main(["annotate", *addresses, *flags, "--allow-hosts", site]) == 0
    assert names_in(out) == ["127.0.0.1/cats/a b.png", name_of_address(addresses[1])]
    asked = len(Site.asked)
    assert main(["annotate", *addresses, *flags, "--allow-hosts", site]) == 0
    assert len(Site.asked) == asked
    assert main(["preview", str(out)]) == 0


@pytest.mark.usefixtures("finds")
def test_an_address_that_fails_fails_alone(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "out"
    paths = ("good.png", "none.png", "round.png", "inside.png", "moved/there.png")
    addresses = [f"http://{site}/{path}" for path in paths]
    flags = ["--recipe", "faces", "--out", str(out), "--allow-hosts", site]
    assert main(["annotate", *addresses, *flags]) == 1
    printed = capsys.readouterr().out
    assert names_in(out) == ["127.0.0.1/good.png", "127.0.0.1/moved/there.png"]
    assert "answers 404 Not Found" in printed
    assert "redirects more than 5 times" in printed
    # An allowed server must not lead to another one inside.
    assert "127.0.0.2, which is not in the public internet" in printed
    assert "--allow-hosts 127.0.0.2:9" in printed


@pytest.mark.usefixtures("finds")
def test_what_is_not_public_is_not_fetched_unless_allowed(
    site: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flags = ["--recipe", "faces", "--out", str(tmp_path / "out")]
    assert main(["annotate", f"http://{site}/a.png", *flags]) == 1
    assert f"--allow-hosts {site}" in capsys.readouterr().out
    assert Site.asked == []


@pytest.mark.parametrize("url", ["http://u:p@SITE/a.png", "http:///a.png", "http://SITE:x/a.png"])
def test_addresses_that_are_none_are_named(url: str, site: str) -> None:
    with pytest.raises(UnreadableImage):
        fetch_image(url.replace("SITE", site), network(site))


def test_what_is_too_large_is_left_there(site: str) -> None:
    whole = fetch_image(f"http://{site}/a.png", network(site))
    assert fetch_image(f"http://{site}/a.png", network(site), max_bytes=len(whole)) == whole
    with pytest.raises(UnreadableImage, match="larger than"):
        fetch_image(f"http://{site}/a.png", network(site), max_bytes=len(whole) - 1)


def test_a_pattern_in_quotes_is_what_it_matches(tmp_path: Path) -> None:
    for name in ("a.png", "sub/b.png", "c.jpg", "[x].png"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"")
    found = list(sources([f"{tmp_path}/**/*.png"]))
    assert [Path(text).name for text in found] == ["[x].png", "a.png", "b.png"]
    # A file of this very name is that file.
    assert list(sources([f"{tmp_path}/[x].png"])) == [f"{tmp_path}/[x].png"]
    with pytest.raises(UnreadableImage, match="nothing matches"):
        list(sources([f"{tmp_path}/*.webp"]))


def test_lists_come_from_files_and_from_standard_input(tmp_path: Path) -> None:
    (tmp_path / "beside.png").write_bytes(b"")
    lines = "# photos\n\nbeside.png\r\nhttp://example.com/x.jpg\n  odd name.png\n"
    (tmp_path / "list.txt").write_text(lines)
    expected = [str(tmp_path / "beside.png"), "http://example.com/x.jpg", "  odd name.png"]
    assert list(sources([f"@{tmp_path}/list.txt"])) == expected
    piped = list(sources(["-", "last.png"], io.StringIO("one.png\ntwo.png\n")))
    assert piped == ["one.png", "two.png", "last.png"]
    with pytest.raises(UnreadableImage, match="the list can't be opened"):
        list(sources([f"@{tmp_path}/no.txt"]))


def test_addresses_have_names_of_their_own(tmp_path: Path) -> None:
    urls = [
        "https://example.com/a.jpg?v=1",
        "https://example.com/a.jpg?v=2",
        "https://example.com/../../a.jpg",
        "https://[::1]/",
    ]
    inputs = collect_inputs(urls, results=tmp_path)
    assert len({item.name for item in inputs}) == len({item.stem for item in inputs}) == 4
    assert all(".." not in item.name and ":" not in item.name for item in inputs)
    with pytest.raises(UnreadableImage, match="premask annotate only"):
        collect_inputs(urls)
