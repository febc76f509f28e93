"""A server's log in memory for the follower's tests: its lines and heads are made by the server's own code."""

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime

from base.secret_values import b64url
from feed.wire import Position, Reading, first_chain, head_claims, make_line, next_chain
from ostiary.feed_lines import FeedEntry, FeedHead, parse_entry, parse_head
from ostiary.values import AccessToken

ISSUER = "https://id.example.com"
BEGAN = 1_800_000_000
LONGEST_TOKEN_S = 600


def make_token(**claims: object) -> AccessToken:
    """A token of a person in a session; `iat` in seconds since 1970."""
    issued_at = claims.pop("iat", BEGAN)
    assert isinstance(issued_at, int)
    at = datetime.fromtimestamp(issued_at, UTC)
    token = AccessToken(
        ISSUER, "u0", ("api",), at, at, "t0", "c0", frozenset(), "g0", "s0", at, "pwd", ("pwd",), 10, None, {}
    )  # fmt: skip
    return replace(token, **claims)  # type: ignore[arg-type]


def entry_line(seq: int, kind: str, subject: str, **more: object) -> bytes:
    """A line as the server writes it; `at_s`, `for_s`, `not_before_s` in seconds, and `facts`."""
    at_s, before_s, facts = more.get("at_s", float(BEGAN)), more.get("not_before_s"), more.get("facts")
    for_s = more.get("for_s", LONGEST_TOKEN_S)
    assert isinstance(at_s, int | float)
    assert isinstance(for_s, int | float)
    assert before_s is None or isinstance(before_s, int)
    assert facts is None or isinstance(facts, dict)
    return make_line(
        seq,
        kind=kind,
        subject=subject,
        at=datetime.fromtimestamp(at_s, UTC),
        expires_at=datetime.fromtimestamp(at_s + for_s, UTC),
        not_before=None if before_s is None else datetime.fromtimestamp(before_s, UTC),
        facts=facts,
    )


@dataclass(frozen=True)
class Snapshot:
    """A snapshot's head and lines."""

    head: FeedHead
    lines: list[bytes]


class ModelLog:
    """One epoch after the other of numbered lines, and heads about them. Time is what the test says it is."""

    def __init__(self) -> None:
        self.epochs = 0
        self.boot = "boot-0"
        self.lines: list[bytes] = []
        self.chains: list[bytes] = []
        self.wall_s = float(BEGAN)
        self.up_s = 1000.0
        self.begin_epoch([])

    @property
    def seq(self) -> int:
        return len(self.lines)

    def begin_epoch(self, kept: Iterable[FeedEntry]) -> None:
        """What is kept gets new numbers."""
        self.epochs += 1
        self.epoch = f"{self.epochs:032x}"
        self.lines, self.chains = [], [first_chain(ISSUER, self.epoch)]
        for entry in kept:
            self.append(
                entry.kind,
                entry.subject,
                at_s=entry.at_ms / 1000,
                not_before_s=entry.not_before_s,
                facts=entry.facts,
            )

    def append(self, kind: str, subject: str, **more: object) -> bytes:
        """One more entry; returns its line."""
        line = entry_line(self.seq + 1, kind, subject, **{"at_s": self.wall_s, **more})
        self.lines.append(line)
        self.chains.append(next_chain(self.chains[-1], line))
        return line

    def roll_back(self, seq: int) -> None:
        """The log of an old backup, under the same epoch."""
        del self.lines[seq:], self.chains[seq + 1 :]

    def in_force(self) -> list[bytes]:
        return [line for line in self.lines if parse_entry(line).expires_s > self.wall_s]

    def claims(self, seq: int | None = None) -> dict[str, object]:
        """What a head says now, as the server says it."""
        place = self.seq if seq is None else seq
        reading = Reading(
            Position(self.epoch, self.seq, self.chains[-1]),
            datetime.fromtimestamp(self.wall_s, UTC),
            int(self.up_s * 1000),
        )
        position = Position(self.epoch, place, self.chains[place])
        return head_claims(reading, position, issuer=ISSUER, boot=self.boot)

    def head(self, seq: int | None = None) -> FeedHead:
        return parse_head(self.claims(seq), issuer=ISSUER)

    def snapshot(self) -> Snapshot:
        lines = self.in_force()
        return Snapshot(snapshot_head(self.claims(), lines), lines)


def snapshot_head(claims: Mapping[str, object], lines: Sequence[bytes]) -> FeedHead:
    """The head of a snapshot of these lines."""
    digest = b64url(hashlib.sha256(b"".join(line + b"\n" for line in lines)).digest())
    return parse_head({**claims, "count": len(lines), "digest": digest}, issuer=ISSUER)


def naively_refused(lines: Iterable[bytes], token: AccessToken, kid: str, *, wall_s: float) -> bool:
    """docs/feed.md word by word: whether any line in force refuses the token."""
    iat, suspended = token.iat.timestamp(), False
    for entry in map(parse_entry, lines):
        if entry.expires_s <= wall_s:
            continue
        named = {"token": token.jti, "grant": token.grant, "session": token.sid, "key": kid}
        if entry.kind in named and named[entry.kind] == entry.subject:
            return True
        clients = {token.client_id, token.azp, *token.actors}
        dated: dict[str, set[str | None]] = {"person": {token.sub}, "client": clients, "everyone": {"*"}}
        if entry.not_before_s is not None and entry.subject in dated.get(entry.kind, ()) and iat <= entry.not_before_s:
            return True
        if entry.kind == "facts" and entry.subject == token.sub and entry.facts and "suspended" in entry.facts:
            suspended = entry.facts["suspended"] is True
    return suspended
