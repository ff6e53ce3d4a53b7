"""Fetching from real servers, without the known hazards of Label Studio's own SDK."""

from __future__ import annotations

import base64
import gzip
import io
import shutil
import socket
import ssl
import subprocess
import threading
import time
import tracemalloc
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import numpy as np
import PIL.Image
import pytest

from ml_backend.settings import BackendSettings
from ml_backend.studio.access import Access
from ml_backend.studio.addresses import Origin
from ml_backend.studio.fetch import ImageFetcher
from premask.errors import UnreadableImage
from premask.web.hosts import Hosts
from premask.web.network import Network, TimeLimits
from tests.ml_backend.local_server import Asked, LocalServer, Route, serving

KEY = "0123456789abcdef0123456789abcdef01234567"

Serve = Callable[[dict[str, Route]], LocalServer]


def png(seed: int = 0, side: int = 40) -> bytes:
    noise = np.random.default_rng(seed).integers(0, 256, (side, side, 3), np.uint8)
    file = io.BytesIO()
    PIL.Image.fromarray(noise).save(file, "PNG")
    return file.getvalue()


IMAGE = png()


def image(asked: Asked) -> None:
    asked.answer(IMAGE)


def to(url: str, status: int = 302) -> Route:
    return lambda asked: asked.answer(status=status, headers={"Location": url})


@pytest.fixture
def serve() -> Iterator[Serve]:
    with ExitStack() as stack:
        yield lambda routes: stack.enter_context(serving(routes))


@pytest.fixture
def fetcher(tmp_path: Path) -> Callable[..., ImageFetcher]:
    def make(label_studio: LocalServer | str = "", **settings: Any) -> ImageFetcher:
        url = label_studio if isinstance(label_studio, str) else label_studio.url
        return ImageFetcher(
            BackendSettings(
                label_studio_url=url,
                label_studio_api_key=settings.pop("key", KEY),
                cache_folder=str(tmp_path / "cache"),
                **{"cache_megabytes": 0, "fetch_seconds": 5.0, **settings},
            )
        )

    return make


Make = Callable[..., ImageFetcher]

# --- Where images are, and who is told the token


def test_uploads_and_local_files_are_asked_for_with_the_token(serve: Serve, fetcher: Make) -> None:
    server = serve({"/data/upload/1/a.png": image, "/data/local-files/": image})
    fetch = fetcher(server)
    assert fetch.image_bytes("/data/upload/1/a.png") == IMAGE
    assert fetch.image_bytes(f"{server.url}/data/local-files/?d=a%20b/c.png") == IMAGE
    assert server.authorizations() == [f"Token {KEY}"] * 2
    assert server.paths()[1] == "/data/local-files/?d=a%20b/c.png"


def test_label_studio_below_a_path(serve: Serve, fetcher: Make) -> None:
    server = serve({"/label-studio/data/upload/1/a.png": image})
    fetch = fetcher(f"{server.url}/label-studio")
    assert fetch.image_bytes("/data/upload/1/a.png") == IMAGE
    assert fetch.image_bytes("/label-studio/data/upload/1/a.png") == IMAGE
    assert server.authorizations() == [f"Token {KEY}"] * 2


def test_another_spelling_of_label_studio_is_an_alias(serve: Serve, fetcher: Make) -> None:
    server = serve({"/data/upload/1/a.png": image})
    url = f"http://labels.example:{server.port}/data/upload/1/a.png"
    fetch = fetcher(server, label_studio_aliases=(f"http://labels.example:{server.port}",))
    assert fetch.image_bytes(url) == IMAGE
    assert server.authorizations() == [f"Token {KEY}"]


def test_cloud_storage_through_presign_and_no_token_behind_it(serve: Serve, fetcher: Make) -> None:
    storage = serve({"/bucket/a.png": image})
    signed = f"{storage.url}/bucket/a.png?X-Amz-Signature=abc"
    server = serve({"/tasks/7/presign/": to(signed, 303)})
    fetch = fetcher(server, allowed_hosts=(f"127.0.0.1:{storage.port}",))
    assert fetch.image_bytes("s3://bucket/a.png", task_id=7) == IMAGE
    encoded = base64.urlsafe_b64encode(b"s3://bucket/a.png").decode()
    assert server.paths() == [f"/tasks/7/presign/?fileuri={encoded}"]
    assert server.authorizations() == [f"Token {KEY}"]
    assert storage.paths() == ["/bucket/a.png?X-Amz-Signature=abc"]
    assert storage.authorizations() == [None]


