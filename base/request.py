"""Facts about a request: who is at the other end, and its body within limits (S34, S48)."""

from collections.abc import Sequence
from ipaddress import IPv4Network, IPv6Address, IPv6Network, ip_address

from starlette.requests import ClientDisconnect, Request
from starlette.types import Receive, Scope

from base.forms import MAX_BODY_BYTES, REPEATABLE, Form, FormRefused, parse_form

Network = IPv4Network | IPv6Network

_FORM = b"application/x-www-form-urlencoded"


class BodyTooLarge(Exception):
    """The body is larger than its cap: 413."""


def header(scope: Scope, name: bytes) -> str | None:
    """The only value of a header (lower-case name), or None where it is missing or given twice."""
    found = [value for key, value in scope["headers"] if key == name]
    return found[0].decode("latin-1") if len(found) == 1 else None


def client_address(scope: Scope, trusted: Sequence[Network]) -> str | None:
    """The address of the caller: the peer, or, behind trusted proxies, the right-most untrusted hop.

    `X-Forwarded-For` counts only where the peer is trusted. Garbage in it ends the walk at the last address that a
    trusted proxy vouched for. IPv4-mapped IPv6 addresses are given as IPv4.
    """
    peer = scope.get("client")
    if not peer:
        return None
    address = _plain(peer[0])
    if not trusted or address is None or not _is_trusted(address, trusted):
        return address
    hops = ",".join(value.decode("latin-1") for key, value in scope["headers"] if key == b"x-forwarded-for")
    for hop in reversed(hops.split(",")):
        candidate = _plain(hop.strip())
        if candidate is None:
            return address
        address = candidate
        if not _is_trusted(address, trusted):
            return address
    return address


def is_from_proxy(scope: Scope, trusted: Sequence[Network]) -> bool:
    """Whether the peer is one of the trusted proxies, so that headers which only they set may count."""
    peer = scope.get("client")
    address = _plain(peer[0]) if peer and trusted else None
    return address is not None and _is_trusted(address, trusted)


def _plain(text: str) -> str | None:
    try:
        parsed = ip_address(text)
    except ValueError:
        return None
    if isinstance(parsed, IPv6Address):
        mapped = parsed.ipv4_mapped
        # A zone (`%eth0`) names an interface of ours, not a caller.
        return str(mapped) if mapped else str(parsed).partition("%")[0]
    return str(parsed)


def _is_trusted(address: str, trusted: Sequence[Network]) -> bool:
    parsed = ip_address(address)
    return any(parsed in network for network in trusted)


async def read_body(receive: Receive, *, limit: int = MAX_BODY_BYTES) -> bytes:
    """The whole body; raises BodyTooLarge past `limit` bytes, ClientDisconnect where it ends early."""
    body, has_more = b"", True
    while has_more and len(body) <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            # What came so far is not what was meant.
            raise ClientDisconnect
        body += message.get("body", b"")
        has_more = message.get("more_body", False)
    if len(body) > limit:
        raise BodyTooLarge
    return body


async def read_form(request: Request, *, repeatable: frozenset[str] = REPEATABLE) -> Form:
    """The form in a POST body; raises FormRefused, or BodyTooLarge over 64 KiB."""
    kind = (header(request.scope, b"content-type") or "").encode("latin-1")
    if kind.partition(b";")[0].strip().lower() != _FORM:
        raise FormRefused("the request must be sent as application/x-www-form-urlencoded")
    return parse_form(await read_body(request.receive), repeatable=repeatable)
