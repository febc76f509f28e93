"""Who is at the other end, and the body within its limits (S34, S48)."""

from collections.abc import Iterable
from ipaddress import ip_network

import pytest
from starlette.requests import ClientDisconnect
from starlette.types import Message, Receive, Scope

from base.request import BodyTooLarge, client_address, header, read_body

PROXIES = (ip_network("10.0.0.0/8"), ip_network("fd00::/8"))


def scope(peer: str | None, *forwarded: str) -> Scope:
    """A request from this peer with these X-Forwarded-For headers."""
    headers = [(b"x-forwarded-for", value.encode()) for value in forwarded]
    return {"type": "http", "client": (peer, 1) if peer else None, "headers": headers}


@pytest.mark.parametrize(
    ("peer", "forwarded", "expected"),
    [
        # Not a proxy of ours: what it says of others counts for nothing.
        ("198.51.100.7", ("203.0.113.1",), "198.51.100.7"),
        ("10.0.0.1", (), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.1",), "203.0.113.1"),
        # The right-most hop that is not ours; what stands before it was said by a stranger.
        ("10.0.0.1", ("6.6.6.6, 203.0.113.1",), "203.0.113.1"),
        ("10.0.0.1", ("6.6.6.6, 203.0.113.1, 10.0.0.2",), "203.0.113.1"),
        ("10.0.0.1", ("6.6.6.6", "203.0.113.1,10.0.0.3"), "203.0.113.1"),
        ("10.0.0.1", ("10.0.0.4, 10.0.0.2",), "10.0.0.4"),
        # Garbage ends the walk at the last hop that was vouched for.
        ("10.0.0.1", ("evil",), "10.0.0.1"),
        ("10.0.0.1", ("203.0.113.1, evil, 10.0.0.2",), "10.0.0.2"),
        ("10.0.0.1", ("203.0.113.1:8080",), "10.0.0.1"),
        ("10.0.0.1", ("",), "10.0.0.1"),
        ("::ffff:198.51.100.7", (), "198.51.100.7"),
        ("fd00::1", ("2001:db8::1%eth0",), "2001:db8::1"),
        ("10.0.0.1", ("::ffff:203.0.113.1",), "203.0.113.1"),
        (None, ("203.0.113.1",), None),
        ("unix", ("203.0.113.1",), None),
    ],
)
def test_the_address_is_the_right_most_hop_that_no_proxy_of_ours_is(
    peer: str | None, forwarded: tuple[str, ...], expected: str | None
) -> None:
    """S34"""
    assert client_address(scope(peer, *forwarded), PROXIES) == expected


def test_without_trusted_proxies_only_the_peer_counts() -> None:
    """S34"""
    assert client_address(scope("10.0.0.1", "203.0.113.1"), ()) == "10.0.0.1"


def test_a_header_that_came_twice_is_none() -> None:
    """S11"""
    headers = [(b"a", b"1"), (b"b", b"2"), (b"b", b"3")]
    assert [header({"headers": headers}, name) for name in (b"a", b"b", b"c")] == ["1", None, None]


def receiving(messages: Iterable[Message]) -> Receive:
    """A `receive` that gives these messages, and fails where it is asked for more."""
    waiting = iter(messages)

    async def receive() -> Message:
        return next(waiting)

    return receive


def part(body: bytes, *, more: bool) -> Message:
    return {"type": "http.request", "body": body, "more_body": more}


@pytest.mark.anyio
async def test_a_body_in_pieces_is_put_together() -> None:
    messages = [part(b"a=1", more=True), part(b"", more=True), part(b"&b=2", more=False)]
    assert await read_body(receiving(messages)) == b"a=1&b=2"
    assert await read_body(receiving([{"type": "http.request"}])) == b""


@pytest.mark.anyio
async def test_a_body_over_its_cap_is_refused_as_soon_as_it_is() -> None:
    """S48: nothing behind the cap is even received."""
    with pytest.raises(BodyTooLarge):
        await read_body(receiving([part(b"x" * 6, more=True), part(b"x" * 5, more=True)]), limit=10)
    assert await read_body(receiving([part(b"x" * 10, more=False)]), limit=10) == b"x" * 10


@pytest.mark.anyio
async def test_a_body_that_ends_early_is_no_body() -> None:
    with pytest.raises(ClientDisconnect):
        await read_body(receiving([part(b"a=1", more=True), {"type": "http.disconnect"}]))