def test_no_token_to_another_port_and_none_back_from_there(serve: Serve, fetcher: Make) -> None:
    server = serve({"/data/a.png": image})
    other = serve({"/data/a.png": to(f"{server.url}/data/a.png")})
    fetch = fetcher(server, allowed_hosts=("127.0.0.1",))
    assert fetch.image_bytes(f"{other.url}/data/a.png") == IMAGE
    assert other.authorizations() == server.authorizations() == [None]


def test_no_token_to_what_is_no_file_of_label_studio(serve: Serve, fetcher: Make) -> None:
    server = serve({"/api/users/": image})
    assert fetcher(server).image_bytes(f"{server.url}/api/users/") == IMAGE
    assert server.authorizations() == [None]


def test_no_cookie_is_kept(serve: Serve, fetcher: Make) -> None:
    server = serve(
        {"*": lambda asked: asked.answer(IMAGE, headers={"Set-Cookie": "sessionid=1; Path=/"})}
    )
    fetch = fetcher(server)
    for _ in range(2):
        fetch.image_bytes("/data/upload/1/a.png")
    assert ["cookie" in asked.headers for asked in server.asked] == [False, False]


@pytest.mark.parametrize(
    ("key", "advice"),
    [("", "set LABEL_STUDIO_API_KEY to a token of yours"), (KEY, "refuses the token")],
)
def test_a_refusal_says_what_to_do(key: str, advice: str, serve: Serve, fetcher: Make) -> None:
    server = serve({"*": lambda asked: asked.answer(status=401)})
    with pytest.raises(UnreadableImage, match=advice) as caught:
        fetcher(server, key=key).image_bytes("/data/upload/1/a.png")
    assert KEY not in str(caught.value)


def test_a_refusal_of_another_server_suggests_the_alias(serve: Serve, fetcher: Make) -> None:
    server = serve({"*": lambda asked: asked.answer(status=401)})
    fetch = fetcher("http://labels.example", allowed_hosts=("127.0.0.1",))
    with pytest.raises(UnreadableImage, match="PREMASK_LABEL_STUDIO_ALIASES"):
        fetch.image_bytes(f"{server.url}/data/upload/1/a.png")


@pytest.mark.parametrize(
    ("known", "setting"),
    [("http://labels.example", "PREMASK_LABEL_STUDIO_ALIASES"), ("", "LABEL_STUDIO_URL")],
)
def test_another_name_of_label_studio_is_no_host_to_allow(
    known: str, setting: str, serve: Serve, fetcher: Make
) -> None:
    """To allow it would end in a 401: no token is sent there."""
    server = serve({"*": image})
    with pytest.raises(UnreadableImage) as caught:
        fetcher(known).image_bytes(f"{server.url}/data/upload/1/a.png")
    assert str(caught.value).endswith(f"say so: {setting}={server.url}")
    assert "ALLOWED_HOSTS" not in str(caught.value)


def test_a_private_storage_that_label_studio_leads_to_is_a_host_to_allow(
    serve: Serve, fetcher: Make
) -> None:
    storage = serve({"*": image})
    label_studio = serve({"*": to(f"{storage.url}/a.png")})
    with pytest.raises(UnreadableImage, match="PREMASK_ALLOWED_HOSTS=127"):
        fetcher(label_studio).image_bytes("/data/upload/1/a.png")


# --- Which hosts


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "127.1"])
def test_this_machine_is_not_fetched_from(host: str, serve: Serve, fetcher: Make) -> None:
    server = serve({"*": image})
    with pytest.raises(UnreadableImage, match="not in the public internet"):
        fetcher("http://labels.example").image_bytes(f"http://{host}:{server.port}/a.png")
    assert server.asked == []


def test_a_redirect_is_checked_like_the_first_address(serve: Serve, fetcher: Make) -> None:
    inside = serve({"*": image})
    outside = serve({"*": to(f"{inside.url}/a.png")})
    fetch = fetcher(allowed_hosts=(f"127.0.0.1:{outside.port}",))
    with pytest.raises(UnreadableImage, match="not in the public internet"):
        fetch.image_bytes(f"{outside.url}/a.png")
    assert len(outside.asked) == 1
    assert inside.asked == []


