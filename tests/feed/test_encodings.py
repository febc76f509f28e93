"""Which form of a snapshot is sent: packed only to those who can read that (RFC 9110 §12.5.3)."""

import pytest
from starlette.requests import Request
from starlette.types import Message

from tests.feed.room import Room

pytestmark = pytest.mark.anyio


async def receive() -> Message:
    return {"type": "http.request", "body": b"", "more_body": False}


@pytest.mark.parametrize(
    ("accepted", "is_packed"),
    [
        ("gzip", True),
        ("br, GZIP;q=0.5", True),
        ("gzip; q=1.0", True),
        ("", False),
        ("identity", False),
        ("gzip;q=0", False),
        ("gzip; q=0.000, identity", False),
        ("x-not-gzip", False),
    ],
)
async def test_a_snapshot_is_packed_where_that_is_accepted(room: Room, accepted: str, is_packed: bool) -> None:
    await room.publish()
    hub = room.hub()
    headers = [(b"accept-encoding", accepted.encode())]
    request = Request({"type": "http", "query_string": b"", "headers": headers}, receive)
    answer = await room.documents(hub).snapshot(request)
    assert ("content-encoding" in answer.headers) is is_packed
    assert bytes(answer.body).startswith(b"\x1f\x8b") is is_packed
