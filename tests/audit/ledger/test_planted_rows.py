"""Checkpoints and marks that somebody else put into the database neither stop the signing nor the publishing (S45)."""

from __future__ import annotations

import logging

import pytest
from sqlalchemy import insert, select, text, update

from audit.ledger.checkpoints import PUBLISHED_AT_ONCE, find_own, log_size
from audit.ledger.keeping import LedgerKeeping
from audit.ledger.notes import parse_checkpoint, verify_note
from audit.ledger.places import PublishingFailed, read_outside
from audit.tables import checkpoint_places, checkpoints
from tests.audit.ledger.test_numbering import emit
from tests.world import World

pytestmark = pytest.mark.anyio


async def a_minute(world: World, keeping: LedgerKeeping, count: int = 3) -> int:
    """Some events more, and a checkpoint of them; returns the log's size."""
    await emit(world, count)
    world.clock.move(seconds=61)
    await keeping.number()
    await keeping.sign()
    async with world.services.database.reading() as db:
        return await log_size(db)


def outside(world: World) -> list[int]:
    audit = world.services.audit
    notes = read_outside(audit.settings)
    return [parse_checkpoint(verify_note(note, audit.key.vkey)).size for note in notes]


@pytest.mark.parametrize("mark", [10**15, -(10**15)])
async def test_a_mark_above_the_newest_checkpoint_is_not_believed(world: World, mark: int) -> None:
    """S45: a place that is said to have everything would never get anything again."""
    keeping = LedgerKeeping(world.services.audit)
    await a_minute(world, keeping)
    async with world.services.database.transaction() as db:
        await db.execute(update(checkpoint_places).values(size=mark))
    size = await a_minute(world, keeping)
    assert outside(world)[-1] == size
    async with world.services.database.reading() as db:
        assert (await db.execute(select(checkpoint_places.c.size))).scalar_one() == size


async def test_planted_checkpoints_of_sizes_to_come_give_way_to_our_own(world: World) -> None:
    """S45: with an old genuine note in each, which must not go outside under another size either."""
    audit = world.services.audit
    keeping = LedgerKeeping(audit)
    first = await a_minute(world, keeping)
    async with audit.database.transaction() as db:
        old = (await db.execute(select(checkpoints))).mappings().one()
        planted = [{**old, "size": size} for size in range(first + 1, first + 3 * PUBLISHED_AT_ONCE)]
        await db.execute(insert(checkpoints), planted)
    sizes = [first, await a_minute(world, keeping, 2 * PUBLISHED_AT_ONCE), await a_minute(world, keeping)]
    assert outside(world) == sizes
    async with audit.database.reading() as db:
        for size in sizes:
            own = await find_own(db, audit.key, size)
            assert own is not None
            assert own.published_at is not None


async def test_a_planted_checkpoint_of_just_this_size_is_not_taken_for_signed(world: World) -> None:
    """S45"""
    audit = world.services.audit
    keeping = LedgerKeeping(audit)
    await a_minute(world, keeping)
    await emit(world, 5)
    await keeping.number()
    async with audit.database.transaction() as db:
        size = await log_size(db)
        old = (await db.execute(select(checkpoints))).mappings().one()
        await db.execute(insert(checkpoints).values({**old, "size": size}))
    world.clock.move(seconds=61)
    await keeping.sign()
    assert outside(world)[-1] == size


async def test_what_was_signed_before_leaves_the_database_though_the_log_cannot_be_signed_any_more(
    world: World, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """S45"""
    keeping = LedgerKeeping(world.services.audit)

    async def refuse(*_: object, **__: object) -> int:
        raise PublishingFailed("the disk is full")

    with monkeypatch.context() as patched, caplog.at_level(logging.CRITICAL):
        patched.setattr("audit.ledger.keeping.publish_checkpoints", refuse)
        signed = await a_minute(world, keeping, 5)
    assert outside(world) == []
    await emit(world, 5)
    await keeping.number()
    async with world.services.database.transaction() as db:
        await db.execute(text("UPDATE ledger_tiles SET hashes = substr(hashes, 1, 64) WHERE level = 0"))
    world.clock.move(seconds=61)
    with pytest.raises(LookupError, match="missing or too short"):
        await keeping.sign()
    assert outside(world) == [signed]
