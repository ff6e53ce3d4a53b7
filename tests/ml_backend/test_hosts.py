"""Private addresses are refused, however they are written."""

from __future__ import annotations

import ipaddress
import socket
from typing import Any

import pytest

from ml_backend.studio.addresses import Origin
from premask.web.hosts import ForbiddenAddress, Hosts, is_public


@pytest.mark.parametrize("address", ["93.184.216.34", "1.1.1.1", "2606:4700:4700::1111"])
def test_the_internet_is_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.1.1", "0.0.0.0", "100.64.0.1",
        "169.254.169.254", "100.100.100.200", "192.0.0.192", "168.63.129.16",
        "224.0.0.1", "239.1.1.1", "240.0.0.1", "255.255.255.255",
        "::", "::1", "fe80::1", "fc00::1", "fd00:ec2::254", "fec0::1", "ff02::1",
        "::ffff:127.0.0.1", "::ffff:10.0.0.1", "::ffff:169.254.169.254",
        "2002:7f00:1::", "2002:a9fe:a9fe::1", "64:ff9b::7f00:1", "64:ff9b::169.254.169.254",
        "2001:0:4136:e378:8000:63bf:3fff:fdd2",
    ],
)  # fmt: skip
def test_what_leads_inside_is_not(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


def hosts(*addresses: str, **fields: Any) -> Hosts:
    def resolve(host: str, port: int, **options: Any) -> list[Any]:
        return [
            (
                socket.AF_INET6 if ":" in address else socket.AF_INET,
                socket.SOCK_STREAM,
                6,
                "",
                (address, port),
            )
            for address in addresses
        ]

    return Hosts(resolve=resolve, **fields)


def test_one_bad_address_forbids_the_host() -> None:
    assert len(hosts("1.1.1.1", "1.0.0.1").addresses_of("dns.example", 80)) == 2
    with pytest.raises(ForbiddenAddress, match=r"10\.0\.0\.1.*PREMASK_ALLOWED_HOSTS=dns\.example"):
        hosts("1.1.1.1", "10.0.0.1").addresses_of("dns.example", 80)


def test_the_name_of_a_network_card_hides_nothing() -> None:
    with pytest.raises(ForbiddenAddress):
        hosts("fe80::1%eth0").addresses_of("link.example", 80)


@pytest.mark.parametrize("allowed", ["minio", "minio:9000", "10.0.0.7", "10.0.0.0/8"])
def test_what_is_allowed(allowed: str) -> None:
    assert hosts("10.0.0.7", allowed=(allowed,)).addresses_of("minio", 9000)


@pytest.mark.parametrize("allowed", ["minio:9001", "other", "10.0.0.8", "192.168.0.0/16", "10"])
def test_what_is_not_allowed(allowed: str) -> None:
    with pytest.raises(ForbiddenAddress):
        hosts("10.0.0.7", allowed=(allowed,)).addresses_of("minio", 9000)


def test_label_studio_itself_may_be_inside_but_not_its_neighbors() -> None:
    inside = hosts("10.0.0.7", origin=Origin.of("http://labels:8080"))
    assert inside.addresses_of("labels", 8080)
    for host, port in (("labels", 8081), ("database", 8080)):
        with pytest.raises(ForbiddenAddress):
            inside.addresses_of(host, port)
