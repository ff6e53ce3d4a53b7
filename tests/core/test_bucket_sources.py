"""Images in a bucket, against a real server that speaks S3, on this machine."""

from __future__ import annotations

import http.server
import io
import tarfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar

import boto3
import PIL.Image
import pytest
from moto.server import ThreadedMotoServer

from premask.errors import SourceChanged, UnreadableImage
from premask.labels.shard_table import read_shard
from premask.plans.job import PlanJob
from premask.plans.plan import make_plan
from premask.plans.shard_work import label_shard
from premask.recipes.recipe import recipe_of
from premask.sources import cloud_store
from premask.sources.fetching import ImageFetcher
from premask.sources.listing import list_images
from premask.sources.patience import Patience
from premask.sources.places import Places
from premask.sources.source_image import SourceImage
from tests.core.counting_model import FakeMatter, FakePool, photo

BUCKET = "photos"
PLACES = Places(patience=Patience(tries=2, first_wait=0.001))


@pytest.fixture(scope="module")
def server() -> Iterator[str]:
    serving = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    serving.start()
    yield "http://{}:{}".format(*serving.get_host_and_port())
    serving.stop()


@pytest.fixture
def bucket(server: str, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A bucket with seven photos in two folders, whose keys the environment has."""
    monkeypatch.setenv("AWS_ENDPOINT_URL", server)
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_DEFAULT_REGION", "us-east-1")
    store = boto3.resource("s3")
    bucket = store.create_bucket(Bucket=BUCKET)
    bucket.objects.all().delete()
    for value in range(20, 27):
        bucket.put_object(Key=f"all/{'ab'[value % 2]}/{value}.png", Body=png(value))
    bucket.put_object(Key="all/a/notes.txt", Body=b"no image")
    bucket.put_object(Key="all/.hidden/x.png", Body=b"hidden")
    return bucket


def png(value: int) -> bytes:
    data = io.BytesIO()
    PIL.Image.fromarray(photo(value)).save(data, "PNG")
    return data.getvalue()


def test_a_bucket_is_listed_page_by_page(bucket: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cloud_store, "_PAGE", 3)
    images = list(list_images([f"s3://{BUCKET}/all"], PLACES))
    names = ["a/20.png", "a/22.png", "a/24.png", "a/26.png", "b/21.png", "b/23.png", "b/25.png"]
    assert [image.name for image in images] == names
    assert all(image.size and image.etag for image in images)
    assert ImageFetcher(PLACES).read(images[0]) == png(20)
    matching = list_images([f"s3://{BUCKET}/all/*/2[0-3].png"], PLACES)
    assert [image.name for image in matching] == ["a/20.png", "a/22.png", "b/21.png", "b/23.png"]


def test_an_object_that_changed_or_went_is_told(bucket: Any) -> None:
    changed, gone, *_ = list_images([f"s3://{BUCKET}/all/a"], PLACES)
    # As large as it was: only the etag tells.
    bucket.put_object(Key="all/a/20.png", Body=png(20)[:-1] + b"!")
    bucket.delete_objects(Delete={"Objects": [{"Key": "all/a/22.png"}]})
    with pytest.raises(SourceChanged):
        ImageFetcher(PLACES).read(changed)
    with pytest.raises(UnreadableImage, match=r"22\.png"):
        ImageFetcher(PLACES).read(gone)


def test_a_tar_in_a_bucket_is_read_by_ranges(bucket: Any) -> None:
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        for value in range(3):
            header = tarfile.TarInfo(f"{value}.png")
            header.size = len(png(value))
            tar.addfile(header, io.BytesIO(png(value)))
    bucket.put_object(Key="shards/000.tar", Body=packed.getvalue())
    images = list(list_images([f"s3://{BUCKET}/shards/{{000..000}}.tar"], PLACES))
    assert [ImageFetcher(PLACES).read(image) for image in images] == [png(k) for k in range(3)]


def test_a_list_in_a_bucket_names_no_files_of_this_machine(bucket: Any, tmp_path: Path) -> None:
    (tmp_path / "own.png").write_bytes(png(1))
    text = f"all/a/20.png\n{tmp_path}/own.png\nfile://{tmp_path}/own.png\n"
    bucket.put_object(Key="list.txt", Body=text.encode())
    first, *others = list_images([f"@s3://{BUCKET}/list.txt"], PLACES)
    assert ImageFetcher(PLACES).read(first) == png(20)
    assert all(image.uri.startswith("s3://") for image in others)


def test_a_plan_of_a_bucket_is_labeled(bucket: Any, tmp_path: Path) -> None:
    job = PlanJob(recipe=recipe_of("subject"))
    plan = make_plan([f"s3://{BUCKET}/all"], job, tmp_path, 4)
    for index in plan.shards:
        assert label_shard(plan, index, FakePool(FakeMatter())).won
    rows = [row for index in plan.shards for row in read_shard(plan.labels_path(index))]
    assert [row.uri for row in rows][:2] == [
        f"s3://{BUCKET}/all/a/{value}.png" for value in (20, 22)
    ]
    assert not any(row.error for row in rows)


def test_a_bucket_that_is_not_there_is_told(bucket: Any) -> None:
    with pytest.raises(UnreadableImage):
        list(list_images(["s3://nobody-has-this"], PLACES))


class _FaultyBucket(http.server.BaseHTTPRequestHandler):
    """Stalls, breaks off, and is out of order, and then gives what it has."""

    protocol_version = "HTTP/1.1"
    faults: ClassVar[list[str]] = []
    data = b"an image" * 100

    def do_HEAD(self) -> None:
        self.head(200)

    def do_GET(self) -> None:
        fault = self.faults.pop(0) if self.faults else ""
        if fault == "stalls":
            time.sleep(0.6)
        self.head(503 if fault == "out of order" else 206)
        self.wfile.write(self.data[:10] if fault == "breaks off" else self.data)

    def head(self, status: int) -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(self.data)))
        self.send_header("ETag", '"one"')
        self.end_headers()
        self.close_connection = True

    def log_message(self, format: str, *args: object) -> None: ...


def test_a_bucket_that_stalls_breaks_off_and_fails_is_asked_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    _FaultyBucket.faults = ["stalls", "breaks off", "out of order"]
    monkeypatch.setattr(cloud_store, "_SECONDS_OF_SILENCE", 0.3)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), _FaultyBucket) as serving:
        thread = threading.Thread(target=serving.serve_forever, kwargs={"poll_interval": 0.05})
        thread.start()
        monkeypatch.setenv("AWS_ENDPOINT_URL", f"http://127.0.0.1:{serving.server_port}")
        monkeypatch.setenv("AWS_ACCESS_KEY_ID", "somebody")
        monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
        places = Places(patience=Patience(tries=5, first_wait=0.001))
        size = len(_FaultyBucket.data)
        image = SourceImage(uri="s3://faulty/a.png", name="a.png", size=size, etag="one")
        assert ImageFetcher(places).read(image) == _FaultyBucket.data
        assert not _FaultyBucket.faults
        serving.shutdown()
        thread.join()
