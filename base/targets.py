"""Where a call goes: an address taken apart, whether it may be called at all (S48), and what its name stands for."""

import asyncio
import socket
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import SplitResult, urlsplit

from base.request import Network

IpAddress = IPv4Address | IPv6Address
MAX_URL_LENGTH = 4096

# Everything that IANA's special-purpose registries (RFC 6890) do not give to the public internet. Python's own
# `is_global` changed between versions; a list that can be read does not.
_SPECIAL_V4 = tuple(
    ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24"
        " 192.88.99.0/24 192.168.0.0/16 198.18.0.0/15 198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4"
    ).split()
)
_PUBLIC_V6 = ip_network("2000::/3")
# Teredo and its kin, documentation, 6to4 (which wraps an IPv4 address), documentation again.
_SPECIAL_V6 = tuple(ip_network(text) for text in ("2001::/23", "2001:db8::/32", "2002::/16", "3fff::/20"))
# A translator turns its last 32 bits into an IPv4 address (RFC 6052): it must be judged by those.
_NAT64 = ip_network("64:ff9b::/96")


@dataclass(frozen=True, slots=True)
class Target:
    """An address to call, taken apart; only `shown` is fit for logs."""

    scheme: str
    host: str
    port: int
    path: str

    @property
    def shown(self) -> str:
        """Host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        default = {"https": 443, "http": 80}[self.scheme]
        return host if self.port == default else f"{host}:{self.port}"


def parse_target(url: str) -> Target:
    """The target of an `https://` or `http://` address; raises ValueError, whose words never repeat the address."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise ValueError("expected an address such as https://hooks.example.com/path") from None
    _check_parts(url, parts, host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(parts.scheme, host, port or {"https": 443, "http": 80}[parts.scheme], path)


def _check_parts(url: str, parts: SplitResult, host: str) -> None:
    if parts.scheme not in ("https", "http") or not host or parts.port == 0:
        raise ValueError("expected an address such as https://hooks.example.com/path")
    if not url.isascii() or any(char <= " " or char in "\\\x7f" for char in url):
        raise ValueError("expected an address in ASCII without spaces (an international name in its xn-- form)")
    if len(url) > MAX_URL_LENGTH:
        raise ValueError(f"expected an address of at most {MAX_URL_LENGTH} characters")
    if parts.fragment or "@" in parts.netloc:
        raise ValueError("expected no user, password or fragment in the address")


def is_public(address: IpAddress) -> bool:
    """Whether an address is one of the public internet; those that wrap an IPv4 address are judged by it."""
    if isinstance(address, IPv4Address):
        return not any(address in network for network in _SPECIAL_V4)
    inner = _wrapped(address)
    if inner is not None:
        return is_public(inner)
    return address in _PUBLIC_V6 and not any(address in network for network in _SPECIAL_V6)


def _wrapped(address: IPv6Address) -> IPv4Address | None:
    if address.ipv4_mapped is not None:
        return address.ipv4_mapped
    return IPv4Address(int(address) & 0xFFFFFFFF) if address in _NAT64 else None


def is_allowed(address: IpAddress, allow: Sequence[Network]) -> bool:
    """Whether an operator named a network with this address, or with the IPv4 address that it wraps."""
    inner = _wrapped(address) if isinstance(address, IPv6Address) else None
    return any(address in network or (inner is not None and inner in network) for network in allow)


async def resolve_name(host: str, port: int) -> Sequence[str]:
    """The addresses of a name, in the system's order; raises OSError.

    A thread of its own, that nobody waits for at the end: a name server that hangs for half a minute would otherwise
    fill the threads that others work in, and hold up a stop.
    """
    loop = asyncio.get_running_loop()
    done: asyncio.Future[Sequence[str]] = loop.create_future()

    def settle(addresses: Sequence[str], failure: OSError | UnicodeError | None) -> None:
        if done.cancelled():
            return
        if failure is not None:
            done.set_exception(failure)
        else:
            done.set_result(addresses)

    def look_up() -> None:
        addresses: Sequence[str] = ()
        failure: OSError | UnicodeError | None = None
        try:
            addresses = [str(each[4][0]) for each in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
        except (OSError, UnicodeError) as error:
            failure = error
        if not loop.is_closed():
            loop.call_soon_threadsafe(settle, addresses, failure)

    threading.Thread(target=look_up, name="resolve", daemon=True).start()
    return await done