@pytest.mark.parametrize(
    ("location", "reason"),
    [
        ("file:///etc/passwd", "'file' addresses"),
        ("http://me:secret@127.0.0.1/a.png", "a user's name or password"),
        ("http://[", "Invalid IPv6"),
    ],
)
def test_a_redirect_to_what_is_no_address(
    location: str, reason: str, serve: Serve, fetcher: Make
) -> None:
    server = serve({"*": to(location)})
    with pytest.raises(UnreadableImage, match=reason) as caught:
        fetcher(server).image_bytes("/data/a.png")
    assert "secret" not in str(caught.value)


def test_redirects_end(serve: Serve, fetcher: Make) -> None:
    server = serve({"*": to("/data/again")})
    with pytest.raises(UnreadableImage, match="redirects more than 5 times"):
        fetcher(server).image_bytes("/data/a.png")
    assert len(server.asked) == 6


def with_network(network: Network, **settings: Any) -> ImageFetcher:
    settings = {"cache_megabytes": 0, "fetch_seconds": 5.0, **settings}
    return ImageFetcher(BackendSettings(**settings), Access(network=network))


def answering(*addresses: str) -> Any:
    """A resolver that answers with these addresses, one for each call; a further call fails."""
    waiting = list(addresses)

    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (waiting.pop(0), port))]

    return resolve


def test_the_address_that_was_checked_is_the_one_connected_to(serve: Serve) -> None:
    server = serve({"*": image})
    # The second answer is the attack: a name that is public for the check, and private after it.
    hosts = Hosts(allowed=("127.0.0.0/8",), resolve=answering("127.0.0.1", "10.0.0.1"))
    fetch = with_network(Network(hosts=hosts))
    assert fetch.image_bytes(f"http://images.example:{server.port}/a.png") == IMAGE
    assert server.asked[0].headers["host"] == f"images.example:{server.port}"


def test_an_attacked_name_is_refused_the_second_time(serve: Serve) -> None:
    server = serve({"*": image})
    hosts = Hosts(allowed=("127.0.0.1",), resolve=answering("127.0.0.1", "127.0.0.2"))
    fetch = with_network(Network(hosts=hosts))
    fetch.image_bytes(f"http://images.example:{server.port}/a.png")
    with pytest.raises(UnreadableImage, match=r"'images\.example' is 127\.0\.0\.2"):
        fetch.image_bytes(f"http://images.example:{server.port}/a.png")


@pytest.fixture(scope="session")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Key and certificate of images.example, signed by itself."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl, which makes the certificate, is not installed")
    path = tmp_path_factory.mktemp("certificate") / "images.example.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 2"
    names = ["-subj", "/CN=x", "-addext", "subjectAltName=DNS:images.example"]
    made = subprocess.run([*command.split(), *names, "-keyout", path], capture_output=True)
    path.write_bytes(path.read_bytes() + made.stdout)
    return path


@pytest.mark.parametrize(("host", "works"), [("images.example", True), ("other.example", False)])
def test_the_name_in_the_certificate_is_checked(host: str, works: bool, certificate: Path) -> None:
    there = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    there.load_cert_chain(certificate)
    here = ssl.create_default_context(cafile=str(certificate))
    hosts = Hosts(allowed=("127.0.0.1",), resolve=answering("127.0.0.1"))
    fetch = with_network(Network(hosts=hosts, tls=here))
    with serving({"*": image}, there) as server:
        url = f"https://{host}:{server.port}/a.png"
        if works:
            assert fetch.image_bytes(url) == IMAGE
        else:
            with pytest.raises(UnreadableImage, match="certificate"):
                fetch.image_bytes(url)


# --- Limits of time and size


def never(asked: Asked) -> None:
    time.sleep(20)


def drip_head(asked: Asked) -> None:
    asked.send(b"HTTP/1.1 200 OK\r\n")
    for _ in range(200):
        asked.send(b"X-Drip: 1\r\n")
        time.sleep(0.1)


def drip_body(asked: Asked) -> None:
    asked.begin(headers={"Content-Length": "1000000"})
    drip(asked)


def drip_body_without_length(asked: Asked) -> None:
    asked.begin()
    drip(asked)


def drip(asked: Asked) -> None:
    for byte in IMAGE[:200]:
        asked.send(bytes([byte]))
        time.sleep(0.1)


def stop_in_the_body(asked: Asked) -> None:
    asked.begin(headers={"Content-Length": "1000000"})
    asked.send(IMAGE)
    time.sleep(20)


