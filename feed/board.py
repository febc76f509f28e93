"""Who follows the feed through this process, and how far each has come; written to the database a few times a second.

A follower says how far it is (`/feed/v1/ack`); that it is there is seen from its stream.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import Clock, to_micros
from base.database import Database
from base.statements import Insert, Prepared, Row
from base.within import store

WRITE_S = 0.1
HEARD_EVERY = timedelta(seconds=5)
# Of one process; more than that are refused a name of their own, so that nobody fills the table.
MOST_FOLLOWERS = 5000

_KINDS = ("text", "text", "bigint", "bigint", "bigint", "bytea", "bigint", "bigint")
_UPSERT = (
    "INSERT INTO feed_followers (client_id, name, connected_at, heard_at, left_at, epoch, seq, acked_at) {source}"
    " ON CONFLICT (client_id, name) DO UPDATE SET"
    " connected_at = CASE WHEN feed_followers.left_at IS NULL"
    " THEN feed_followers.connected_at ELSE excluded.connected_at END,"
    " heard_at = excluded.heard_at, left_at = excluded.left_at,"
    " acked_at = CASE WHEN excluded.epoch IS NULL OR (feed_followers.epoch = excluded.epoch"
    " AND feed_followers.seq >= excluded.seq) THEN feed_followers.acked_at ELSE excluded.acked_at END,"
    " seq = CASE WHEN excluded.epoch IS NULL OR (feed_followers.epoch = excluded.epoch"
    " AND feed_followers.seq >= excluded.seq) THEN feed_followers.seq ELSE excluded.seq END,"
    " epoch = COALESCE(excluded.epoch, feed_followers.epoch)"
)
_COLUMNS = ("client_id", "name", "connected_at", "heard_at", "left_at", "epoch", "seq", "acked_at")
_STORE = Insert(
    columns=_COLUMNS,
    sqlite=_UPSERT.format(source="VALUES (?, ?, ?, ?, ?, ?, ?, ?)"),
    prepared=Prepared(
        _UPSERT.format(
            source="SELECT * FROM unnest("  # noqa: S608 - the names are ours
            + ", ".join(f"${n}::{kind}[]" for n, kind in enumerate(_KINDS, 1))
            + ")"
        ).encode(),
        _KINDS,
    ),
)


@dataclass(slots=True)
class _Seen:
    """One follower: its streams here, and the last number that it acknowledged."""

    connected_at: datetime
    streams: int = 0
    epoch: bytes | None = None
    seq: int | None = None
    acked_at: datetime | None = None


class FollowerBoard:
    """The followers of one process."""

    def __init__(self, database: Database, clock: Clock) -> None:
        self._database = database
        self._clock = clock
        self._seen: dict[tuple[str, str], _Seen] = {}
        self._changed: set[tuple[str, str]] = set()
        self._heard_at: datetime | None = None

    @property
    def connected(self) -> int:
        """How many streams there are."""
        return sum(each.streams for each in self._seen.values())

    def connect(self, client_id: str, name: str, *, now: datetime) -> None:
        """One more stream of this follower."""
        seen = self._load(client_id, name, now)
        seen.streams += 1

    def leave(self, client_id: str, name: str, *, now: datetime) -> None:
        """One stream less."""
        seen = self._load(client_id, name, now)
        seen.streams = max(0, seen.streams - 1)

    def acknowledge(self, client_id: str, name: str, *, epoch: str, seq: int, now: datetime) -> None:
        """Everything up to `seq` is in force there."""
        seen, known = self._load(client_id, name, now), bytes.fromhex(epoch)
        if seen.epoch != known or seen.seq is None or seq > seen.seq:
            seen.epoch, seen.seq, seen.acked_at = known, seq, now

    def _load(self, client_id: str, name: str, now: datetime) -> _Seen:
        key = client_id, name
        if key not in self._seen and len(self._seen) >= MOST_FOLLOWERS:
            key = client_id, "too many"
        self._changed.add(key)
        return self._seen.setdefault(key, _Seen(now))

    async def round(self) -> None:
        """Writes what has changed, and every few seconds that those with a stream are there."""
        now = self._clock()
        is_due = self._heard_at is None or not self._heard_at <= now < self._heard_at + HEARD_EVERY
        if is_due:
            self._heard_at = now
            self._changed |= {key for key, seen in self._seen.items() if seen.streams}
        if not self._changed:
            return
        changed, self._changed = self._changed, set()
        try:
            async with self._database.transaction() as db:
                await self._write(db, sorted(changed), now)
        except BaseException:
            self._changed |= changed
            raise
        for key in changed:
            if not self._seen[key].streams and key not in self._changed:
                del self._seen[key]

    async def _write(self, db: AsyncConnection, keys: list[tuple[str, str]], now: datetime) -> None:
        await store(db, _STORE, [_row(*key, self._seen[key], now) for key in keys])


def _row(client_id: str, name: str, seen: _Seen, now: datetime) -> Row:
    micros = to_micros(now)
    left_at = None if seen.streams else micros
    acked_at = None if seen.acked_at is None else to_micros(seen.acked_at)
    return client_id, name, to_micros(seen.connected_at), micros, left_at, seen.epoch, seen.seq, acked_at
