"""One-time links: the text is told once, its digest kept, and one conditional statement spends it (S16, I1)."""

from datetime import datetime, timedelta

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.secret_values import LINK, digest, find_digest, new_secret
from identity.tables import single_use


async def make_link(db: AsyncConnection, kind: str, *, ttl: timedelta, now: datetime) -> str:
    """A new link's text; links of this kind that were made before it and are not used open nothing any more."""
    await db.execute(delete(single_use).where(single_use.c.kind == kind, single_use.c.used_at.is_(None)))
    text = new_secret(LINK)
    await db.execute(
        insert(single_use).values(digest=digest(text), kind=kind, payload={}, created_at=now, expires_at=now + ttl)
    )
    return text


async def find_link(db: AsyncConnection, kind: str, text: str, *, now: datetime) -> bytes | None:
    """The digest of a link that would work now, or None. Spends nothing."""
    link_digest = find_digest(LINK, text)
    if link_digest is None:
        return None
    query = select(single_use.c.digest).where(
        single_use.c.digest == link_digest,
        single_use.c.kind == kind,
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    return (await db.execute(query)).scalar_one_or_none()


async def spend_link(db: AsyncConnection, kind: str, link_digest: bytes, *, now: datetime) -> bool:
    """Whether the link worked; it does once, whoever asks at the same moment."""
    spent = (
        update(single_use)
        .where(
            single_use.c.digest == link_digest,
            single_use.c.kind == kind,
            single_use.c.used_at.is_(None),
            single_use.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(single_use.c.digest)
    )
    return (await db.execute(spent)).first() is not None
