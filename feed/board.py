"""Who follows the feed through this process, and how far each has come; written to the database a few times a second.

A follower says how far it is (`/feed/v1/ack`); that it is there is seen from its stream.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta

from base.clock import Clock, to_micros
from base.database import Database
from base.statements import Insert, Prepared, Row
from base.within import store

WRITE_S = 0.1
HEARD_EVERY = timedelta(seconds=5)
# Of one client at one process; more than that get no name of their own, so that nobody fills the table. Who follows is
# forgotten after a day, so that is how long a name counts.
MOST_FOLLOWERS = 5000
NAMES_FOR = timedelta(days=1)
OTHERS = "too many"

_SEEN = (
    "INSERT INTO feed_followers (client_id, name, connected_at, heard_at, left_at) {source}"
    " ON CONFLICT (client_id, name) DO UPDATE SET"
    " connected_at = CASE WHEN feed_followers.left_at IS NULL"
    " THEN feed_followers.connected_at ELSE excluded.connected_at END,"
    # Who left here may have come back by another process, and that one have written first.
    " left_at = CASE WHEN feed_followers.heard_at > excluded.left_at"
    " THEN feed_followers.left_at ELSE excluded.left_at END,"
    " heard_at = CASE WHEN feed_followers.heard_at > excluded.heard_at"
    " THEN feed_followers.heard_at ELSE excluded.heard_at END"
)
# Acknowledgements may come by another process than the one that has the stream, and before it wrote.
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
    """One follower: its streams here, and the last number that it acknowledged here."""

    connected_at: datetime | None = None
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
        seen = self._load(client_id, name)
        if not seen.streams:
            seen.connected_at, seen.left_at = now, None
        seen.streams += 1
        return name

    def leave(self, client_id: str, name: str, *, now: datetime) -> None:
        """One stream less, by the name that `connect` gave."""
        seen = self._load(client_id, name)
        seen.streams = max(0, seen.streams - 1)
        if not seen.streams:
            seen.left_at = now

    def acknowledge(self, client_id: str, name: str, *, epoch: str, seq: int, now: datetime) -> None:
        """Everything up to `seq` is in force there."""
        seen, known = self._load(client_id, self._name_for(client_id, name, now)), bytes.fromhex(epoch)
        if seen.epoch != known or seq > seen.seq:
            seen.epoch, seen.seq, seen.acked_at, seen.is_acked = known, seq, now, True

    def _name_for(self, client_id: str, name: str, now: datetime) -> str:
        if self._names_since is None or not self._names_since <= now < self._names_since + NAMES_FOR:
            self._names, self._names_since = {}, now
        names = self._names.setdefault(client_id, set())
        # Whoever has a stream keeps its name.
        if name not in names and (client_id, name) not in self._seen and len(names) >= MOST_FOLLOWERS:
            return OTHERS
        names.add(name)
        return name

    def _load(self, client_id: str, name: str) -> _Seen:
        key = client_id, name
        self._changed.add(key)
        return self._seen.setdefault(key, _Seen())

    async def round(self) -> None:
        """Writes what has changed, and every few seconds that those with a stream are there."""
        now = self._clock()
        is_due = self._heard_at is None or not self._heard_at <= now < self._heard_at + HEARD_EVERY
        if is_due:
            self._heard_at = now
            self._changed |= {key for key, seen in self._seen.items() if seen.streams}
        if not self._changed:
            return
        changed, self._changed = sorted(self._changed), set()
        acked = [key for key in changed if self._seen[key].is_acked]
        rows = [_acked_row(*key, self._seen[key]) for key in acked]
        for key in acked:
            self._seen[key].is_acked = False
        try:
            async with self._database.transaction() as db:
                here = [key for key in changed if self._seen[key].connected_at is not None]
                await store(db, _STORE_SEEN, [_seen_row(*key, self._seen[key], now) for key in here])
                await store(db, _STORE_ACKED, rows)
        except BaseException:
            self._changed |= set(changed)
            for key in acked:
                self._seen[key].is_acked = True
            raise
        for key in changed:
            if not self._seen[key].streams and key not in self._changed:
                del self._seen[key]


def _seen_row(client_id: str, name: str, seen: _Seen, now: datetime) -> Row:
    heard_at = now if seen.left_at is None else seen.left_at
    return client_id, name, _micros(seen.connected_at), _micros(heard_at), _micros(seen.left_at)


def _acked_row(client_id: str, name: str, seen: _Seen) -> Row:
    at = _micros(seen.acked_at)
    return client_id, name, at, at, at, seen.epoch, seen.seq, at


def _micros(at: datetime | None) -> int | None:
    return None if at is None else to_micros(at)
