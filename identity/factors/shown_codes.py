"""A set of backup codes for the few minutes in which it may still be downloaded: sealed, bound to one browser, wiped.

At rest there are only hashes of the codes, so a download needs the plain set; it is here until the person proved that
they saved it or went on, ten minutes at most.
"""

import base64
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.services import Services
from identity.tables import single_use

KIND = "codes_shown"
TTL = timedelta(minutes=10)


async def keep_shown(
    db: AsyncConnection, services: Services, person_id: bytes, binding: bytes, codes: Sequence[str], *, now: datetime
) -> None:
    """Keeps a set that was just made; one of before is forgotten."""
    await wipe_shown(db, person_id)
    digest = _digest(services, binding)
    sealed = services.sealer.seal(msgspec.json.encode(codes), aad=_aad(digest, person_id))
    payload = {"sealed": base64.b64encode(sealed).decode()}
    row = {"digest": digest, "kind": KIND, "person_id": person_id, "payload": payload}
    await db.execute(insert(single_use).values(**row, created_at=now, expires_at=now + TTL))


async def find_shown(
    db: AsyncConnection, services: Services, person_id: bytes, binding: bytes, *, now: datetime
) -> tuple[str, ...]:
    """The set that this browser was shown a moment ago; empty where there is none."""
    digest = _digest(services, binding)
    query = select(single_use.c.payload).where(
        single_use.c.digest == digest,
        single_use.c.kind == KIND,
        single_use.c.person_id == person_id,
        single_use.c.expires_at > now,
    )
    payload = (await db.execute(query)).scalar_one_or_none()
    if payload is None:
        return ()
    sealed = base64.b64decode(cast(str, payload["sealed"]))
    return msgspec.json.decode(services.sealer.unseal(sealed, aad=_aad(digest, person_id)), type=tuple[str, ...])


async def wipe_shown(db: AsyncConnection, person_id: bytes) -> None:
    """Forgets the plain codes of this person, in whatever browser they were shown."""
    await db.execute(delete(single_use).where(single_use.c.kind == KIND, single_use.c.person_id == person_id))


def _digest(services: Services, binding: bytes) -> bytes:
    return services.emitter.index("codes shown", binding.hex())


def _aad(digest: bytes, person_id: bytes) -> bytes:
    return b"codes shown " + digest + person_id
