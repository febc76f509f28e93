"""What the server's answer to a batch means, and how long to wait. No I/O, no clock, no randomness of its own."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import Enum, auto

import msgspec

MAX_BATCH_EVENTS = 1_000
# The server takes 1 MiB; the rest is room for brackets and commas.
MAX_BATCH_BYTES = 1_000_000
FIRST_PAUSE_S = 0.5
LONGEST_PAUSE_S = 60.0
# For answers that say no rather than not now: somebody has to change something first.
SLOW_PAUSE_S = 30.0
LONGEST_RETRY_AFTER_S = 3_600.0


class Outcome(Enum):
    """What became of a batch. NO_BATCH: the fault is in the body; NOT_LIKE_THIS: in whatever is around it."""

    STORED = auto()
    TOO_LARGE = auto()
    SOME_REFUSED = auto()
    TOKEN_REFUSED = auto()
    NOT_NOW = auto()
    NOT_LIKE_THIS = auto()
    NO_BATCH = auto()


@dataclass(frozen=True, slots=True)
class Refusal:
    """One event that the server does not take: its place in the batch, the field that is wrong, and the words."""

    index: int
    field: str
    words: str


@dataclass(frozen=True, slots=True)
class Verdict:
    """An answer, understood. `reason` is for logs; `retry_after_s` is the server's wish, None where it has none.

    `server_at` is what time the server has, as well as that can be known.
    """

    outcome: Outcome
    reason: str = ""
    retry_after_s: float | None = None
    refusals: tuple[Refusal, ...] = ()
    server_at: datetime | None = None


class _Fault(msgspec.Struct):
    index: int | None = None
    field: str = ""
    expected: str = ""


class _Receipt(msgspec.Struct):
    received: int


class _Timed(msgspec.Struct):
    at: datetime


class _Problem(msgspec.Struct):
    errors: list[_Fault] = []
    detail: str = ""


def batch_body(payloads: Sequence[bytes]) -> bytes:
    """The request's body for events that are JSON already."""
    return b'{"events":[' + b",".join(payloads) + b"]}"


def batch_key(body: bytes) -> str:
    """The Idempotency-Key: a digest of the body, so that the same batch has the same key, after a crash too."""
    return hashlib.sha256(body).hexdigest()


def judge(status: int, body: bytes, *, retry_after: str, count: int) -> Verdict:
    """What an answer to a batch of `count` events says. `retry_after` is the header's text, or empty."""
    wait_s = _parse_retry_after(retry_after)
    match status:
        case 200 if _find_receipt(body) == count:
            return Verdict(Outcome.STORED)
        case _ if 200 <= status < 300:
            # Somebody else who says yes to everything, as the sign-in page of a network does.
            return Verdict(Outcome.NOT_NOW, f"the server answered {status}, but not that it has the batch", wait_s)
        case 400:
            return Verdict(Outcome.NO_BATCH, f"the server answered 400{_detail(body)}", wait_s)
        case 401:
            return Verdict(Outcome.TOKEN_REFUSED, "the server refused the token (401)", wait_s)
        case 413:
            return Verdict(Outcome.TOO_LARGE, "the server finds the batch too large (413)")
        case 422:
            return _judge_errors(body, count=count)
        case 408 | 425 | 429:
            return Verdict(Outcome.NOT_NOW, f"the server answered {status}", wait_s)
        case _ if status >= 500:
            return Verdict(Outcome.NOT_NOW, f"the server answered {status}", wait_s)
        case _:
            return Verdict(Outcome.NOT_LIKE_THIS, f"the server answered {status}{_detail(body)}", wait_s)


def is_ahead(payload: bytes, *, of: datetime | None) -> bool:
    """True for an event that the server will take when it is later; False for what no time mends."""
    try:
        return of is not None and msgspec.json.decode(payload, type=_Timed).at > of
    except (ValueError, TypeError):
        return False


def pause_s(failures: int, *, chance: float) -> float:
    """Seconds until the next attempt after `failures` in a row: doubling, a minute at most, a random half of it less.

    `chance` is a random number from 0 to 1: many services that lost one server must not come back at one moment.
    """
    longest = min(FIRST_PAUSE_S * 2.0 ** min(max(failures - 1, 0), 16), LONGEST_PAUSE_S)
    return longest * (1 - chance / 2)


def _judge_errors(body: bytes, *, count: int) -> Verdict:
    problem = _find_problem(body)
    refusals = {
        fault.index: Refusal(fault.index, fault.field, f"{fault.field[:64]} must be {fault.expected[:200]}")
        for fault in problem.errors
        if fault.index is not None and 0 <= fault.index < count
    }
    if refusals:
        return Verdict(Outcome.SOME_REFUSED, "the server refused events", refusals=tuple(refusals.values()))
    return Verdict(Outcome.NO_BATCH, f"the server answered 422{_detail(body)}")


def _find_receipt(body: bytes) -> int | None:
    try:
        return msgspec.json.decode(body, type=_Receipt).received
    except (ValueError, RecursionError):
        return None


def _find_problem(body: bytes) -> _Problem:
    try:
        return msgspec.json.decode(body, type=_Problem)
    except (ValueError, RecursionError):
        return _Problem()


def _detail(body: bytes) -> str:
    detail = _find_problem(body).detail
    return f": {detail[:200]!r}" if detail else ""


def _parse_retry_after(text: str) -> float | None:
    """Seconds only (RFC 9110 §10.2.3 also allows a date, which our server never sends), an hour at most."""
    if not text.isascii() or not text.isdigit() or len(text) > 9:
        return None
    return min(float(text), LONGEST_RETRY_AFTER_S)
