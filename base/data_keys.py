"""Named random keys of the deployment (`index`, `form`, `cookie`), kept sealed under the master key."""

import os
from datetime import datetime

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import to_micros
from base.sealing import KEY_BYTES, Sealer
from base.tables import data_keys

# Two processes that start together agree: the first one's key stays, and both read that one.
_INSERT = text(
    "INSERT INTO data_keys (name, sealed, created_at) VALUES (:name, :sealed, :created_at)"
    " ON CONFLICT (name) DO NOTHING"
)


async def load_data_key(db: AsyncConnection, sealer: Sealer, name: str, now: datetime) -> bytes:
    """The 32 bytes of the key `name`, made at first need; raises SealBroken under a foreign master key.

    Needs a write transaction. A key sealed under an older master key is sealed again under the newest one. The old one
    stays in the list all the same: what others sealed under it is not sealed anew yet.
    """
    aad = b"data key " + name.encode()
    query = select(data_keys.c.sealed).where(data_keys.c.name == name)
    sealed: bytes | None = (await db.execute(query)).scalar_one_or_none()
    if sealed is None:
        made = sealer.seal(os.urandom(KEY_BYTES), aad=aad)
        await db.execute(_INSERT, {"name": name, "sealed": made, "created_at": to_micros(now)})
        sealed = (await db.execute(query)).scalar_one()
    key = sealer.unseal(sealed, aad=aad)
    if not sealer.is_newest(sealed):
        await db.execute(update(data_keys).where(data_keys.c.name == name).values(sealed=sealer.seal(key, aad=aad)))
    return key