@pytest.mark.parametrize(
    "route", [never, drip_head, drip_body, drip_body_without_length, stop_in_the_body]
)
def test_a_slow_server_is_given_up(route: Route, serve: Serve, fetcher: Make) -> None:
    server = serve({"*": route})
    started = time.monotonic()
    with pytest.raises(UnreadableImage, match=r"more than 1 s"):
        fetcher(server, fetch_seconds=1.0).image_bytes("/data/a.png")
    assert time.monotonic() - started < 2


def test_redirects_share_the_time(serve: Serve, fetcher: Make) -> None:
    def slowly(asked: Asked) -> None:
        time.sleep(0.4)
        asked.answer(status=302, headers={"Location": "/data/again"})

    started = time.monotonic()
    with pytest.raises(UnreadableImage, match="more than 1 s"):
        fetcher(serve({"*": slowly}), fetch_seconds=1.0).image_bytes("/data/a.png")
    assert time.monotonic() - started < 1.6


def test_a_server_that_is_silent_in_between(serve: Serve) -> None:
    hosts = Hosts(origin=Origin.of((server := serve({"*": never})).url))
    fetch = with_network(Network(hosts=hosts, time_limits=TimeLimits(read=0.3)), fetch_seconds=10.0)
    started = time.monotonic()
    with pytest.raises(UnreadableImage, match="kept silent"):
        fetch.image_bytes(f"{server.url}/a.png")
    assert time.monotonic() - started < 2


def endless(asked: Asked) -> None:
    asked.begin()
    asked.send(IMAGE)
    while True:
        asked.send(bytes(2**20))


def declared(asked: Asked) -> None:
    asked.begin(headers={"Content-Length": str(2 * 10**6)})
    time.sleep(3)  # nobody has to wait for the body to know that it is too much


BOMB = gzip.compress(IMAGE + bytes(50 * 10**6), 1)


def bomb(asked: Asked) -> None:
    asked.answer(BOMB, headers={"Content-Encoding": "gzip"})


@pytest.mark.parametrize("route", [endless, declared, bomb])
def test_too_much_is_not_taken(route: Route, serve: Serve, fetcher: Make) -> None:
    fetch = fetcher(serve({"*": route}), max_image_megabytes=1, fetch_seconds=2.0)
    with pytest.raises(UnreadableImage, match="larger than 1 MB; PREMASK_MAX_IMAGE_MEGABYTES"):
        fetch.image_bytes("/data/a.png")


def test_of_many_bombs_one_is_unpacked_at_a_time(
    serve: Serve, fetcher: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_backend.studio.fetch.FREE_BYTES", 10**6)
    small, limit = 4 * 10**6, 20
    fetch = fetcher(serve({"*": bomb}), max_image_megabytes=limit, fetch_seconds=20.0)
    tracemalloc.start()
    try:
        with ThreadPoolExecutor(6) as workers:
            answers = [workers.submit(fetch.image_bytes, f"/data/{n}.png") for n in range(6)]
            for answer in answers:
                with pytest.raises(UnreadableImage, match="larger than"):
                    answer.result()
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    # Twice what one may take, because a buffer that grows is copied, and a little of each other.
    assert peak < 2 * limit * 10**6 + 6 * small


def test_a_large_image_waits_for_another_only_as_long_as_it_has_time(
    serve: Serve, fetcher: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ml_backend.studio.fetch.FREE_BYTES", 100)
    fetch = fetcher(serve({"*": image}), fetch_seconds=0.5)
    with fetch._large, pytest.raises(UnreadableImage, match="other large images"):
        fetch.image_bytes("/data/a.png")
    assert fetch.image_bytes("/data/a.png") == fetch.image_bytes("/data/b.png") == IMAGE


def test_a_bomb_is_not_unpacked_first(serve: Serve, fetcher: Make) -> None:
    fetch = fetcher(serve({"*": bomb}), max_image_megabytes=1)
    tracemalloc.start()
    try:
        with pytest.raises(UnreadableImage):
            fetch.image_bytes("/data/a.png")
        assert tracemalloc.get_traced_memory()[1] < 8 * 10**6
    finally:
        tracemalloc.stop()


def test_what_is_packed_is_unpacked(serve: Serve, fetcher: Make) -> None:
    packed = gzip.compress(IMAGE)
    server = serve({"*": lambda asked: asked.answer(packed, headers={"Content-Encoding": "gzip"})})
    assert fetcher(server).image_bytes("/data/a.png") == IMAGE
    assert server.asked[0].headers["accept-encoding"] == "identity"


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b"<html>log in</html>", "text/html"),
        (b'{"secret": 1}', "application/json"),
        (b"", "text/html"),
    ],
)
def test_what_is_no_image_is_refused(body: bytes, kind: str, serve: Serve, fetcher: Make) -> None:
    server = serve({"*": lambda asked: asked.answer(body, headers={"Content-Type": kind})})
    with pytest.raises(UnreadableImage, match=f"no image but '{kind}'" if body else "empty"):
        fetcher(server, cache_megabytes=10).image_bytes("/data/a.png")


