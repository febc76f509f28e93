"""A TCP proxy that stands where a deployment's load balancer would, and that tests cut, freeze and mend."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager, suppress
from itertools import count


class WireCutter:
    """Takes connections to one address and passes them on to one of several, in turn."""

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = list(ports)
        self.port = 0
        self._turn = count()
        self._is_cut = False
        self._open: set[asyncio.StreamWriter] = set()

    def cut(self) -> None:
        """Ends every connection and lets no new one through."""
        self._is_cut = True
        for writer in list(self._open):
            writer.transport.abort()

    def mend(self) -> None:
        """Lets new connections through again."""
        self._is_cut = False

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection, from its beginning to its end."""
        self._open.add(writer)
        with suppress(OSError):
            if not self._is_cut:
                await self._join(reader, writer)
        self._open.discard(writer)
        writer.transport.abort()

    async def _join(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for _ in self.ports:
            with suppress(OSError):
                port = self.ports[next(self._turn) % len(self.ports)]
                far_reader, far_writer = await asyncio.open_connection("127.0.0.1", port)
                break
        else:
            return
        self._open.add(far_writer)
        # Whichever way ends first ends both.
        ways = [asyncio.create_task(_pass_on(reader, far_writer)), asyncio.create_task(_pass_on(far_reader, writer))]
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        self._open.discard(far_writer)
        far_writer.transport.abort()


async def _pass_on(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()


@asynccontextmanager
async def wire_to(*ports: int, port: int = 0) -> AsyncIterator[WireCutter]:
    """A proxy on `port`, or on a free one, in front of the processes at `ports`."""
    cutter = WireCutter(ports)
    server = await asyncio.start_server(cutter.take, "127.0.0.1", port)
    cutter.port = server.sockets[0].getsockname()[1]
    try:
        yield cutter
    finally:
        server.close()
        cutter.cut()
