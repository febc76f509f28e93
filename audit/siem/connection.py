"""One connection to a syslog receiver over TLS (RFC 5425), and what can be known of the bytes it was given.

Syslog has no acknowledgement. Two things can be known: whether the receiver's machine has acknowledged the bytes, and
whether the connection still stands.
"""

import asyncio
import fcntl
import ssl
import struct
import termios
from contextlib import suppress
from pathlib import Path

from audit.siem.syslog_target import SyslogTarget

CONNECT_TIMEOUT_S = 5.0
SEND_TIMEOUT_S = 10.0


class ConnectionEnded(OSError):
    """The receiver closed the connection."""


class SyslogConnection:
    """An open connection; made by `connect`."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def send(self, data: bytes) -> None:
        """Hands over bytes; raises OSError."""
        self.check()
        self._writer.write(data)
        async with asyncio.timeout(SEND_TIMEOUT_S):
            await self._writer.drain()

    def check(self) -> None:
        """Raises OSError where the connection is known to have ended."""
        failure = self._reader.exception()
        if failure is not None:
            raise ConnectionEnded(str(failure))
        if self._reader.at_eof() or self._writer.transport.is_closing():
            raise ConnectionEnded("the receiver closed the connection")

    def is_acknowledged(self) -> bool:
        """Whether the receiver's machine has acknowledged every byte."""
        return self._writer.transport.get_write_buffer_size() + _unacknowledged(self._writer) == 0

    def drop(self) -> None:
        """Ends the connection at once."""
        self._writer.transport.abort()

    async def close(self) -> None:
        """Ends the connection in good order."""
        with suppress(OSError):
            self._writer.close()
            async with asyncio.timeout(1):
                await self._writer.wait_closed()


async def connect(target: SyslogTarget, authorities: Path | None) -> SyslogConnection:
    """A connection to a receiver whose certificate is the name's, vouched for by `authorities` (or the system's).

    Raises OSError, also for a certificate or a file of authorities that is not to be trusted.
    """
    context = await asyncio.to_thread(_context, authorities)
    async with asyncio.timeout(CONNECT_TIMEOUT_S):
        reader, writer = await asyncio.open_connection(
            target.host, target.port, ssl=context, server_hostname=target.host
        )
    return SyslogConnection(reader, writer)


def _context(authorities: Path | None) -> ssl.SSLContext:
    # Verifies the certificate and the name in it; read anew each time, since the file may have been replaced.
    context = ssl.create_default_context(cafile=authorities)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    return context


def _unacknowledged(writer: asyncio.StreamWriter) -> int:
    """Bytes that the kernel still keeps because the other machine has not acknowledged them; 0 where it cannot say."""
    socket = writer.get_extra_info("socket")
    try:
        answer: bytes = fcntl.ioctl(socket.fileno(), termios.TIOCOUTQ, struct.pack("i", 0))
    except OSError:
        return 0
    return int(struct.unpack("i", answer)[0])
