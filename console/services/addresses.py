"""Which addresses the console may call on behalf of a user: those of the public internet alone.

A name is resolved once, each address that it has is looked at, and the connection goes to the very address
that was looked at, so that a name that answers something else a moment later changes nothing.
"""

import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address
from urllib.parse import SplitResult, urlsplit

from console.core.errors import ConsoleError, Invalid

LONGEST_URL = 2000
PORTS = {"http": 80, "https": 443}
NAT64 = (IPv6Network("64:ff9b::/96"), IPv6Network("64:ff9b:1::/48"))
Address = IPv4Address | IPv6Address
_may_be_private = [False]


class PrivateAddress(ConsoleError):
    """This address is not on the public internet, and the console calls no other."""

    status = 422
    is_final = True


class NotFoundThere(ConsoleError):
    """No host of this name can be found now."""

    status = 422


def configure(*, may_be_private: bool) -> None:
    """Says whether addresses of private networks may be called (`CONSOLE_ALLOW_PRIVATE_WEBHOOKS`)."""
    _may_be_private[0] = may_be_private


def may_be_private() -> bool:
    return _may_be_private[0]


@dataclass(frozen=True)
class Place:
    """Where to connect: each of `addresses` was looked at, `host` is what the certificate has to say."""

    scheme: str
    host: str
    port: int
    addresses: tuple[str, ...]
    target: str

    @property
    def authority(self) -> str:
        """The value of the Host header."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == PORTS[self.scheme] else f"{name}:{self.port}"


def place(url: str) -> Place:
    """Where this URL leads now.

    Raises `Invalid` without the URL's own words, `PrivateAddress`, and `NotFoundThere`.
    """
    parts = parsed(url)
    host, port = parts.hostname or "", parts.port or PORTS[parts.scheme]
    target = f"{parts.path or '/'}{'?' + parts.query if parts.query else ''}"
    found = tuple(dict.fromkeys(str(address) for address in resolve(host, port)))
    return Place(parts.scheme, host, port, found, target)


def parsed(url: str) -> SplitResult:
    """The parts of an http or https URL; raises `Invalid` that names `url`, without the URL's own words."""
    try:
        parts = urlsplit(url)
        is_whole = parts.scheme in PORTS and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_whole = False
    if not is_whole or len(url) > LONGEST_URL or not url.isascii() or not url.isprintable() or " " in url:
        raise _invalid("must be a whole address such as https://hooks.example.com/callboard")
    if parts.username is not None or parts.password is not None:
        raise _invalid("can't hold a name or password; put a token into the path or the query")
    return parts


def _invalid(text: str) -> Invalid:
    return Invalid(f"url: {text}", fields={"url": [text]})


def resolve(host: str, port: int) -> list[Address]:
    """Every address of the host; raises `PrivateAddress` if one may not be called, and `NotFoundThere`."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError):
        raise NotFoundThere("No host of this name can be found now.") from None
    addresses = [ip_address(str(entry[4][0]).partition("%")[0]) for entry in found]
    if not may_be_private() and not all(is_public(address) for address in addresses):
        raise PrivateAddress(
            "This host is in a private network, on this machine or reserved, and is not called. Use a public "
            "address, or have the installation started with CONSOLE_ALLOW_PRIVATE_WEBHOOKS=1."
        )
    return addresses


def is_public(address: Address) -> bool:
    """Whether the address is one of the public internet, also when it stands within another."""
    inner = _inner(address) if isinstance(address, IPv6Address) else None
    if inner is not None:
        return is_public(inner)
    return address.is_global and not (
        address.is_multicast
        or address.is_reserved
        or address.is_unspecified
        or address.is_loopback
        or (isinstance(address, IPv6Address) and address.is_site_local)
    )


def _inner(address: IPv6Address) -> IPv4Address | None:
    """The IPv4 address that an IPv6 address leads to: mapped, compatible, 6to4, Teredo, NAT64."""
    if any(address in network for network in NAT64) or (int(address) >> 32 == 0 and int(address) > 1):
        return IPv4Address(int(address) & 0xFFFFFFFF)
    return address.ipv4_mapped or address.sixtofour or (address.teredo[1] if address.teredo else None)