@pytest.mark.parametrize("packed", [False, True])
@pytest.mark.parametrize("length", ["exact", "chunked", "none"])
def test_an_image_that_was_cut_off_is_neither_given_nor_kept(
    length: str, packed: bool, serve: Serve, fetcher: Make
) -> None:
    def cut_off(asked: Asked) -> None:
        if len(server.asked) > 1:
            asked.answer(IMAGE)
            return
        body = gzip.compress(IMAGE) if packed else IMAGE
        headers = {"Content-Encoding": "gzip"} if packed else {}
        if length == "exact":
            headers["Content-Length"] = str(len(body))
        if length == "chunked":
            headers["Transfer-Encoding"] = "chunked"
        asked.begin(headers=headers)
        asked.send(b"%x\r\n" % len(body) * (length == "chunked") + body[:-1000])

    server = serve({"*": cut_off})
    fetch = fetcher(server, cache_megabytes=10)
    with pytest.raises(UnreadableImage, match=r"before the end|speak HTTP|broken"):
        fetch.image_bytes("/data/a.png")
    assert fetch.image_bytes("/data/a.png") == IMAGE


def test_what_was_packed_and_cut_off_is_noticed_by_itself(serve: Serve, fetcher: Make) -> None:
    def cut_off(asked: Asked) -> None:
        asked.begin(headers={"Content-Encoding": "gzip"})
        asked.send(gzip.compress(IMAGE)[:-1000])

    with pytest.raises(UnreadableImage, match="before the end of what was packed"):
        fetcher(serve({"*": cut_off})).image_bytes("/data/a.png")


def test_a_file_without_its_length_is_kept_when_it_is_whole(serve: Serve, fetcher: Make) -> None:
    def without_length(asked: Asked) -> None:
        asked.begin()
        asked.send(IMAGE)

    server = serve({"*": without_length})
    fetch = fetcher(server, cache_megabytes=10)
    assert fetch.image_bytes("/data/a.png") == fetch.image_bytes("/data/a.png") == IMAGE
    assert len(server.asked) == 1


def test_images_inside_of_addresses() -> None:
    fetch = with_network(Network(), max_image_megabytes=1)
    inline = "data:image/png;base64," + base64.b64encode(IMAGE).decode()
    assert fetch.image_bytes(inline) == IMAGE
    with pytest.raises(UnreadableImage, match="larger than 1 MB"):
        fetch.image_bytes("data:image/png;base64," + "A" * 1_400_000)
    with pytest.raises(UnreadableImage, match="broken"):
        fetch.image_bytes("data:image/png;base64,%%%")


# --- Hazards of the SDK's fetcher that are about this machine's disk


