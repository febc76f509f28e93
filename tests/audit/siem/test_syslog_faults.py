"""Receivers that misbehave: one that hangs up, one that never reads, one that comes back (F8)."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
import trustme

from audit.siem import connection
from audit.siem.place import Lag
from audit.siem.syslog_export import CURSOR, SyslogExport
from audit.siem.syslog_target import SyslogTarget
from base.cursors import load_cursor
from tests.audit.siem.stored_events import emit
from tests.world import World

pytestmark = pytest.mark.anyio

Behave = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@asynccontextmanager
async def receiving(
    world: World, folder: Path, behave: Behave, *, settle_s: float = 0.2
) -> AsyncIterator[SyslogExport]:
    """An exporter whose receiver does with each connection what it is told to."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("localhost").configure_cert(context)

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await behave(reader, writer)
        finally:
            writer.transport.abort()

    server = await asyncio.start_server(serve, "127.0.0.1", 0, ssl=context)
    export = SyslogExport(
        world.services.audit,
        target=SyslogTarget("localhost", server.sockets[0].getsockname()[1]),
        authorities=folder / "ca.pem",
        form="ocsf",
        hostname="id.example.com",
        settle_s=settle_s,
        first_wait_s=0.02,
    )
    try:
        yield export
    finally:
        await export.stop()
        server.close()


async def cursor(world: World) -> int | None:
    async with world.services.database.reading() as db:
        return await load_cursor(db, CURSOR)


async def some_rounds(export: SyslogExport, *, for_s: float) -> None:
    ends_at = time.monotonic() + for_s
    while time.monotonic() < ends_at:
        await export.round()
        await asyncio.sleep(0.02)


async def test_a_receiver_that_hangs_up_after_reading_never_moves_the_cursor(world: World, tmp_path: Path) -> None:
    taken: list[bytes] = []

    async def read_and_leave(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        taken.append(await reader.read(1 << 20))

    await emit(world, 3)
    async with receiving(world, tmp_path, read_and_leave) as export:
        await some_rounds(export, for_s=0.8)
        assert (await cursor(world), export.lag and export.lag.events) == (0, 7)
    beginnings = {data[:60] for data in taken if data}
    assert len(beginnings) == 1, "each connection begins with the first event that had not arrived"
    # The wait between the tries grows: 20, 40, 80 ms and so on.
    assert 2 <= len(taken) <= 8


async def test_a_receiver_that_never_reads_holds_up_nothing_but_itself(
    world: World, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """F8"""
    monkeypatch.setattr(connection, "SEND_TIMEOUT_S", 0.3)
    left = asyncio.Event()

    async def stare(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.pause_reading()  # type: ignore[attr-defined]
        await left.wait()

    async with receiving(world, tmp_path, stare, settle_s=60) as export:
        try:
            # How much the buffers on the way take is the machine's own affair.
            for number in range(20):
                await emit(world, 500, "x" * 3500)
                async with asyncio.timeout(10):
                    await asyncio.gather(export.round(), world.person(f"person{number}", password=None))
                if "no answer in time" in caplog.text:
                    break
        finally:
            left.set()
        assert "no answer in time" in caplog.text
        assert await cursor(world) == 0
        assert export.lag is not None
        assert export.lag.events > 500


async def test_what_was_sent_counts_as_arrived_after_a_while_and_not_before(world: World, tmp_path: Path) -> None:
    async def read_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1 << 16):
            pass

    await emit(world, 1)
    async with receiving(world, tmp_path, read_on) as export:
        await export.round()
        assert await cursor(world) == 0
        assert export.lag is not None
        assert export.lag.events == 5
        await asyncio.sleep(0.25)
        await export.round()
        assert (await cursor(world), export.lag) == (5, Lag(0, 0.0))
