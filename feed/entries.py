"""Feed entries: what must be known at once, written in the transaction of the change that caused it."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from sqlalchemy import insert
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.ids import new_id
from base.statements import Insert, Row, insert_into
from feed.tables import feed

INSERT_ENTRY = insert_into(feed, leave_out=("seq",))


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
    await db.execute(
        insert(feed).values(
            id=new_id(now),
            kind=entry.kind.value,
            subject=entry.subject,
            not_before=entry.not_before,
            expires_at=entry.expires_at,
            created_at=now,
        )
    )


def entry_row(entry: Entry, *, now: datetime) -> tuple[Insert, Row]:
    """One entry as a row for a `base.statements.Unit`."""
    not_before = None if entry.not_before is None else to_micros(entry.not_before)
    values: Row = (
        new_id(now), entry.kind.value, entry.subject, not_before, to_micros(entry.expires_at), to_micros(now),
    )  # fmt: skip
    return INSERT_ENTRY, values
