"""Doctor's questions to the database: do the master keys open what is sealed, and is it the same time there."""

from collections.abc import Sequence
from datetime import UTC, datetime

from sqlalchemy import select, text

from base.database import Database
from base.sealing import SealBroken, Sealer
from base.tables import data_keys
from identity.tables import signing_keys


async def count_unopened(database: Database, master_keys: Sequence[bytes]) -> int:
    """How many stored keys no master key of the list opens."""
    sealer = Sealer(master_keys)
    async with database.reading() as db:
        stored = [(b"data key " + row.name.encode(), row.sealed) for row in await db.execute(select(data_keys))]
        usable = select(signing_keys).where(signing_keys.c.state != "revoked")
        stored += [(b"signing key " + row.kid.encode(), row.sealed) for row in await db.execute(usable)]
    return sum(not _opens(sealer, sealed, aad) for aad, sealed in stored)


def _opens(sealer: Sealer, sealed: bytes, aad: bytes) -> bool:
    try:
        sealer.unseal(sealed, aad=aad)
    except SealBroken:
        return False
    return True


async def clock_difference_s(database: Database) -> float:
    """How far the database's clock is ahead of ours, in seconds; SQLite has ours."""
    if database.is_sqlite:
        return 0.0
    async with database.reading() as db:
        theirs = (await db.execute(text("SELECT extract(epoch FROM clock_timestamp())"))).scalar_one()
    return float(theirs) - datetime.now(UTC).timestamp()
