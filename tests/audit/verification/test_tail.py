"""What lies behind the last checkpoint outside, and what says that something should lie there (S45)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from audit.catalogue import LOGIN_SUCCEEDED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin
from audit.tables import checkpoint_places, events
from audit.verification.verify import verify_log
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


async def tell(log: KeptLog, actor: str = "anonymous", *, origin: Origin = Origin()) -> None:
    async with log.audit.database.transaction() as db:
        event = Event(type=LOGIN_SUCCEEDED, actor=actor, origin=origin)
        await log.audit.emitter.emit(db, event, now=log.world.clock())


async def words(log: KeptLog, given: Sequence[Path] = ()) -> list[str]:
    return [each.words for each in (await verify_log(log.audit, checkpoints=given)).findings]


@pytest.mark.parametrize("is_numbered", [False, True])
async def test_events_that_are_held_back_for_long_are_found(log: KeptLog, *, is_numbered: bool) -> None:
    """S45: whoever keeps the lease, or a place, from working could delete them later."""
    for _ in range(4):
        await tell(log)
        if is_numbered:
            await LedgerKeeping(log.audit).number()
        log.world.clock.move(minutes=4)
    (found,) = await words(log)
    assert found.startswith("events from ")
    assert "have no number, or no checkpoint outside covers them, while one is due every 60 s" in found


async def test_the_verdict_says_since_when_events_are_uncovered_and_unnumbered(log: KeptLog) -> None:
    log.world.clock.move(minutes=3)
    at = log.world.clock()
    await tell(log)
    verdict = await log.verify()
    async with log.audit.database.reading() as db:
        first = (await db.execute(select(func.min(events.c.at)).where(events.c.seq >= 600))).scalar_one()
    assert (verdict.ok, verdict.uncovered_since) == (True, first)
    assert verdict.unnumbered_since is not None
    assert verdict.unnumbered_since >= at
    await LedgerKeeping(log.audit).stop()
    covered = await log.verify()
    assert (covered.uncovered_since, covered.unnumbered_since) == (None, None)


async def test_a_server_that_is_stopped_commands_beside_it_and_late_events_of_others_are_no_finding(
    log: KeptLog,
) -> None:
    await tell(log)
    log.world.clock.move(days=3)
    await tell(log, "cli")
    await tell(log, "cli_shop", origin=Origin(source="shop"))
    log.world.clock.move(days=3)
    await tell(log, "cli")
    assert await words(log) == []


async def test_a_file_that_lacks_what_it_is_said_to_have_is_found(log: KeptLog, tmp_path: Path) -> None:
    """S45"""
    file = log.audit.settings.checkpoint_file
    whole = file.read_text()
    notes = whole.split("\n\n")
    file.write_text("\n\n".join(notes[:4]) + "\n")
    short = f"{file} is said to have every checkpoint up to 600 events, but the largest in it is of 257:"
    assert [each for each in await words(log) if each.startswith(short)] != []
    # It lies somewhere else: with another host, say.
    given = tmp_path / "given.txt"
    given.write_text(whole)
    assert await words(log, [given]) == []
    file.write_text(whole)
    async with log.audit.database.transaction() as db:
        await db.execute(update(checkpoint_places).values(size=10**15))
    assert await words(log) == [
        f"{file} is said to have every checkpoint up to {10**15} events, but the largest in it is of 600: what should"
        " have gone there did not"
    ]


async def test_a_time_that_cannot_be_stops_nothing(log: KeptLog) -> None:
    """S45"""
    await tell(log)
    async with log.audit.database.transaction() as db:
        await db.exec_driver_sql(f"UPDATE events SET at = {2**62} WHERE seq IS NULL")
    found = await words(log)
    assert any("at in its columns and in its body differ" in each for each in found)
    assert any("to a time that cannot be have no number" in each for each in found)
