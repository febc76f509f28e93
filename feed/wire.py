"""How the feed is written: an entry's line, the chain over the lines, and what the server says of the log, unsigned.

The lines' bytes are what the chain covers, so nobody ever encodes one again: a line is made once, when an entry gets
its number, and is kept. docs/feed.md explains it all to implementers in other languages.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from math import ceil

import msgspec

from base.clock import to_micros, to_seconds
from base.secret_values import b64url

HEAD_TYPE = "ostiary-feed+jwt"

_encode = msgspec.json.Encoder().encode


def make_line(
    seq: int,
    *,
    kind: str,
    subject: str,
    at: datetime,
    expires_at: datetime,
    not_before: datetime | None,
    facts: Mapping[str, object] | None,
) -> bytes:
    """One entry as JSON in UTF-8 without a line's end; its members are explained in docs/feed.md."""
    entry: dict[str, object] = {
        "seq": seq,
        "kind": kind,
        "subject": subject,
        "at": to_micros(at) // 1000,
        # Never a second too early.
        "expires": ceil(to_micros(expires_at) / 1_000_000),
    }
    if not_before is not None:
        entry["not_before"] = to_seconds(not_before)
    if facts is not None:
        entry["facts"] = facts
    return _encode(entry)


def first_chain(issuer: str, epoch: str) -> bytes:
    """The chain before the first entry of an epoch (32 hexadecimal digits)."""
    return hashlib.sha256(f"ostiary-feed-v1\n{issuer}\n{epoch}".encode()).digest()


def next_chain(chain: bytes, line: bytes) -> bytes:
    """The chain after one more line."""
    return hashlib.sha256(chain + line).digest()


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the log: everything of this epoch up to `seq`, which the chain covers."""

    epoch: str
    seq: int
    chain: bytes


@dataclass(frozen=True, slots=True)
class Reading:
    """Where the log stood when it was read.

    `at` is the wall clock's moment before the reading, `up_ms` that of the process's monotonic clock. While entries
    wait for their number, `up_ms` is of before the newest reading whose entries are all in the log by now.
    """

    position: Position
    at: datetime
    up_ms: int


def head_claims(reading: Reading, position: Position, *, issuer: str, boot: str) -> dict[str, object]:
    """What a head says: that the log, as it was read, holds exactly this up to `position`."""
    return {
        "iss": issuer,
        "epoch": position.epoch,
        "seq": position.seq,
        "chain": b64url(position.chain),
        "at": to_micros(reading.at) // 1000,
        "up": reading.up_ms,
        "boot": boot,
    }
