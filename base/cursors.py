"""How far each reader of a numbered order has come."""

from datetime import datetime

from sqlalchemy import select, text
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.tables import cursors

_MOVE = text(
    "INSERT INTO cursors (name, next, updated_at) VALUES (:name, :next, :at)"
    " ON CONFLICT (name) DO UPDATE SET next = excluded.next, updated_at = excluded.updated_at"
)


async def load_cursor(db: AsyncConnection, name: str) -> int | None:
    """The number that the reader `name` reads next; None where it has never read."""
    query = select(cursors.c.next).where(cursors.c.name == name)
    number: int | None = (await db.execute(query)).scalar_one_or_none()
    return number


async def move_cursor(db: AsyncConnection, name: str, next_number: int, *, now: datetime) -> None:
    """Remembers in the caller's transaction what is read next."""
    await db.execute(_MOVE, {"name": name, "next": next_number, "at": to_micros(now)})
