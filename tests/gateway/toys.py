"""Two toy services that keep every request exactly as it arrived, and an issuer, all on loopback sockets."""

import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import uvicorn

from ostiary.testing import FakeIssuer
from tests.services import free_port


@dataclass(frozen=True, slots=True)
class Arrived:
    """A request as the service got it; header names in lower case, in their order."""

    method: str
    target: str
    headers: list[tuple[str, str]]

    def said(self, name: str) -> list[str]:
        """All values under a name, as a server reads it that takes underscores for dashes (as CGI does)."""
        return [value for key, value in self.headers if key.replace("_", "-") == name]


@dataclass
class Toy:
    """A service that answers with its name, and takes WebSockets for an echo of the bytes that follow."""

    name: str
    port: int = 0
    arrived: list[Arrived] = field(default_factory=list)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    toy: Toy

    def _answer(self) -> None:
        headers = [(name.lower(), value) for name, value in self.headers.items()]
        if self.path != "/health":  # Caddy's own look at the service
            self.toy.arrived.append(Arrived(self.command, self.path, headers))
        self.rfile.read(int(self.headers.get("content-length") or 0))
        if (self.headers.get("upgrade") or "").lower() == "websocket":
            self._echo()
            return
        body = json.dumps({"service": self.toy.name}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def _echo(self) -> None:
        self.send_response(101)
        self.send_header("Upgrade", "websocket")
        self.send_header("Connection", "Upgrade")
        self.end_headers()
        self.wfile.write(b"echo " + self.connection.recv(100))
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        pass


@contextmanager
def serving_toy(name: str) -> Iterator[Toy]:
    """A toy service in a thread."""
    toy = Toy(name)
    handler = type("Handler", (_Handler,), {"toy": toy})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    toy.port = server.server_address[1]
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield toy
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextmanager
def serving_issuer() -> Iterator[FakeIssuer]:
    """An issuer over HTTP, for programs of their own."""
    port = free_port()
    fake = FakeIssuer(f"http://127.0.0.1:{port}", audience="https://api.example.com")
    config = uvicorn.Config(fake, host="127.0.0.1", port=port, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        yield fake
    finally:
        server.should_exit = True
        thread.join()
