"""Opens the sockets that the server listens on; a busy port is told in one sentence before anything else begins."""

import errno
import socket
from collections.abc import Sequence

from base.errors import NotReady
from server.setting_values import Address

BACKLOG = 2048


def open_sockets(addresses: Sequence[Address], *, setting: str) -> list[socket.socket]:
    """A listening socket an address; `localhost` opens both loopback addresses. Raises NotReady.

    A machine without IPv6 is no fault while an IPv4 address is among them. `setting` names what to change.
    """
    opened: list[socket.socket] = []
    missing: list[Address] = []
    try:
        for address in spelled_out(addresses):
            made = _open(address, setting)
            if made is None:
                missing.append(address)
            else:
                opened.append(made)
        if not opened:
            raise NotReady(f"this machine has no address {missing[0].host}: change {setting}")
    except NotReady:
        close_sockets(opened)
        raise
    return opened


def spelled_out(addresses: Sequence[Address]) -> list[Address]:
    """The addresses with `localhost` replaced by the two that it stands for."""
    spelled = []
    for address in addresses:
        hosts = ("127.0.0.1", "::1") if address.host == "localhost" else (address.host,)
        spelled += [Address(host, address.port) for host in hosts]
    return spelled


def close_sockets(sockets: Sequence[socket.socket]) -> None:
    """Closes them all."""
    for each in sockets:
        each.close()


def _open(address: Address, setting: str) -> socket.socket | None:
    is_v6 = ":" in address.host
    try:
        made = socket.socket(socket.AF_INET6 if is_v6 else socket.AF_INET, socket.SOCK_STREAM)
    except OSError:
        if is_v6:
            return None
        raise
    try:
        made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if is_v6:
            # Each family has its own socket, so `::` must not take the IPv4 port too.
            made.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        made.bind((address.host, address.port))
        # From here on callers wait instead of being refused while the server starts.
        made.listen(BACKLOG)
        made.setblocking(False)
    except OSError as error:
        made.close()
        if error.errno == errno.EADDRNOTAVAIL and is_v6:
            return None
        raise NotReady(_told(address, error, setting)) from error
    return made


def _told(address: Address, error: OSError, setting: str) -> str:
    if error.errno == errno.EADDRINUSE:
        return (
            f"port {address.port} on {address.host} is already in use: stop the program that uses it (perhaps another"
            f" Ostiary), or choose another port by {setting}"
        )
    if error.errno == errno.EACCES:
        return f"this user may not open port {address.port}: choose one above 1023 by {setting}"
    if error.errno == errno.EADDRNOTAVAIL:
        return f"this machine has no address {address.host}: change {setting}"
    return f"{address} cannot be opened ({error.strerror}): change {setting}"
