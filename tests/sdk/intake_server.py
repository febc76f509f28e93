"""A small intake of the audit API over a real socket, which can be told to refuse, to be slow and to go away."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import msgspec

from ostiary import AuditEmitter, EmitterLimits

TOKEN = "token-1"
QUICK = EmitterLimits(delay_s=0, timeout_s=5)
TIMES = "RFC 3339 with an offset, at most 30 days old and at most 5 minutes ahead"
MakeEmitter = Callable[..., AuditEmitter]


@dataclass
class Batch:
    """One request as it came in."""

    key: str
    token: str
    body: bytes
    events: list[dict[str, object]]


@dataclass
class Answer:
    """What to answer instead, and with which headers."""

    status: int
    body: object = None
    headers: dict[str, str] = field(default_factory=dict)


class Intake:
    """Stores events by their ids, as the server does. `script` holds answers for the next requests."""

    def __init__(self) -> None:
        self.batches: list[Batch] = []
        self.stored: dict[str, dict[str, object]] = {}
        self.repeated = 0
        self.script: list[Answer] = []
        self.refused_names: set[str] = set()
        self.unreadable_names: set[str] = set()
        self.is_broken = False
        self.clock_behind = timedelta(0)
        self.max_body_bytes = 1_048_576
        self.token = TOKEN
        self.delay_s = 0.0
        self.port = 0
        self._server: ThreadingHTTPServer | None = None

    @property
    def issuer(self) -> str:
        """Its address."""
        return f"http://127.0.0.1:{self.port}"

    def names(self) -> list[object]:
        """The names of the stored events, in order of arrival."""
        return [event["name"] for event in self.stored.values()]

    def answer(self, batch: Batch) -> Answer:
        """As docs/endpoints.md says of the real one."""
        self.batches.append(batch)
        time.sleep(self.delay_s)
        if self.script:
            return self.script.pop(0)
        if batch.token != self.token:
            return Answer(401)
        if len(batch.body) > self.max_body_bytes:
            return Answer(413)
        if self.is_broken or any(event["name"] in self.unreadable_names for event in batch.events):
            return Answer(400, {"status": 400, "detail": "expected JSON"})
        faults = [fault for index, event in enumerate(batch.events) for fault in self._faults(index, event)]
        if faults:
            return Answer(422, {"status": 422, "errors": faults})
        fresh = {str(event["id"]): event for event in batch.events if event["id"] not in self.stored}
        self.repeated += len(batch.events) - len(fresh)
        self.stored |= fresh
        repeated = len(batch.events) - len(fresh)
        return Answer(200, {"received": len(batch.events), "stored": len(fresh), "repeated": repeated})

    def _faults(self, index: int, event: dict[str, object]) -> list[dict[str, object]]:
        """The first thing that is wrong with an event."""
        now, at = datetime.now(UTC) - self.clock_behind, datetime.fromisoformat(str(event["at"]))
        if not now - timedelta(days=30) <= at <= now + timedelta(minutes=5):
            return [{"index": index, "field": "at", "expected": TIMES}]
        if event["name"] in self.refused_names:
            return [{"index": index, "field": "name", "expected": "a name of your own"}]
        return []

    def go_away(self) -> None:
        """Nothing listens any more."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def come_back(self) -> None:
        """Listens, on the same port as before."""
        self._server = _Server(("127.0.0.1", self.port), _handler_of(self))
        self.port = self._server.server_port
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()


class _Server(ThreadingHTTPServer):
    """One that can be started again on the port it had, and keeps no thread after its end."""

    allow_reuse_address = True
    daemon_threads = True

    def handle_error(self, *_: object) -> None:
        """A sender that was killed while it waited is what some tests are about."""


def _handler_of(intake: Intake) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            assert self.path == "/api/v1/audit/events"
            assert self.headers["content-type"] == "application/json"
            body = self.rfile.read(int(self.headers["content-length"]))
            try:
                events = msgspec.json.decode(body, type=dict[str, list[dict[str, object]]])["events"]
            except msgspec.DecodeError:
                self._say(Answer(400, {"status": 400, "detail": "expected JSON"}))
                return
            token = self.headers["authorization"].removeprefix("Bearer ")
            self._say(intake.answer(Batch(self.headers["idempotency-key"], token, body, events)))

        def _say(self, answer: Answer) -> None:
            said = msgspec.json.encode(answer.body)
            self.send_response(answer.status)
            for name, value in answer.headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(said)))
            self.end_headers()
            self.wfile.write(said)

        def date_time_string(self, timestamp: float | None = None) -> str:
            """The header Date, by the clock that the intake goes by."""
            return super().date_time_string((timestamp or time.time()) - intake.clock_behind.total_seconds())

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    return Handler


@contextmanager
def listening() -> Iterator[Intake]:
    """An intake that listens on a free port."""
    intake = Intake()
    intake.come_back()
    try:
        yield intake
    finally:
        intake.go_away()


def until(is_so: object, *, within_s: float = 15) -> None:
    """Returns as soon as it is so."""
    assert callable(is_so)
    ends_at = time.monotonic() + within_s
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come to pass in time"
        time.sleep(0.01)
