"""Links of which only the newest works, for things that no column of a link names: an invited address, an unproven one.

Beside the link stands a row that is found by a keyed digest of the thing and names its newest link, so that no search
through all links is needed.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import delete, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from base.secret_values import digest
from identity import links
from identity.services import Services
from identity.tables import single_use

_POINTER = "newest_link"


async def make_newest_link(
    db: AsyncConnection,
    services: Services,
    kind: str,
    about: str,
    *,
    ttl: timedelta,
    now: datetime,
    person_id: bytes | None = None,
    payload: Mapping[str, object],
) -> str:
    """A new link's text; the one that was made before it about the same thing opens nothing any more."""
    pointer = _pointer_of(services, kind, about)
    insert = sqlite_insert if services.database.is_sqlite else postgres_insert
    row = insert(single_use).values(
        digest=pointer, kind=_POINTER, person_id=person_id, payload={}, created_at=now, expires_at=now + ttl
    )
    # Writing first makes another request about the same thing wait, and then see this one's link.
    held = row.on_conflict_do_update(index_elements=[single_use.c.digest], set_={"expires_at": now + ttl})
    before = (await db.execute(held.returning(single_use.c.payload))).scalar_one()
    await _void(db, before)
    text = await links.make_link(db, kind, ttl=ttl, now=now, person_id=person_id, payload=payload, beside_others=True)
    named = update(single_use).where(single_use.c.digest == pointer)
    await db.execute(named.values(payload={"link": digest(text).hex()}))
    return text


async def void_newest_link(db: AsyncConnection, services: Services, kind: str, about: str) -> None:
    """Makes the link about this thing useless, if there is one."""
    query = select(single_use.c.payload).where(single_use.c.digest == _pointer_of(services, kind, about))
    found = (await db.execute(query)).scalar_one_or_none()
    if found is not None:
        await _void(db, found)


async def _void(db: AsyncConnection, payload: Mapping[str, object]) -> None:
    if "link" in payload:
        named = single_use.c.digest == bytes.fromhex(str(payload["link"]))
        await db.execute(delete(single_use).where(named, single_use.c.used_at.is_(None)))


def _pointer_of(services: Services, kind: str, about: str) -> bytes:
    return services.emitter.index(f"newest {kind}", about)
