"""uvicorn's HTTP protocol with the bounds that it lacks: on a request's head, on what follows its body, on its time.

Without them one caller could make the parser hold a header or trailers (RFC 9112 §7.1.2) of any size, or keep
connections open for ever by sending a byte now and then (S38, S48).
"""

import asyncio

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES = 64 * 1024
REQUEST_WITHIN_S = 30.0

_TOO_LARGE = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\n"
    b"content-length: 0\r\nconnection: close\r\ncache-control: no-store\r\n\r\n"
)


class BoundedProtocol(HttpToolsProtocol):
    """One connection. A head that comes in pieces is refused beyond 64 KiB; one piece has at most 256 KiB."""

    _in_head = False
    _in_message = False
    _head_bytes = 0
    # Bytes since the head or the last piece of the body: chunk sizes and trailers.
    _bytes_beside_body = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Starts the time for the first request."""
        super().connection_made(transport)
        self._timer = self.loop.call_later(REQUEST_WITHIN_S, transport.close)

    def data_received(self, data: bytes) -> None:
        """Parses a piece, unless the head has grown too large."""
        if self._in_head:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                self.transport.write(_TOO_LARGE)
                self.transport.close()
                return
        self._bytes_beside_body += len(data)
        super().data_received(data)
        if self._in_head and not self._head_bytes:
            self._head_bytes = len(data)
        if self._in_message and not self._in_head and self._bytes_beside_body > MAX_HEAD_BYTES:
            self.transport.close()
        if not self._in_message:
            self._stop_timer()
        elif self._timer is None:
            # Only requests that come in pieces cost a timer.
            self._timer = self.loop.call_later(REQUEST_WITHIN_S, self.transport.close)

    def connection_lost(self, exc: Exception | None) -> None:
        """Stops the time."""
        self._stop_timer()
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        """A request's first byte."""
        self._in_head = self._in_message = True
        self._head_bytes = 0
        super().on_message_begin()

    def on_header(self, name: bytes, value: bytes) -> None:
        """A field of its head; the fields of trailers are dropped, since nothing here reads them."""
        if self._in_head:
            super().on_header(name, value)

    def on_headers_complete(self) -> None:
        """The end of its head."""
        self._in_head = False
        self._bytes_beside_body = 0
        super().on_headers_complete()

    def on_body(self, body: bytes) -> None:
        """A piece of its body; how large that may be is for the edge to say."""
        self._bytes_beside_body = 0
        super().on_body(body)

    def on_message_complete(self) -> None:
        """The end of its body."""
        self._in_message = False
        super().on_message_complete()

    def _unsupported_upgrade_warning(self) -> None:
        """Nothing is said: uvicorn would log how to install WebSockets at each request that asks for one."""

    def _stop_timer(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
