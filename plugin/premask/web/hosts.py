"""Which hosts may be connected to: the public internet, a person's own server, what is allowed."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Protocol

Address = tuple[socket.AddressFamily, tuple[Any, ...]]
Resolver = Callable[..., list[tuple[Any, ...]]]
IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address

_NAT64 = ipaddress.ip_network("64:ff9b::/96")
_INSIDE = tuple(
    ipaddress.ip_network(network) for network in ("192.0.0.0/24", "168.63.129.16", "64:ff9b:1::/48")
)
"""Networks that look public, but are not. Python before 3.12.4 takes 192.0.0.0/24 for public, where
192.0.0.192 answers inside of Oracle's cloud, and 64:ff9b:1::/48, which is for local NAT64. The
address 168.63.129.16 is public by its number, but answers inside of Azure."""


class Server(Protocol):
    """A server of the person's own, which may lie anywhere."""

    @property
    def host(self) -> str: ...

    @property
    def port(self) -> int: ...


class ForbiddenAddress(PermissionError):
    """The host is this machine or in a private network, and is not allowed."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Hosts:
    """`allowed` holds names, names with ports, addresses, and networks such as `10.0.0.0/8`.

    `allow_with` tells a person how to allow one more.
    """

    origin: Server | None = None
    allowed: tuple[str, ...] = ()
    allow_with: str = "PREMASK_ALLOWED_HOSTS={server}"
    resolve: Resolver = socket.getaddrinfo

    def addresses_of(self, host: str, port: int) -> list[Address]:
        """All addresses of a host; raises `ForbiddenAddress` if any of them is not allowed."""
        found = self.resolve(host, port, type=socket.SOCK_STREAM)
        addresses = [(family, where) for family, _, _, _, where in found]
        for _, where in addresses:
            address = ipaddress.ip_address(where[0])
            if not (self._allows(host, port, address) or is_public(address)):
                raise ForbiddenAddress(
                    f"'{host}' is {address}, which is not in the public internet. If that is meant "
                    f"to be, allow it: {self.allow_with.format(server=f'{host}:{port}')}"
                )
        return addresses

    def _allows(self, host: str, port: int, address: IpAddress) -> bool:
        if self.origin is not None and (host, port) == (self.origin.host, self.origin.port):
            return True
        return any(
            entry in (host, f"{host}:{port}") or _within(address, entry) for entry in self.allowed
        )


def is_public(address: IpAddress) -> bool:
    """Whether an address, and any that is embedded in it, belongs to the public internet."""
    return (
        address.is_global
        and not address.is_multicast
        and not address.is_reserved
        and not getattr(address, "is_site_local", False)
        and not any(address in network for network in _INSIDE)
        and all(map(is_public, _embedded(address)))
    )


def _embedded(address: IpAddress) -> list[IpAddress]:
    """The IPv4 addresses that an IPv6 address leads to (mapped, 6to4, Teredo, NAT64)."""
    if isinstance(address, ipaddress.IPv4Address):
        return []
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if address in _NAT64:
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _within(address: IpAddress, network: str) -> bool:
    try:
        return address in ipaddress.ip_network(network, strict=False)
    except ValueError:
        return False
