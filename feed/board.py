"""Who follows the feed through this process, and how far each has come; written to the database a few times a second.

A follower says how far it is, and that it leaves (`/feed/v1/ack`); that it is there is heard from its stream, its
questions and what it says. A stream that ends says nothing: its follower may be cut off, and go on by its lease.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import Case, Column, case, literal, select, update

from base.clock import Clock, to_micros
from base.database import Database
from base.statements import Insert, Prepared, Row
from base.within import store
from feed.counting import CLOCKS_APART, LOST_AFTER
from feed.tables import feed_followers

WRITE_S = 0.1
HEARD_EVERY = timedelta(seconds=5)
# Of one client at one process; more than that get no name of their own, so that nobody fills the table. Who follows is
# forgotten after a day, so that is how long a name counts.
MOST_FOLLOWERS = 5000
NAMES_FOR = timedelta(days=1)
OTHERS = "too many"


def _micros_of(span: timedelta) -> int:
    return round(span.total_seconds() * 1_000_000)


_WAS_LOST = f"feed_followers.heard_at < excluded.connected_at - {_micros_of(LOST_AFTER)}"
_SEEN = (
    "INSERT INTO feed_followers (client_id, name, connected_at, heard_at, left_at) {source}"
    " ON CONFLICT (client_id, name) DO UPDATE SET"
    # Who comes back after a goodbye, or after its lease was lost, begins anew; who was cut off for a moment does not.
    " connected_at = CASE WHEN excluded.connected_at > feed_followers.left_at"
    f" OR excluded.connected_at < feed_followers.connected_at OR {_WAS_LOST}"
    " THEN excluded.connected_at ELSE feed_followers.connected_at END,"
    # A goodbye holds though another process notices a little later that the stream is gone; but somebody who is heard
    # for longer than that is there.
    " left_at = CASE WHEN excluded.left_at IS NOT NULL THEN excluded.left_at"
    " WHEN excluded.connected_at > feed_followers.left_at"
    f" OR excluded.heard_at > feed_followers.left_at + {_micros_of(CLOCKS_APART)} THEN NULL"
    " ELSE feed_followers.left_at END,"
    " heard_at = CASE WHEN feed_followers.heard_at > excluded.heard_at"
    " THEN feed_followers.heard_at ELSE excluded.heard_at END"
)
# Beside the one before, in the same transaction.
_ACKED = (
    "INSERT INTO feed_followers (client_id, name, connected_at, heard_at, left_at, epoch, seq, acked_at) {source}"
    " ON CONFLICT (client_id, name) DO UPDATE SET"
    " epoch = excluded.epoch, seq = excluded.seq, acked_at = excluded.acked_at"
    " WHERE feed_followers.epoch IS NULL OR feed_followers.epoch <> excluded.epoch"
    " OR feed_followers.seq < excluded.seq"
)
_PLACES = ("client_id", "name", "connected_at", "heard_at", "left_at", "epoch", "seq", "acked_at")
_KINDS = ("text", "text", "bigint", "bigint", "bigint", "bytea", "bigint", "bigint")


def _upsert(text: str, columns: int) -> Insert:
    kinds = _KINDS[:columns]
    arrays = ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1))
    return Insert(
        columns=_PLACES[:columns],
        sqlite=text.format(source=f"VALUES ({', '.join('?' * columns)})"),
        prepared=Prepared(text.format(source=f"SELECT * FROM unnest({arrays})").encode(), kinds),  # noqa: S608
    )


_STORE_SEEN, _STORE_ACKED = _upsert(_SEEN, 5), _upsert(_ACKED, 8)


@dataclass(slots=True)
class _Seen:
    """One follower: its streams here, when it was heard, its goodbye until that is written, and its last number."""

    connected_at: datetime
    heard_at: datetime
    left_at: datetime | None = None
    streams: int = 0
    epoch: bytes | None = None
    seq: int = 0
    acked_at: datetime | None = None
    is_acked: bool = False


class FollowerBoard:
    """The followers of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._changed: set[tuple[str, str]] = set()
        self._names: dict[str, set[str]] = {}
        self._names_since: datetime | None = None
        self._heard_at: datetime | None = None

    @property
    def connected(self) -> int:
        """How many streams there are."""
        return sum(each.streams for each in self._seen.values())

    def connect(self, client_id: str, name: str, *, now: datetime) -> str:
        """One more stream of this follower; returns the name that it leaves by."""
        name = self._name_for(client_id, name, now)
        seen = self._hear(client_id, name, now)
        if not seen.streams:
            seen.connected_at = now
        seen.streams += 1
        return name

    def cut(self, client_id: str, name: str, *, now: datetime) -> None:
        """One stream less, by the name that `connect` gave; its follower counts for as long as its lease lasts."""
        seen = self._load(client_id, name, now)
        seen.streams, seen.heard_at = max(0, seen.streams - 1), now

    def hear(self, client_id: str, name: str, *, now: datetime) -> None:
        """It asks, so it is there."""
        self._hear(client_id, self._name_for(client_id, name, now), now)

    def acknowledge(self, client_id: str, name: str, *, epoch: str, seq: int, now: datetime) -> None:
        """Everything up to `seq` is in force there."""
        seen, known = self._hear(client_id, self._name_for(client_id, name, now), now), bytes.fromhex(epoch)
        if seen.epoch != known or seq > seen.seq:
            seen.epoch, seen.seq, seen.acked_at, seen.is_acked = known, seq, now, True

    def say_goodbye(self, client_id: str, name: str, *, now: datetime) -> None:
        """It accepts nothing any more, so nobody waits for it."""
        name = self._name_for(client_id, name, now)
        # Others have that name, too, and they may go on.
        if name != OTHERS:
            seen = self._load(client_id, name, now)
            seen.heard_at = seen.left_at = now

    def _name_for(self, client_id: str, name: str, now: datetime) -> str:
        if self._names_since is None or not self._names_since <= now < self._names_since + NAMES_FOR:
            self._names, self._names_since = {}, now
        names = self._names.setdefault(client_id, set())
        # Whoever has a stream keeps its name.
        if name not in names and (client_id, name) not in self._seen and len(names) >= MOST_FOLLOWERS:
            return OTHERS
        names.add(name)
        return name

    def _hear(self, client_id: str, name: str, now: datetime) -> _Seen:
        seen = self._load(client_id, name, now)
        if seen.left_at is not None:
            seen.connected_at, seen.left_at = now, None
        seen.heard_at = now
        return seen

    def _load(self, client_id: str, name: str, now: datetime) -> _Seen:
        key = client_id, name
        self._changed.add(key)
        return self._seen.setdefault(key, _Seen(now, now))

    async def round(self) -> None:
        """Writes what has changed, and every few seconds that those with a stream are there."""
        now = self._clock()
        if self._heard_at is None or not self._heard_at <= now < self._heard_at + HEARD_EVERY:
            self._hear_streams(now)
            await self._mend_times(now)
            self._heard_at = now
        if not self._changed:
            return
        changed, self._changed = sorted(self._changed), set()
        acked = [key for key in changed if self._seen[key].is_acked]
        goodbyes = {key: self._seen[key].left_at for key in changed}
        rows = [_acked_row(*key, self._seen[key]) for key in acked]
        for key in acked:
            self._seen[key].is_acked = False
        try:
            async with self._database.transaction() as db:
                await store(db, _STORE_SEEN, [_seen_row(*key, self._seen[key], now) for key in changed])
                await store(db, _STORE_ACKED, rows)
        except BaseException:
            self._changed |= set(changed)
            for key in acked:
                self._seen[key].is_acked = True
            raise
        self._forget(goodbyes)

    def _forget(self, written: Mapping[tuple[str, str], datetime | None]) -> None:
        """Of what is written, the goodbyes, and who has no stream here."""
        for key, left_at in written.items():
            seen = self._seen[key]
            if seen.left_at is left_at:
                seen.left_at = None
            if not seen.streams and key not in self._changed:
                del self._seen[key]

    def _hear_streams(self, now: datetime) -> None:
        for key, seen in self._seen.items():
            if seen.streams:
                seen.heard_at = now
                self._changed.add(key)

    async def _mend_times(self, now: datetime) -> None:
        """A clock was set back: who was heard in a time to come is heard now, and who left then has left by now."""
        f = feed_followers.c
        is_ahead = f.heard_at > now + CLOCKS_APART
        async with self._database.reading() as db:
            if (await db.execute(select(f.name).where(is_ahead).limit(1))).first() is None:
                return
        times = {"heard_at": now, "connected_at": _at_most(f.connected_at, now), "left_at": _at_most(f.left_at, now)}
        async with self._database.transaction() as db:
            await db.execute(update(feed_followers).where(is_ahead).values(times))


def _at_most(column: Column[datetime], now: datetime) -> Case[datetime]:
    return case((column > now, literal(now, column.type)), else_=column)


def _seen_row(client_id: str, name: str, seen: _Seen, now: datetime) -> Row:
    # No moment of it is to come, whatever the clock has said before it was set back.
    seen.connected_at, seen.heard_at = min(seen.connected_at, now), min(seen.heard_at, now)
    left_at = seen.left_at and min(seen.left_at, now)
    return client_id, name, _micros(seen.connected_at), _micros(seen.heard_at), _micros(left_at)


def _acked_row(client_id: str, name: str, seen: _Seen) -> Row:
    at = _micros(seen.acked_at)
    return client_id, name, at, at, None, seen.epoch, seen.seq, at


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