def test_files_of_this_machine_are_not_read_behind_label_studio(
    tmp_path: Path, serve: Serve, fetcher: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "secret.png").write_bytes(IMAGE)
    upload = tmp_path / "label-studio" / "media" / "upload" / "1"
    upload.mkdir(parents=True)
    (upload / "a.png").write_bytes(IMAGE)
    monkeypatch.setenv("LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path))
    monkeypatch.setenv("LABEL_STUDIO_LOCAL_FILES_DOCUMENT_ROOT", str(tmp_path))
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    server = serve({"*": lambda asked: asked.answer(status=403)})
    for url in ("/data/local-files/?d=secret.png", "/data/upload/1/a.png"):
        with pytest.raises(UnreadableImage, match="refuses the token"):
            fetcher(server).image_bytes(url)
    assert len(server.asked) == 2


@pytest.mark.parametrize("url", ["file:///etc/hostname", "/etc/hostname", "../a.png", "a.png", ""])
def test_paths_of_this_machine_are_no_addresses(url: str, fetcher: Make) -> None:
    with pytest.raises(UnreadableImage, match=r"not opened|http://|LABEL_STUDIO_URL"):
        fetcher().image_bytes(url)


# --- What is kept


def test_an_image_is_fetched_once(serve: Serve, fetcher: Make) -> None:
    server = serve({"*": image})
    for _ in range(2):
        assert fetcher(server, cache_megabytes=10).image_bytes("/data/a.png") == IMAGE
    assert len(server.asked) == 1


def test_images_of_one_name_are_not_mixed_up(serve: Serve, fetcher: Make) -> None:
    def by_query(asked: Asked) -> None:
        asked.answer(png(int(asked.path[-1])))

    server = serve({"*": by_query})
    fetch = fetcher(server, cache_megabytes=10)
    for _ in range(2):
        assert fetch.image_bytes("/data/local-files/?d=1") == png(1)
        assert fetch.image_bytes("/data/local-files/?d=2") == png(2)


def test_nobody_gets_what_another_token_has_fetched(serve: Serve, fetcher: Make) -> None:
    def only_mine(asked: Asked) -> None:
        mine = asked.headers.get("authorization") == f"Token {KEY}"
        asked.answer(IMAGE) if mine else asked.answer(status=401)

    server = serve({"*": only_mine})
    assert fetcher(server, cache_megabytes=10).image_bytes("/data/a.png") == IMAGE
    for other in ("", KEY[::-1]):
        with pytest.raises(UnreadableImage):
            fetcher(server, cache_megabytes=10, key=other).image_bytes("/data/a.png")


def test_one_bucket_name_in_two_projects_is_two_images(serve: Serve, fetcher: Make) -> None:
    server = serve(
        {
            "/tasks/1/presign/": lambda asked: asked.answer(png(1)),
            "/tasks/2/presign/": lambda asked: asked.answer(png(2)),
        }
    )
    fetch = fetcher(server, cache_megabytes=10)
    assert fetch.image_bytes("s3://b/a.png", task_id=1) == png(1)
    assert fetch.image_bytes("s3://b/a.png", task_id=2) == png(2)


@pytest.mark.parametrize("validator", ["ETag", "Last-Modified"])
def test_a_changed_image_is_noticed_and_an_unchanged_one_not_sent_again(
    validator: str, serve: Serve, fetcher: Make
) -> None:
    bodies, tags = [png(1)], ["Sat, 21 Nov 2026 06:00:00 GMT"]
    asks = {"ETag": "if-none-match", "Last-Modified": "if-modified-since"}[validator]

    def versioned(asked: Asked) -> None:
        if asked.headers.get(asks) == tags[-1]:
            asked.answer(status=304, headers={validator: tags[-1]})
        else:
            asked.answer(bodies[-1], headers={validator: tags[-1]})

    server = serve({"*": versioned})
    fetch = fetcher(server, cache_megabytes=10, cache_seconds=0)
    assert fetch.image_bytes("/data/a.png") == fetch.image_bytes("/data/a.png") == png(1)
    assert [asked.headers.get(asks) for asked in server.asked] == [None, tags[0]]
    bodies.append(png(2))
    tags.append("Sat, 21 Nov 2026 07:00:00 GMT")
    assert fetch.image_bytes("/data/a.png") == png(2)


def test_without_a_validator_an_old_image_is_fetched_anew(serve: Serve, fetcher: Make) -> None:
    server = serve({"*": lambda asked: asked.answer(png(len(server.asked)))})
    fetch = fetcher(server, cache_megabytes=10, cache_seconds=0)
    assert [fetch.image_bytes("/data/a.png") for _ in range(2)] == [png(1), png(2)]


def test_many_threads_get_whole_images(serve: Serve, fetcher: Make) -> None:
    big = png(side=400)

    def in_pieces(asked: Asked) -> None:
        asked.begin(headers={"Content-Length": str(len(big))})
        for start in range(0, len(big), 50_000):
            asked.send(big[start : start + 50_000])
            time.sleep(0.01)

    fetch = fetcher(serve({"*": in_pieces}), cache_megabytes=10)
    got: list[bytes] = []
    threads = [
        threading.Thread(target=lambda: got.append(fetch.image_bytes("/data/a.png")))
        for _ in range(8)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert got == [big] * 8
