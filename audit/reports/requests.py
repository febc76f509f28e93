"""Requests for a report that may come twice: by its key, the second gets the report that the first one made."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.dialects.postgresql import insert as postgresql_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.tables import intake_batches

# The keys of a client's requests, whatever they were about; housekeeping removes them after two days.
_KEYS = intake_batches


class RequestKeyReused(Exception):
    """The idempotency key belongs to another request."""


async def find_requested(db: AsyncConnection, client_id: str, key: str, *, digest: bytes) -> str | None:
    """The id of the report that the request of this key and digest made, or None; raises RequestKeyReused."""
    query = select(_KEYS.c.digest, _KEYS.c.answer).where(_KEYS.c.client_id == client_id, _KEYS.c.key == key)
    found = (await db.execute(query)).first()
    if found is None:
        return None
    if bytes(found.digest) != digest or "report" not in found.answer:
        raise RequestKeyReused
    return str(found.answer["report"])


async def keep_request(
    db: AsyncConnection, client_id: str, key: str, *, digest: bytes, report_id: str, now: datetime
) -> bool:
    """Keeps what a request made, in the transaction that stores it; False where another process was faster."""
    insert = sqlite_insert if db.dialect.name == "sqlite" else postgresql_insert
    values = {"client_id": client_id, "key": key, "digest": digest, "answer": {"report": report_id}, "created_at": now}
    row = insert(_KEYS).values(values).on_conflict_do_nothing().returning(_KEYS.c.key)
    return (await db.execute(row)).first() is not None
