"""Retention is nobody's tool: whoever can write to the database cannot have it remove what it would keep (S45)."""

from __future__ import annotations

import logging
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import pytest
from sqlalchemy import text, update

from audit.ledger.merkle import leaf_hash
from audit.removal.retention import Retention
from audit.tables import checkpoints, events, ledger_tiles, segments
from base.tables import cursors, sequences
from tests.audit.removal.old_events import clean, fill, numbers, pruned, removed, verdict
from tests.audit.removal.test_retention import opened
from tests.world import World

__all__ = ["opened"]
pytestmark = pytest.mark.anyio

Opened = Callable[..., AbstractAsyncContextManager[World]]
_401_DAYS_US = 401 * 86400 * 1_000_000


async def run(world: World, statement: str) -> None:
    async with world.services.database.transaction() as db:
        await db.execute(text(statement))


async def a_round(world: World, caplog: pytest.LogCaptureFixture) -> str:
    """What a round of retention complains of."""
    caplog.clear()
    with caplog.at_level(logging.WARNING, "ostiary.retention"):
        await Retention(world.services.audit).round()
    await run(world, "DELETE FROM leases WHERE name = 'retention'")
    return " ".join(record.getMessage() for record in caplog.records if "stay in the database" in record.getMessage())


async def test_events_whose_column_alone_says_that_they_are_old_stay(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """S45: neither the times in the table nor the cursor of the steady clock are believed."""
    async with opened(retention_days=400) as world:
        await fill(world, 600)
        await clean(world)
        async with world.services.database.transaction() as db:
            await db.execute(update(cursors).where(cursors.c.name == "retention.steady_s").values(next=86400))
        await run(world, f"UPDATE events SET at = at - {_401_DAYS_US} WHERE seq < 512")
        said = await a_round(world, caplog)
        assert said == "old events stay in the database: event 0: its columns and its body differ"
        assert (len(await numbers(world)), await pruned(world)) == (600, [])
        await run(world, f"UPDATE events SET at = at + {_401_DAYS_US} WHERE seq < 512")
        assert (await verdict(world)).findings == ()


async def test_a_body_that_was_changed_together_with_its_hash_stays(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """S45: the stored hashes lie in the same database; the signed root does not fit them."""
    async with opened(max_events=1) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            body = (await db.execute(events.select().where(events.c.seq == 0))).mappings().one()["body"]
            changed = body.replace('"actor":"system"', '"actor":"nobody"')
            assert changed != body
            await db.execute(update(events).where(events.c.seq == 0).values(body=changed, actor="nobody"))
            here = ledger_tiles.c.level == 0, ledger_tiles.c.number == 0
            hashes = (await db.execute(ledger_tiles.select().where(*here))).mappings().one()["hashes"]
            forged = leaf_hash(changed.encode()) + hashes[32:]
            await db.execute(update(ledger_tiles).where(*here).values(hashes=forged))
        said = await a_round(world, caplog)
        assert said.endswith("events 0 to 511 do not give the root of the checkpoint of 600 events")
        assert (len(await numbers(world)), await pruned(world)) == (600, [])


async def test_how_many_events_there_are_is_not_what_the_counter_says(opened: Opened) -> None:
    """S45: with a limit on the count, a counter that was raised would remove everything."""
    async with opened(max_events=10_000, retention_days=0) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            await db.execute(update(sequences).where(sequences.c.name == "ledger").values(next=1_000_600))
            await db.execute(update(cursors).values(next=1_000_600))
        await Retention(world.services.audit).round()
        assert (len(await numbers(world)), await pruned(world)) == (600, [])


async def test_how_many_events_are_covered_is_what_a_signed_note_says(opened: Opened) -> None:
    """S45: rows without a note of ours, and a genuine note under another size, say nothing."""
    async with opened(max_events=300, retention_days=0) as world:
        await fill(world, 600)
        async with world.services.database.transaction() as db:
            genuine = (await db.execute(checkpoints.select().order_by(checkpoints.c.size.desc()))).mappings().first()
            assert genuine is not None
            await db.execute(checkpoints.insert().values({**genuine, "size": 90_000}))
            await db.execute(checkpoints.insert().values({**genuine, "size": 80_000, "note": "junk"}))
        await clean(world)
        assert (await numbers(world))[0] == 512
        await run(world, "DELETE FROM checkpoints WHERE size <= 700")
        await fill(world, 88)
        await run(world, "DELETE FROM checkpoints WHERE size <= 2000")
        await clean(world)
        assert (await numbers(world))[0] == 512


async def test_what_a_row_says_is_gone_and_no_event_tells_of_is_not_removed_and_not_told(
    opened: Opened, caplog: pytest.LogCaptureFixture
) -> None:
    """S45: neither this round nor the next genuine clean-up carries it out."""
    async with opened(max_events=300, retention_days=0) as world:
        await fill(world, 1000)
        await clean(world)
        await fill(world, 1100)
        async with world.services.database.transaction() as db:
            await db.execute(update(segments).values(last=767 + 256))
        for _ in range(2):
            said = await a_round(world, caplog)
            assert said.endswith("events 768 to 1023 are said to be removed, but no event tells of it")
        assert (await numbers(world))[0] == 768
        assert await pruned(world) == [{"first": 0, "last": 767, "archived": None}]
        async with world.services.database.transaction() as db:
            await db.execute(update(segments).values(last=767))
        await clean(world)
        assert (await removed(world))[0][1] > 1023
        assert (await verdict(world)).findings == ()
