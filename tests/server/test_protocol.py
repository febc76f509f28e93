"""The bounds on a connection: the size of a head, and the time that a request may take to arrive."""

import asyncio
import logging
from collections.abc import AsyncIterator

import pytest
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from base.request import read_body
from server import protocol
from server.serve import make_server
from server.setting_values import Address
from server.sockets import open_sockets
from tests.services import free_port

pytestmark = pytest.mark.anyio


async def count_body(scope: Scope, receive: Receive, send: Send) -> None:
    """Answers with the length of the body."""
    body = str(len(await read_body(receive))).encode()
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


@pytest.fixture
async def port() -> AsyncIterator[int]:
    """The port of a server like ours."""
    number = free_port()
    server = make_server(count_body, None)
    serving = asyncio.create_task(server.serve(open_sockets([Address("127.0.0.1", number)], setting="test")))
    await server.answers.wait()
    yield number
    server.should_exit = True
    await serving


async def exchange(port: int, *pieces: bytes) -> bytes:
    """What comes back, until the connection is closed."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        for piece in pieces:
            writer.write(piece)
            await writer.drain()
            await asyncio.sleep(0.01)
        async with asyncio.timeout(5):
            return await reader.read()
    finally:
        writer.close()


async def test_requests_in_pieces_and_one_after_another_are_answered(port: int) -> None:
    first = (b"POST / HTTP/1.1\r\nHost: x\r\nContent-", b"Length: 4\r\n\r\nab", b"cd")
    second = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
    answered = await exchange(port, *first, second)
    assert answered.count(b"HTTP/1.1 200 OK") == 2
    assert answered.endswith(b"\r\n\r\n0")


async def test_a_head_that_never_ends_is_refused_before_it_fills_memory(port: int) -> None:
    """S38"""
    answered = await exchange(port, b"GET / HTTP/1.1\r\nAuthorization: Bearer ", b"a" * 50_000, b"a" * 50_000)
    assert answered.startswith(b"HTTP/1.1 431 Request Header Fields Too Large\r\n")
    assert b"200 OK" not in answered


async def test_a_head_of_usual_size_in_pieces_passes(port: int) -> None:
    pieces = [b"Cookie: a=" + b"b" * 4000 + b"\r\n" for _ in range(8)]
    answered = await exchange(port, b"GET / HTTP/1.1\r\nHost: x\r\n", *pieces, b"Connection: close\r\n\r\n")
    assert answered.startswith(b"HTTP/1.1 200 OK")


CHUNKED = b"POST / HTTP/1.1\r\nHost: x\r\nConnection: close\r\nTransfer-Encoding: chunked\r\n\r\n"
FIELD = b"x: " + b"y" * 8000 + b"\r\n"


async def test_trailers_that_never_end_are_cut_off_before_they_fill_memory(port: int) -> None:
    """S38"""
    answered = await exchange(port, CHUNKED + b"1\r\na\r\n0\r\n", *[FIELD] * 9)
    assert b"200 OK" not in answered
    assert b"200 OK" not in await exchange(port, CHUNKED + b"1\r\na\r\n0\r\nx: ", *[b"y" * 8000] * 9)


async def test_trailers_of_usual_size_are_dropped_and_a_long_body_in_small_chunks_passes(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    seen: list[bytes] = []
    keep = HttpToolsProtocol.on_header

    def note(protocol: HttpToolsProtocol, name: bytes, value: bytes) -> None:
        seen.append(name)
        keep(protocol, name, value)

    monkeypatch.setattr(HttpToolsProtocol, "on_header", note)
    chunks = [b"1\r\na\r\n" * 6000] * 2
    answered = await exchange(port, CHUNKED, *chunks, b"0\r\nLate: 1\r\n", b"\r\n")
    assert answered.endswith(b"\r\n\r\n12000")
    assert seen == [b"Host", b"Connection", b"Transfer-Encoding"]


async def test_a_request_for_websockets_is_answered_as_any_other_and_logs_nothing(
    port: int, caplog: pytest.LogCaptureFixture
) -> None:
    head = b"GET / HTTP/1.1\r\nHost: x\r\nConnection: Upgrade, close\r\nUpgrade: websocket\r\n\r\n"
    with caplog.at_level(logging.WARNING):
        assert (await exchange(port, head)).startswith(b"HTTP/1.1 200 OK")
    assert caplog.messages == []


@pytest.mark.parametrize("pieces", [(), (b"GET / HT",), (b"POST / HTTP/1.1\r\nContent-Length: 9\r\n\r\nhalf",)])
async def test_a_request_that_does_not_arrive_in_time_is_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch, pieces: tuple[bytes, ...]
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_WITHIN_S", 0.1)
    assert b"200 OK" not in await exchange(port, *pieces)


async def test_a_connection_that_is_kept_open_between_requests_is_not_cut_off(
    port: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "REQUEST_WITHIN_S", 0.05)
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    for _ in range(3):
        writer.write(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await reader.readuntil(b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
        assert await reader.readexactly(1) == b"0"
        await asyncio.sleep(0.15)
    writer.close()
