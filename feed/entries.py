"""Feed entries: what must be known at once, written in the transaction of the change that caused it."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import new_id
from feed.tables import feed


class Kind(StrEnum):
    """What is no longer to be trusted."""

    TOKEN = "token"
    GRANT = "grant"
    SESSION = "session"
    PERSON = "person"
    CLIENT = "client"
    KEY = "key"


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry: tokens of `subject` (issued at or before `not_before`, where given) are refused until `expires_at`."""

    kind: Kind
    subject: str
    expires_at: datetime
    not_before: datetime | None = None


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
            "expires_at": entry.expires_at,
            "created_at": now,
        }
        for entry in entries
    ]
    if rows:
        await db.execute(insert(feed), rows)
