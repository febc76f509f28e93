"""Links that replace a password: they hold only for the password that was there when they were made (S27).

Whichever way a password changes meanwhile, every older link is dead by that alone; nobody has to remember to void it.
"""

from collections.abc import Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from identity import links
from identity.links import Link
from identity.tables import credentials

_REPLACES = "replaces"


async def make_password_link(
    db: AsyncConnection,
    kind: str,
    person_id: bytes,
    *,
    ttl: timedelta,
    now: datetime,
    payload: Mapping[str, object] | None = None,
) -> str:
    """A link's text, dead as soon as a newer one is made or the person's password changes."""
    kept = {**(payload or {}), **await replaced_password(db, person_id)}
    return await links.make_link(db, kind, ttl=ttl, now=now, person_id=person_id, payload=kept)


async def replaced_password(db: AsyncConnection, person_id: bytes) -> dict[str, object]:
    """What a payload says of the password that is to be replaced."""
    return {_REPLACES: await _password_id(db, person_id)}


async def is_stale(db: AsyncConnection, link: Link) -> bool:
    """Whether the link was made to replace a password that is not there any more."""
    if link.person_id is None or _REPLACES not in link.payload:
        return False
    return link.payload[_REPLACES] != await _password_id(db, link.person_id)


async def _password_id(db: AsyncConnection, person_id: bytes) -> str:
    """The id of the stored password: a new password has a new one, a renewed hash of the same has not."""
    query = select(credentials.c.id).where(credentials.c.person_id == person_id, credentials.c.kind == "password")
    found = (await db.execute(query)).scalar_one_or_none()
    return "" if found is None else bytes(found).hex()
