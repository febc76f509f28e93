"""The feed's four endpoints over a log in memory, with every fault that is asked for (docs/feed.md)."""

import json
import random
import secrets
from collections.abc import Callable, Mapping, Sequence
from threading import RLock
from urllib.parse import urlsplit

from ostiary.testing.answering import Answer, Asked, ConnectionCut, json_answer
from ostiary.testing.faults import FeedFaults, Lie
from ostiary.testing.issuer import FakeIssuer
from ostiary.testing.keys import FakeKey, make_key
from ostiary.testing.log import FakeLog, b64url, digest_of
from ostiary.testing.streams import FakeStream, Gate

HEAD_TYPE = "ostiary-feed+jwt"
PAGE = 1000
LONGEST_WAIT_S = 25
_NDJSON = {"content-type": "application/x-ndjson", "cache-control": "no-store"}
_EVENTS = {"content-type": "text/event-stream", "cache-control": "no-store"}


class FeedServer:
    """What a follower talks to; everything else is asked of the issuer. Safe between threads."""

    def __init__(
        self, issuer: FakeIssuer, log: FakeLog, *, heartbeat_s: float | None, seed: int, monotonic: Callable[[], float]
    ) -> None:
        self.log = log
        self.lock = RLock()
        self.gate = Gate()
        self.faults = FeedFaults()
        self.streams: list[FakeStream] = []
        self.acknowledged: dict[str, tuple[str, int]] = {}
        self.left: set[str] = set()
        self.requests: list[str] = []
        self.is_down = self.is_silent = False
        self._issuer = issuer
        self._heartbeat_s = heartbeat_s
        self._draw = random.Random(seed)  # noqa: S311 - faults are no secret
        self._monotonic = monotonic
        self._boot = secrets.token_hex(8)
        self._stranger: FakeKey | None = None

    def restart(self) -> None:
        """Be another process: every stream breaks, and the clock that heads tell has another name."""
        with self.lock:
            self._boot = secrets.token_hex(8)
            self.cut()

    def cut(self) -> None:
        """Break every open stream."""
        with self.lock:
            for stream in self.streams:
                stream.cut()
            self.streams = []

    def tell(self) -> None:
        """Tell every open stream what it does not know yet, or that there is nothing new."""
        with self.lock:
            self.streams = [stream for stream in self.streams if not stream.is_closed]
            for stream in list(self.streams):
                stream.wake()
                self._tell_one(stream)

    def head(self, seq: int | None = None, **more: object) -> str:
        """A signed head about this number, or the last; `more` joins its claims."""
        return self._sign({**self.head_claims(seq), **more})

    def head_claims(self, seq: int | None = None) -> dict[str, object]:
        """What a head says while nobody lies."""
        place = self.log.seq if seq is None else seq
        return {
            "iss": self._issuer.issuer,
            "epoch": self.log.epoch,
            "seq": place,
            "chain": b64url(self.log.chain(place)),
            "at": int(self._issuer.clock() * 1000),
            "up": int(self._monotonic() * 1000),
            "boot": self._boot,
        }

    def _sign(self, claims: Mapping[str, object]) -> str:
        said, headers, key = dict(claims), {"typ": HEAD_TYPE}, self._issuer.key
        match self.faults.lie:
            case Lie.CHAIN if "digest" not in said:
                said["chain"] = b64url(secrets.token_bytes(32))
            case Lie.ISSUER:
                said["iss"] = "https://somebody-else.test"
            case Lie.TYPE:
                headers["typ"] = "at+jwt"
            case Lie.SIGNATURE:
                self._stranger = self._stranger or make_key(key.alg)
                headers["kid"], key = key.kid, self._stranger
            case Lie.COUNT if isinstance(said.get("count"), int):
                said["count"] = int(str(said["count"])) + 1
            case Lie.DIGEST if "digest" in said:
                said["digest"] = b64url(secrets.token_bytes(32))
        return self._issuer.sign(json.dumps(said, separators=(",", ":")).encode(), headers=headers, key=key)

    def answer(self, asked: Asked) -> Answer:
        """What is said to a request; ConnectionCut while the server is down."""
        base = urlsplit(self._issuer.issuer).path.rstrip("/")
        path = asked.path.removeprefix(base)
        if not path.startswith("/feed/v1/"):
            return self._issuer.answer(asked)
        self.requests.append(path)
        if self.is_down:
            raise ConnectionCut("the fake feed is down")
        ends_at = self._find_welcome(asked)
        if ends_at is None:
            return json_answer(401, {"title": "Unauthorized", "status": 401}, www_authenticate="Bearer")
        if self.is_silent:
            return json_answer(503, {"title": "Service Unavailable", "status": 503}, retry_after="1")
        with self.lock:
            match asked.method, path:
                case "GET", "/feed/v1/snapshot":
                    return self._snapshot(asked)
                case "GET", "/feed/v1/delta":
                    return self._delta(asked)
                case "GET", "/feed/v1/events":
                    return self._events(asked, ends_at)
                case "POST", "/feed/v1/ack":
                    return self._acknowledge(asked)
                case _:
                    return json_answer(404, {"title": "Not Found", "status": 404})

    def _find_welcome(self, asked: Asked) -> float | None:
        """Until when the caller's token lets it follow (seconds since 1970); None where it does not."""
        scheme, _, token = asked.headers.get("authorization", "").partition(" ")
        claims = self._issuer.find_claims(token) if scheme.lower() == "bearer" else None
        if claims is None or claims.get("aud") != self._issuer.issuer:
            return None
        ends_at = claims["exp"]
        is_reader = "feed:read" in str(claims.get("scope", "")).split()
        return float(ends_at) if is_reader and isinstance(ends_at, int | float) else None

    def _snapshot(self, asked: Asked) -> Answer:
        tag = f'"{self.log.epoch}:{self.log.seq}"'
        if asked.headers.get("if-none-match") == tag:
            return Answer(304, headers={"etag": tag})
        lines = self.log.in_force(self._issuer.clock())
        head = self.head(count=len(lines), digest=digest_of(lines))
        return Answer(200, _document([_head_line(head), *lines]), {**_NDJSON, "etag": tag})

    def _delta(self, asked: Asked) -> Answer:
        after, wait = asked.query.get("after", ""), asked.query.get("wait", "0")
        if not after.isdecimal() or not wait.isdecimal() or int(wait) > LONGEST_WAIT_S:
            return json_answer(400, {"title": "Bad Request", "status": 400})
        seq, epoch = int(after), asked.query.get("epoch", "")
        if not self._goes_on_from(epoch, seq):
            return json_answer(410, {"title": "Gone", "status": 410, "detail": "load /feed/v1/snapshot"})
        if seq < self.log.seq or wait == "0":
            return Answer(200, self._delta_document(seq), _NDJSON)
        poll = FakeStream(self.gate, epoch=epoch, seq=seq, idle_s=float(wait), on_idle=self._end_poll)
        poll.ends_with_news = True
        self.streams.append(poll)
        return Answer(200, poll, _NDJSON)

    def _delta_document(self, after: int) -> bytes:
        lines = self.log.lines[after : after + PAGE]
        return _document([*lines, _head_line(self.head(after + len(lines)))])

    def _end_poll(self, poll: FakeStream) -> None:
        with self.lock:
            after = min(poll.seq, self.log.seq)
            poll.push(self._delta_document(after), is_last=True)

    def _goes_on_from(self, epoch: str, seq: int) -> bool:
        return epoch == self.log.epoch and self.log.reaches_back_to <= seq <= self.log.seq

    def _events(self, asked: Asked, ends_at: float) -> Answer:
        place = asked.headers.get("last-event-id") or asked.query.get("after")
        epoch, _, number = (place or f"{self.log.epoch}:{self.log.seq}").partition(":")
        if not number.isdecimal():
            return json_answer(400, {"title": "Bad Request", "status": 400})
        stream = FakeStream(
            self.gate, epoch=epoch, seq=int(number), idle_s=self._heartbeat_s, on_idle=self._tell_one
        )  # fmt: skip
        stream.ends_at = ends_at
        self.streams.append(stream)
        self._tell_one(stream)
        return Answer(200, stream, _EVENTS)

    def _tell_one(self, stream: FakeStream) -> None:
        """The news and a head, or a head alone; the end where the log does not go on from there, or the token ended."""
        with self.lock:
            if self.is_silent or self.is_down:
                return
            if stream.ends_with_news:
                if stream.seq != self.log.seq or stream.epoch != self.log.epoch:
                    self._end_poll(stream)
                return
            if self._issuer.clock() >= stream.ends_at:
                stream.push(b"", is_last=True)
                return
            if not self._goes_on_from(stream.epoch, stream.seq):
                stream.push(b"event: reset\ndata: load the snapshot\n\n", is_last=True)
                return
            fresh = self.log.lines[stream.seq :]
            stream.seq = self.log.seq
            lines, late = self.faults.strike(fresh, self._draw)
            lines, stream.later = [*lines, *stream.later], late
            frame = _frame(stream.epoch, stream.seq, lines, self.head())
            stream.push(frame, cuts=bool(fresh) and self._draw.random() < self.faults.cut)

    def _acknowledge(self, asked: Asked) -> Answer:
        try:
            said = json.loads(asked.body)
            follower, epoch, seq, leaves = said["follower"], said["epoch"], said["seq"], said.get("leaving", False)
        except (ValueError, KeyError, TypeError, AttributeError):
            return json_answer(400, {"title": "Bad Request", "status": 400})
        if type(seq) is not int or not isinstance(follower, str) or (epoch == self.log.epoch and seq > self.log.seq):
            return json_answer(400, {"title": "Bad Request", "status": 400})
        self.acknowledged[follower] = (epoch, seq)
        if leaves is True:
            self.left.add(follower)
        return Answer(204)


def _head_line(head: str) -> bytes:
    return json.dumps({"head": head}).encode()


def _document(lines: Sequence[bytes]) -> bytes:
    return b"".join(line + b"\n" for line in lines)


def _frame(epoch: str, seq: int, lines: Sequence[bytes], head: str) -> bytes:
    told = b"".join(b"data: " + line + b"\n" for line in lines)
    entries = f"id: {epoch}:{seq}\nevent: entries\n".encode() + told + b"\n" if lines else b""
    return entries + f"event: head\ndata: {head}\n\n".encode()
