"""Images of tars, zips, tables, lists, patterns and servers: listed, and read within bounds."""

from __future__ import annotations

import http.server
import io
import struct
import sys
import tarfile
import threading
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import ClassVar

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from premask.errors import InvalidSetting, MissingDependency, SourceChanged, UnreadableImage
from premask.sources.fetching import ImageFetcher
from premask.sources.listing import list_images
from premask.sources.patience import Patience
from premask.sources.places import Places
from premask.sources.read_ahead import read_in_order
from premask.sources.source_image import SourceImage

LOCAL = Places(allowed_hosts=("127.0.0.1",), patience=Patience(tries=3, first_wait=0.001))


def contents(*texts: str, places: Places = LOCAL, column: str | None = None) -> dict[str, bytes]:
    """The bytes of all images by their names."""
    fetcher = ImageFetcher(places)
    return {image.name: fetcher.read(image) for image in list_images(texts, places, column=column)}


def add_to_tar(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    header = tarfile.TarInfo(name)
    header.size = len(data)
    tar.addfile(header, io.BytesIO(data))


@pytest.fixture
def shards(tmp_path: Path) -> Path:
    """Two tars, as webdataset writes them, and what a stranger may have put into one."""
    for number in range(2):
        with tarfile.open(tmp_path / f"shard-{number:03}.tar", "w") as tar:
            for key in range(3):
                add_to_tar(tar, f"{key:05}.jpg", b"jpg" * (number + 1) + bytes([key]))
                add_to_tar(tar, f"{key:05}.json", b"{}")
            add_to_tar(tar, "../../out.png", b"climbs")
            add_to_tar(tar, "x" * 300 + ".png", b"a long name")
            link = tarfile.TarInfo("passwd.jpg")
            link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
            tar.addfile(link)
    return tmp_path


def test_tars_of_webdataset(shards: Path) -> None:
    found = contents(f"{shards}/shard-{{000..001}}.tar")
    assert found["shard-001/00002.jpg"] == b"jpgjpg\2"
    assert found["shard-000/out.png"] == b"climbs"
    assert found[f"shard-000/{'x' * 300}.png"] == b"a long name"
    assert len(found) == 10
    assert contents(f"{shards}/*.tar") == found
    (shards / "notes.txt").write_text("no image")
    assert contents(f"{shards}/*") == found
    assert list(contents(f"{shards}/*.tar")) == list(found)


def test_a_tar_that_grew_is_the_same_and_one_that_was_replaced_is_told(shards: Path) -> None:
    tar = shards / "shard-000.tar"
    images = list(list_images([str(tar)], LOCAL))
    with tarfile.open(tar, "a") as more:
        add_to_tar(more, "later.jpg", b"new")
    grown = list(list_images([str(tar)], LOCAL))
    assert [image.id for image in grown[: len(images)]] == [image.id for image in images]
    assert grown[: len(images)] == images
    with tarfile.open(tar, "w") as other:
        add_to_tar(other, "other.jpg", b"other" * 1000)
    with pytest.raises(SourceChanged):
        ImageFetcher(LOCAL).read(images[1])


def test_a_tar_may_not_ask_for_memory_that_it_is_not_worth(tmp_path: Path) -> None:
    header = tarfile.TarInfo("bomb")
    header.type, header.size = tarfile.XHDTYPE, 2**32
    path = tmp_path / "bomb.tar"
    with path.open("wb") as file:
        file.write(header.tobuf(tarfile.USTAR_FORMAT))
        file.truncate(2**32 + 1024)
    with pytest.raises(UnreadableImage, match="bomb"):
        list(list_images([str(path)], LOCAL))


def test_packed_tars_say_what_to_do(tmp_path: Path) -> None:
    with tarfile.open(tmp_path / "a.tar.gz", "w:gz") as tar:
        add_to_tar(tar, "a.jpg", b"a")
    with pytest.raises(UnreadableImage, match="unpack it first"):
        list(list_images([str(tmp_path / "a.tar.gz")], LOCAL))


def test_zips(tmp_path: Path) -> None:
    path = tmp_path / "photos.zip"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.png", b"1" * 5000, zipfile.ZIP_DEFLATED)
        archive.writestr("two.png", b"two", zipfile.ZIP_STORED)
        archive.writestr("notes.txt", b"no image")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    assert contents(str(path)) == {"photos/a/one.png": b"1" * 5000, "photos/two.png": b"two"}
    (image, _) = list_images([str(path)], LOCAL)
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/one.png", b"2" * 5000, zipfile.ZIP_DEFLATED)
    with pytest.raises(SourceChanged):
        ImageFetcher(LOCAL).read(image)


def test_a_zip_that_lies_about_a_size_is_not_unpacked_further(tmp_path: Path) -> None:
    path, data = tmp_path / "bomb.zip", bytes(50_000_000)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb.png", data)
    small = path.read_bytes().replace(struct.pack("<L", len(data)), struct.pack("<L", 1000))
    path.write_bytes(small)
    (image,) = list_images([str(path)], LOCAL)
    assert image.size == 1000
    with pytest.raises(UnreadableImage, match="does not unpack to what"):
        ImageFetcher(LOCAL).read(image)


def test_tables_of_bytes_as_the_hub_has_them(tmp_path: Path) -> None:
    images = [{"bytes": bytes([row]) * 10, "path": f"{row}.jpg"} for row in range(5)]
    table = pa.table({"image": images, "label": list(range(5))})
    pq.write_table(table, tmp_path / "train.parquet", row_group_size=2)
    found = contents(str(tmp_path / "train.parquet"))
    assert found == {f"train/{row}.jpg": bytes([row]) * 10 for row in range(5)}
    (first, *_) = list_images([str(tmp_path / "train.parquet")], LOCAL)
    pq.write_table(table.slice(1), tmp_path / "train.parquet")
    with pytest.raises(SourceChanged):
        ImageFetcher(LOCAL).read(first)


def test_tables_and_lists_of_paths(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    for name in ("a/1.png", "a/2.png"):
        (tmp_path / name).write_bytes(name.encode())
    paths = ["a/1.png", str(tmp_path / "a/2.png"), None]
    pq.write_table(pa.table({"where": paths, "n": [1, 2, 3]}), tmp_path / "list.parquet")
    expected = {"a/1.png": b"a/1.png", "a/2.png": b"a/2.png"}
    assert contents(str(tmp_path / "list.parquet"), column="where") == expected
    with pytest.raises(InvalidSetting, match="--column: where, n"):
        contents(str(tmp_path / "list.parquet"))
    (tmp_path / "list.txt").write_text("# a list\n\na/1.png\na/2.png\nnot/there.png\n")
    listed = list(list_images([f"@{tmp_path}/list.txt"], LOCAL))
    # What is not there is told when it is its turn, and stops nothing.
    assert [image.name for image in listed] == [*expected, "not/there.png"]
    with pytest.raises(UnreadableImage, match="no such file"):
        ImageFetcher(LOCAL).read(listed[2])
    assert contents(f"{tmp_path}/**/*.png") == expected


def test_a_folder_is_listed_as_annotate_does(tmp_path: Path) -> None:
    from premask.runs.inputs import collect_inputs

    for name in ("b.png", "a/2.png", "a/10.png", "a.png", "c/.hidden.png", ".git/x.png", "n.txt"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(b"x")
    (tmp_path / "c" / "up").symlink_to(tmp_path)
    names = [image.name for image in list_images([str(tmp_path)], LOCAL)]
    assert names == [item.name for item in collect_inputs([tmp_path])]
    empty = tmp_path / "empty"
    empty.mkdir()
    with pytest.raises(UnreadableImage, match="there is nothing; looked for"):
        list(list_images([str(empty)], LOCAL))


class _Server(http.server.BaseHTTPRequestHandler):
    """Answers as badly as the path says."""

    protocol_version = "HTTP/1.1"
    fails: ClassVar[dict[str, int]] = {}

    def do_HEAD(self) -> None:
        self.answer(b"whole image", head=True)

    def do_GET(self) -> None:
        self.answer(b"whole image")

    def answer(self, data: bytes, *, head: bool = False) -> None:
        left = self.fails.get(self.path, 0)
        if left:
            self.fails[self.path] = left - 1
        if self.path.startswith("/gone"):
            return self.send_error(404)
        if self.path.startswith("/busy") and left:
            return self.send_error(503)
        self.send_response(200)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if not head:
            torn = self.path.startswith("/torn") and left
            self.wfile.write(data[:4] if torn else data)
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


@pytest.fixture
def server() -> Iterator[str]:
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _Server) as serving:
        thread = threading.Thread(target=serving.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{serving.server_port}"
        serving.shutdown()
        thread.join()


def test_a_server_that_fails_for_a_moment_is_asked_again(server: str, tmp_path: Path) -> None:
    _Server.fails = {"/busy.png": 2, "/torn.png": 2, "/busy-always.png": 1000}
    names = ("busy.png", "torn.png", "gone.png", "busy-always.png")
    (tmp_path / "list.txt").write_text("".join(f"{server}/{name}\n" for name in names))
    busy, torn, gone, always = list_images([f"@{tmp_path}/list.txt"], LOCAL)
    fetcher = ImageFetcher(LOCAL)
    assert fetcher.read(busy) == fetcher.read(torn) == b"whole image"
    with pytest.raises(UnreadableImage, match="404"):
        fetcher.read(gone)
    with pytest.raises(UnreadableImage, match=r"503 .*\(3 tries\)"):
        fetcher.read(always)


def test_addresses_of_strangers_are_guarded(server: str, tmp_path: Path) -> None:
    (tmp_path / "list.txt").write_text(f"{server}/a.png\nsftp://host/a.png\n")
    inside, other = list_images([f"@{tmp_path}/list.txt"], LOCAL)
    with pytest.raises(UnreadableImage, match="--allow-hosts"):
        ImageFetcher(Places()).read(inside)
    with pytest.raises(UnreadableImage, match="'sftp' addresses are not opened"):
        ImageFetcher(LOCAL).read(other)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "fsspec", None)
    with pytest.raises(MissingDependency, match=r"premask\[cloud\]"):
        list(list_images(["s3://bucket/photos"], LOCAL))


def test_reading_ahead_is_bounded_in_bytes() -> None:
    held = most = 0
    lock = threading.Lock()

    def read(image: SourceImage) -> bytes:
        nonlocal held, most
        with lock:
            held += image.size or 0
            most = max(most, held)
        return bytes(image.size or 0)

    images = [SourceImage(uri=f"{number}", name="", size=1000) for number in range(50)]
    order = []
    for image, future in read_in_order(images, read, most_bytes=5000):
        future.result()
        with lock:
            held -= image.size or 0
        order.append(image.uri)
    assert order == [image.uri for image in images]
    # Five ahead, and the one that was handed out.
    assert most <= 6000
