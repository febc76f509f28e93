"""Feed entries: what must be known at once, written in the transaction of the change that caused it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import new_id
from feed.tables import feed

EVERYONE = "*"
# The longest life of any access token, and a minute for clocks that differ: an entry is remembered for that long.
LONGEST_TOKEN = timedelta(seconds=86400 + 60)
# What has expired stays for a day and an hour: a server whose clock is set ahead, for a moment, by a day, must not make
# anybody forget what still counts (F6); and a follower that was away goes on with a delta.
KEPT_EXPIRED = timedelta(hours=25)
# Followers use the keys that they know for a day while they cannot ask for new ones, and tokens live on after that.
KEY_REMEMBERED = 3 * LONGEST_TOKEN


class Kind(StrEnum):
    """What an entry is about; docs/feed.md says what each does to tokens."""

    TOKEN = "token"
    GRANT = "grant"
    SESSION = "session"
    PERSON = "person"
    CLIENT = "client"
    EVERYONE = "everyone"
    KEY = "key"
    FACTS = "facts"
    POLICY = "policy"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry, to be remembered until `expires_at`.

    `subject` is what tokens say: a jti, grant, sid, sub, client id or kid. With `not_before`, tokens issued at or
    before it are refused, in whole seconds. `facts` go with the kind of that name: `suspended`, `risk`, `acr`.
    """

    kind: Kind
    subject: str
    expires_at: datetime
    not_before: datetime | None = None
    facts: Mapping[str, object] | None = None


async def publish(db: AsyncConnection, entry: Entry, *, now: datetime) -> None:
    """Writes one unnumbered entry in the caller's transaction."""
    await publish_all(db, [entry], now=now)


async def publish_all(db: AsyncConnection, entries: Sequence[Entry], *, now: datetime) -> None:
    """Writes unnumbered entries, all in one statement, in the caller's transaction."""
    rows = [
        {
            "id": new_id(now),
            "kind": entry.kind.value,
            "subject": entry.subject,
            "not_before": entry.not_before,
            "facts": entry.facts,
            "expires_at": entry.expires_at,
            "created_at": now,
        }
        for entry in entries
    ]
    if rows:
        await db.execute(insert(feed), rows)
