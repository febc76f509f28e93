"""A small issuer with a feed over a real socket, which can be told to answer as it should not."""

from __future__ import annotations

import gzip
import hashlib
import json
import threading
import time
from base64 import urlsafe_b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, urlsplit

from ostiary import Feed
from ostiary.feed_lines import first_chain, next_chain
from ostiary.testing import FakeIssuer

CLIENT_ID = "cli_orders"
SECRET = "ocs_the secret+of:orders"
EPOCH = "0123456789abcdef0123456789abcdef"
HEAD_S = 0.2
Misbehave = Callable[["Handler"], None]


class FeedServer:
    """The log, who follows it, and what goes wrong. `answers` holds other answers by the last part of a path."""

    def __init__(self) -> None:
        self.issuer = ""
        self.keys = FakeIssuer()
        self.epoch, self.boot = EPOCH, "boot-1"
        self.lines: list[bytes] = []
        self.requests: list[str] = []
        self.acks: list[dict[str, object]] = []
        self.answers: dict[str, Misbehave] = {}
        self.bearers = 0
        self.refused: set[str] = set()
        self.token_life_s = 300
        self.generation = 0
        self.is_there = False
        self.skipped: set[int] = set()
        self._server: ThreadingHTTPServer | None = None
        self._port = 0

    def append(self, kind: str, subject: str, **more: object) -> int:
        """One more entry; its number."""
        seq = len(self.lines) + 1
        now = time.time()
        entry = {"seq": seq, "kind": kind, "subject": subject, "at": int(now * 1000), "expires": int(now) + 3600}
        self.lines.append(json.dumps({**entry, **more}, separators=(",", ":")).encode())
        return seq

    def start_over(self) -> None:
        """Another epoch, as after a restored backup."""
        self.epoch, self.lines = f"{int(self.epoch, 16) + 1:032x}", []
        self.generation += 1

    def cut(self) -> None:
        """Ends every stream."""
        self.generation += 1

    def go_away(self) -> None:
        """Nothing listens any more, streams end."""
        self.is_there = False
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Listens, on the same port as before."""
        self._server = _Server(("127.0.0.1", self._port), _handler_of(self))
        self._port, self.is_there = self._server.server_port, True
        self.issuer = f"http://127.0.0.1:{self._port}"
        self.keys.issuer = self.issuer
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def chain(self, seq: int) -> bytes:
        """The chain after so many lines."""
        chain = first_chain(self.issuer, self.epoch)
        for line in self.lines[:seq]:
            chain = next_chain(chain, line)
        return chain

    def head(self, seq: int | None = None, **more: object) -> str:
        """A signed head."""
        last = len(self.lines) if seq is None else seq
        claims = {
            "iss": self.issuer, "epoch": self.epoch, "seq": last, "chain": _b64(self.chain(last)),
            "at": int(time.time() * 1000), "up": int(time.monotonic() * 1000), "boot": self.boot, **more,
        }  # fmt: skip
        return self.keys.sign(json.dumps(claims).encode(), headers={"typ": "ostiary-feed+jwt"})

    def snapshot(self) -> bytes:
        """The whole document."""
        body = b"".join(line + b"\n" for line in self.lines)
        head = self.head(count=len(self.lines), digest=_b64(hashlib.sha256(body).digest()))
        return json.dumps({"head": head}).encode() + b"\n" + body

    def asked(self, name: str) -> int:
        """How often a path with this end was asked for."""
        return sum(urlsplit(path).path.endswith(name) for path in self.requests)


class Handler(BaseHTTPRequestHandler):
    """One request."""

    feed: FeedServer

    def do_GET(self) -> None:
        self.feed.requests.append(self.path)
        path = urlsplit(self.path).path
        name = path.rpartition("/")[2]
        other = self.feed.answers.get(name)
        if other is not None:
            other(self)
        elif name == "openid-configuration":
            paths = {"jwks_uri": "/.well-known/jwks.json", "token_endpoint": "/token", "introspection_endpoint": "/ask"}
            found = {each: self.feed.issuer + where for each, where in paths.items()}
            self.say(200, json.dumps({"issuer": self.feed.issuer, **found}).encode())
        elif name == "jwks.json":
            self.say(200, json.dumps({"keys": self.feed.keys.published}).encode())
        elif not self._is_welcome():
            self.say(401, b"{}")
        elif name == "snapshot":
            packed = gzip.compress(self.feed.snapshot())
            self.say(200, packed, kind="application/x-ndjson", headers={"Content-Encoding": "gzip"})
        elif name == "delta":
            self._delta()
        elif name == "events":
            self._events()

    def do_POST(self) -> None:
        self.feed.requests.append(self.path)
        body = self.body = self.rfile.read(int(self.headers["content-length"]))
        name = urlsplit(self.path).path.rpartition("/")[2]
        other = self.feed.answers.get(name)
        if other is not None:
            other(self)
        elif name == "token":
            self.feed.bearers += 1
            given = {"access_token": f"token-{self.feed.bearers}", "token_type": "Bearer"}
            self.say(200, json.dumps({**given, "expires_in": self.feed.token_life_s}).encode())
        elif not self._is_welcome():
            self.say(401, b"{}")
        elif name == "ack":
            self.feed.acks.append(json.loads(body))
            self.say(204, b"")

    def say(self, status: int, body: bytes, *, kind: str = "application/json", headers: object = None) -> None:
        """A whole answer."""
        self.send_response(status)
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        for name, value in (headers if isinstance(headers, dict) else {}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def begin_events(self) -> None:
        """The head of a stream."""
        self.send_response(200)
        self.send_header("Content-Type", "text/event-stream")
        self.end_headers()

    def _is_welcome(self) -> bool:
        token = self.headers.get("authorization", "").removeprefix("Bearer ")
        return token.startswith("token-") and token not in self.feed.refused

    def _delta(self) -> None:
        asked = {name: values[0] for name, values in parse_qs(urlsplit(self.path).query).items()}
        epoch, after = asked["epoch"], int(asked["after"])
        ends_at = time.monotonic() + int(asked.get("wait", "0"))
        while len(self.feed.lines) == after and time.monotonic() < ends_at:
            time.sleep(0.01)
        if epoch != self.feed.epoch or after > len(self.feed.lines):
            self.say(410, b"{}", kind="application/problem+json")
            return
        lines = self.feed.lines[after : after + 1000]
        body = b"".join(line + b"\n" for line in lines)
        head = json.dumps({"head": self.feed.head(after + len(lines))}).encode()
        self.say(200, body + head + b"\n", kind="application/x-ndjson")

    def _events(self) -> None:
        feed, generation = self.feed, self.feed.generation
        epoch, _, number = self.headers["last-event-id"].partition(":")
        after, told_at = int(number), 0.0
        self.begin_events()
        if epoch != feed.epoch or after > len(feed.lines):
            self.wfile.write(b"event: reset\ndata: another epoch\n\n")
            return
        while feed.generation == generation and feed.is_there:
            seen = len(feed.lines)
            lines = [line for seq, line in enumerate(feed.lines[after:seen], after + 1) if seq not in feed.skipped]
            if lines:
                data = b"".join(b"data: " + line + b"\n" for line in lines)
                self.wfile.write(f"id: {feed.epoch}:{seen}\nevent: entries\n".encode() + data + b"\n")
            if seen > after or time.monotonic() - told_at > HEAD_S:
                self.wfile.write(f"event: head\ndata: {feed.head(seen)}\n\n".encode())
                told_at = time.monotonic()
            after = seen
            time.sleep(0.01)

    def log_message(self, *_: object) -> None:
        """Says nothing."""


class _Server(ThreadingHTTPServer):
    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """Followers that leave are what some tests are about."""


def _handler_of(server: FeedServer) -> type[Handler]:
    class Bound(Handler):
        feed = server

    return Bound


def _b64(raw: bytes) -> str:
    return urlsafe_b64encode(raw).rstrip(b"=").decode()


@contextmanager
def feeding() -> Iterator[FeedServer]:
    """A server that listens on a free port."""
    server = FeedServer()
    server.come_back()
    try:
        yield server
    finally:
        server.go_away()


OpenFeed = Callable[..., Feed]


@contextmanager
def opening(server: FeedServer) -> Iterator[OpenFeed]:
    """Makes feeds of the server, closed at the end."""
    made: list[Feed] = []

    def make(**settings: object) -> Feed:
        usual = {"client_id": CLIENT_ID, "client_secret": SECRET} if "token" not in settings else {}
        made.append(Feed(server.issuer, **{**usual, **settings}))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for feed in made:
        feed.close()
