"""What the URLs in tasks mean, and that the token is sent to Label Studio only."""

from __future__ import annotations

import base64
from urllib.parse import parse_qs, urlsplit

import pytest

from ml_backend.studio.addresses import Origin, image_address, image_name
from premask.errors import InvalidSetting, UnreadableImage
from premask.web.addresses import url_for_messages

HERE = Origin.of("https://labels.example.com")
BELOW = Origin.of("https://example.com:8443/label-studio/")


@pytest.mark.parametrize(
    ("url", "address"),
    [
        ("/data/upload/1/a.png", "https://labels.example.com/data/upload/1/a.png"),
        ("/data/local-files/?d=a/b%20c.png", "https://labels.example.com/data/local-files/?d=a/b%20c.png"),
        ("/data/local-files/?d=a b/ü.png", "https://labels.example.com/data/local-files/?d=a%20b/%C3%BC.png"),
        ("https://other.org/x y.png?a=1&b=2", "https://other.org/x%20y.png?a=1&b=2"),
        ("//other.org/x.png", "https://other.org/x.png"),
        (" https://other.org/x.png\n", "https://other.org/x.png"),
    ],
)  # fmt: skip
def test_what_a_task_says_becomes_a_url(url: str, address: str) -> None:
    assert image_address(url, HERE) == address


@pytest.mark.parametrize("path", ["/data/upload/1/a.png", "/label-studio/data/upload/1/a.png"])
def test_label_studio_below_a_path(path: str) -> None:
    address = image_address(path, BELOW)
    assert address == "https://example.com:8443/label-studio/data/upload/1/a.png"
    assert BELOW.serves_data(address)


@pytest.mark.parametrize("uri", ["s3://bucket/a b.png", "gs://bucket/ü.png", "azure-blob://c/x"])
def test_cloud_storages_go_through_label_studio(uri: str) -> None:
    address = image_address(uri, BELOW, task_id=7)
    parts = urlsplit(address)
    assert parts.path == "/label-studio/tasks/7/presign/"
    (encoded,) = parse_qs(parts.query)["fileuri"]
    assert base64.urlsafe_b64decode(encoded).decode() == uri
    assert BELOW.serves_data(address)
    with pytest.raises(UnreadableImage, match="part of a saved task"):
        image_address(uri, BELOW)


@pytest.mark.parametrize(
    "url",
    [
        "https://labels.example.com/data/upload/1/a.png",
        "https://LABELS.example.com:443/data/upload/1/a.png",
        "https://labels.example.com./data/local-files/?d=x",
        "https://labels.example.com/storage-data/uploaded/?filepath=x",
        "https://labels.example.com/tasks/3/resolve/?fileuri=x",
        "https://labels.example.com/projects/3/presign/?fileuri=x",
    ],
)
def test_files_of_label_studio_are_its_own(url: str) -> None:
    assert HERE.serves_data(url)


@pytest.mark.parametrize(
    "url",
    [
        "http://labels.example.com/data/upload/1/a.png",
        "https://labels.example.com:8443/data/upload/1/a.png",
        "https://labels.example.com.evil.org/data/upload/1/a.png",
        "https://labels.example.com@evil.org/data/upload/1/a.png",
        "https://evil.org/https://labels.example.com/data/upload/1/a.png",
        "https://labels.example.com/api/users/",
        "https://labels.example.com/tasks/",
        "https://labels.example.com/tasks/3/delete/",
        "https://labels.example.com/tasks/3/resolver/x",
        "https://labels.example.com/projects/1/data",
        "https://labels.example.com/projects/x/presign/?fileuri=x",
        "https://labels.example.com/",
        "https://labels.example.com/data/../api/users/",
        "https://labels.example.com/data/%2e%2e/api/users/",
        "https://labels.example.com/data/..%2fapi/users/",
    ],
)
def test_all_else_is_not(url: str) -> None:
    assert not HERE.serves_data(url)


def test_another_application_of_the_same_host_is_not_label_studio() -> None:
    assert not BELOW.serves_data("https://example.com:8443/data/upload/1/a.png")
    assert not BELOW.serves_data("https://example.com:8443/label-studio-2/data/a.png")
    assert not BELOW.serves_data("https://example.com:8443/label-studio/../data/a.png")


@pytest.mark.parametrize("alias", ["http://localhost:8080", "http://localhost:8080/ls"])
def test_other_names_of_label_studio_become_its_own(alias: str) -> None:
    url = f"{alias}/data/local-files/?d=a%20b.png"
    address = image_address(url, BELOW, aliases=(Origin.of(alias),))
    assert address == "https://example.com:8443/label-studio/data/local-files/?d=a%20b.png"
    assert image_address(url, BELOW) == url


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("file:///etc/passwd", "'file' addresses are not opened"),
        ("ftp://host/a.png", "'ftp' addresses are not opened"),
        ("photos/a.png", "no http:// or https://"),
        ("http:///a.png", "names no host"),
        ("http://user:secret@host/a.png", "a user's name or password"),
        ("http://secret@host/a.png", "a user's name or password"),
        ("http://host:99999/a.png", "ort out of range"),
        ("http://[::1/a.png", "Invalid IPv6"),
    ],
)
def test_what_is_no_address_says_why_and_no_password(url: str, reason: str) -> None:
    with pytest.raises(UnreadableImage, match=reason) as caught:
        image_address(url, HERE)
    assert "secret" not in str(caught.value)


def test_a_relative_address_needs_to_know_where_label_studio_is() -> None:
    with pytest.raises(UnreadableImage, match="LABEL_STUDIO_URL"):
        image_address("/data/upload/1/a.png", None)


def test_a_setting_that_is_no_address_is_refused() -> None:
    with pytest.raises(InvalidSetting, match="labels\\.example\\.com"):
        Origin.of("localhost:8080")
    assert str(Origin.of("http://[::1]:8080/")) == "http://[::1]:8080"


@pytest.mark.parametrize(
    ("url", "name"),
    [
        ("http://h/label-studio/data/local-files/?d=photos/loc%200%231.png", "photos/loc 0#1.png"),
        ("https://h/dir/e%20f.png?X-Amz-Signature=1", "dir/e f.png"),
        ("azure-blob://container/dir/c.png", "dir/c.png"),
        ("data:image/png;base64,AAAA", None),
        ("https://h/", None),
    ],
)
def test_an_image_has_the_name_that_people_call_it(url: str, name: str | None) -> None:
    assert image_name(url) == name


def test_messages_show_no_signature() -> None:
    assert url_for_messages("https://u:p@h/a.png?X-Amz-Signature=1") == "https://h/a.png"
    assert url_for_messages("/data/local-files/?d=a.png") == "/data/local-files/?d=a.png"
    assert len(url_for_messages("data:image/png;base64," + "A" * 999)) < 50
