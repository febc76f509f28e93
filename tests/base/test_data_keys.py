"""Named keys of the deployment: made once, sealed, and renewed under a new master key."""

import asyncio
import os
from collections.abc import AsyncIterator
from datetime import UTC, datetime

import pytest
from sqlalchemy import select, update

from base.data_keys import load_data_key
from base.database import Database
from base.sealing import SealBroken, Sealer
from base.tables import data_keys

pytestmark = pytest.mark.anyio
NOW = datetime(2026, 1, 1, tzinfo=UTC)
OLD, NEW = os.urandom(32), os.urandom(32)


@pytest.fixture
async def database(database_url: str) -> AsyncIterator[Database]:
    """A fresh database of each kind."""
    made = Database(database_url)
    yield made
    await made.close()


async def load(database: Database, sealer: Sealer, name: str) -> bytes:
    """The key, in a transaction of its own."""
    async with database.transaction() as db:
        return await load_data_key(db, sealer, name, NOW)


async def find_sealed(database: Database, name: str) -> bytes:
    """What the database holds under a name."""
    async with database.reading() as db:
        sealed: bytes = (await db.execute(select(data_keys.c.sealed).where(data_keys.c.name == name))).scalar_one()
    return sealed


async def test_a_key_is_made_once_and_kept_sealed(database: Database) -> None:
    first = await load(database, Sealer([OLD]), "index")
    assert len(first) == 32
    assert await load(database, Sealer([OLD]), "index") == first
    assert await load(database, Sealer([OLD]), "form") != first
    assert first not in await find_sealed(database, "index")


async def test_processes_that_start_together_agree_on_one_key(database_url: str) -> None:
    first, second = Database(database_url), Database(database_url)
    try:
        both = await asyncio.gather(load(first, Sealer([OLD]), "index"), load(second, Sealer([OLD]), "index"))
    finally:
        await first.close()
        await second.close()
    assert both[0] == both[1]


async def test_a_new_master_key_takes_over_and_the_old_one_can_go(database: Database) -> None:
    """S40"""
    key = await load(database, Sealer([OLD]), "index")
    assert await load(database, Sealer([NEW, OLD]), "index") == key
    assert await load(database, Sealer([NEW]), "index") == key


async def test_a_foreign_master_key_is_refused(database: Database) -> None:
    await load(database, Sealer([OLD]), "index")
    with pytest.raises(SealBroken):
        await load(database, Sealer([NEW]), "index")


async def test_a_key_moved_to_another_name_does_not_open(database: Database) -> None:
    await load(database, Sealer([OLD]), "index")
    await load(database, Sealer([OLD]), "form")
    stolen = await find_sealed(database, "index")
    async with database.transaction() as db:
        await db.execute(update(data_keys).where(data_keys.c.name == "form").values(sealed=stolen))
    with pytest.raises(SealBroken):
        await load(database, Sealer([OLD]), "form")
