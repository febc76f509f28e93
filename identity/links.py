"""One-time links: the text is told once, its digest kept, and one conditional statement spends it (S16, I1)."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

import msgspec
from sqlalchemy import Row, delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.secret_values import LINK, digest, find_digest, new_secret
from base.statements import Value, insert_into
from base.within import store
from identity.tables import single_use

_STORE = insert_into(single_use)


@dataclass(frozen=True, slots=True)
class Link:
    """A link that works: whose it is, where it is somebody's, and what whoever made it wrote down."""

    digest: bytes
    person_id: bytes | None = None
    payload: Mapping[str, object] = field(default_factory=dict)
    created_at: datetime | None = None


async def make_link(
    db: AsyncConnection,
    kind: str,
    *,
    ttl: timedelta,
    now: datetime,
    person_id: bytes | None = None,
    payload: Mapping[str, object] | None = None,
    beside_others: bool = False,
) -> str:
    """A new link's text; older ones of this kind and person open nothing any more, unless it stands `beside_others`.

    A link without a person replaces all others of its kind. Nothing secret belongs into `payload`.
    """
    if not beside_others:
        await void_links(db, kind, person_id)
    text = new_secret(LINK)
    values: dict[str, Value] = {
        "digest": digest(text),
        "kind": kind,
        "person_id": person_id,
        "payload": msgspec.json.encode(payload or {}).decode(),
        "created_at": to_micros(now),
        "expires_at": to_micros(now + ttl),
    }
    await store(db, _STORE, [_STORE.row(values)])
    return text


async def void_links(db: AsyncConnection, kind: str, person_id: bytes | None) -> None:
    """Makes the unused links of this kind useless, of one person or of nobody in particular."""
    theirs = single_use.c.person_id == person_id
    await db.execute(delete(single_use).where(single_use.c.kind == kind, theirs, single_use.c.used_at.is_(None)))


async def find_link(db: AsyncConnection, kind: str, text: str, *, now: datetime) -> Link | None:
    """A link that would work now, or None. Spends nothing."""
    link_digest = find_digest(LINK, text)
    if link_digest is None:
        return None
    works = select(single_use).where(
        single_use.c.digest == link_digest,
        single_use.c.kind == kind,
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    row = (await db.execute(works)).first()
    return None if row is None else _link_of(row)


async def spend_link(db: AsyncConnection, kind: str, link_digest: bytes, *, now: datetime) -> Link | None:
    """The link, where it worked; it does once, whoever asks at the same moment."""
    spent = (
        update(single_use)
        .where(
            single_use.c.digest == link_digest,
            single_use.c.kind == kind,
            single_use.c.used_at.is_(None),
            single_use.c.expires_at > now,
        )
        .values(used_at=now)
        .returning(single_use.c.digest, single_use.c.person_id, single_use.c.payload, single_use.c.created_at)
    )
    row = (await db.execute(spent)).first()
    return None if row is None else _link_of(row)


def _link_of(row: Row[tuple[object, ...]]) -> Link:
    return Link(row.digest, row.person_id, row.payload, row.created_at)
