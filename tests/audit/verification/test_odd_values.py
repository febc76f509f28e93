"""A database that holds what none of its columns should hold: verification tells of it, and comes to an end (S45)."""

from __future__ import annotations

import asyncio

import pytest
from msgspec import Raw
from sqlalchemy import insert, select, text, update

from audit.catalogue import AUDIT_PRUNED, LOGIN_FAILED, LOGIN_SUCCEEDED
from audit.record import NOBODY, Event, Origin
from audit.tables import ledger_tiles
from audit.verification.values import LogVerdict
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.audit.verification.test_forgery import forge
from tests.world import World

pytestmark = pytest.mark.anyio

TILES = "the ledger has rows of hashes that are none: their place or their length cannot be (1 of them)"
NUMBERS = "events have something else than a number as theirs (1 of them)"
SIZES = "the database has checkpoints of a size that cannot be (1 of them)"
SEGMENTS = "clean-ups are said to have removed something else than numbers (1 of them)"
NEXT = "the number that the next event would get is no number"


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world, sizes=(100, 257), size=300)


async def verified(log: KeptLog) -> LogVerdict:
    """The verdict, which does not take for ever."""
    async with asyncio.timeout(20):
        return await log.verify()


async def change(log: KeptLog, *statements: str) -> None:
    async with log.audit.database.transaction() as db:
        for each in statements:
            await db.execute(text(each))


@pytest.mark.parametrize(
    ("level", "number", "words"),
    [
        (0, 2**30, "its hash is missing in the ledger"),
        (0, 2**60, "its hash is missing in the ledger"),
        (0, 2**62, "its hash is missing in the ledger"),
        (0, -1, TILES),
        (-1, 0, TILES),
        (7, 0, TILES),
        (32767, 0, TILES),
        (1, 2**40, "were cut off: the log ends at 300, but the ledger's hashes of level 1 tell of"),
    ],
)
async def test_a_row_of_hashes_far_away_is_told_and_not_walked_to(
    log: KeptLog, level: int, number: int, words: str
) -> None:
    """S45"""
    async with log.audit.database.transaction() as db:
        await db.execute(insert(ledger_tiles).values(level=level, number=number, hashes=bytes(32)))
    verdict = await verified(log)
    assert any(words in each.words for each in verdict.findings), verdict.findings


async def test_a_row_of_more_than_256_hashes_is_told(log: KeptLog) -> None:
    """S45"""
    here = (ledger_tiles.c.level == 0, ledger_tiles.c.number == 0)
    async with log.audit.database.transaction() as db:
        hashes = (await db.execute(select(ledger_tiles.c.hashes).where(*here))).scalar_one()
        await db.execute(update(ledger_tiles).where(*here).values(hashes=bytes(hashes) + bytes(32)))
    assert TILES in [each.words for each in (await verified(log)).findings]


async def test_the_first_missing_row_of_hashes_is_named(log: KeptLog) -> None:
    """S45"""
    await change(log, "DELETE FROM ledger_tiles WHERE level = 0 AND number = 0")
    assert (await verified(log)).findings[0].words == "event 0: its hash is missing in the ledger"


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        ("UPDATE events SET seq = 'abc' WHERE seq = 5", NUMBERS),
        ("UPDATE events SET seq = CAST(x'ff' AS TEXT) WHERE seq = 5", NUMBERS),
        ("UPDATE events SET seq = x'00' WHERE seq = 6", NUMBERS),
        ("UPDATE events SET seq = 5.5 WHERE seq = 6", NUMBERS),
        ("UPDATE events SET seq = -5.5 WHERE seq = 6", NUMBERS),
        ("UPDATE sequences SET next = 'zz' WHERE name = 'ledger'", NEXT),
        ("UPDATE sequences SET next = CAST(x'ff' AS TEXT) WHERE name = 'ledger'", NEXT),
        ("UPDATE sequences SET next = 299.5 WHERE name = 'ledger'", NEXT),
        ("INSERT INTO segments VALUES ('a', 700, 0, NULL)", SEGMENTS),
        ("INSERT INTO segments VALUES (5.5, 5.7, 0, NULL)", SEGMENTS),
        ("INSERT INTO segments VALUES (0, 'x', 0, NULL)", SEGMENTS),
        ("UPDATE checkpoints SET size = 100.5 WHERE size = 100", SIZES),
        ("UPDATE checkpoints SET size = 'x' WHERE size = 100", SIZES),
        ("UPDATE checkpoints SET size = -1 WHERE size = 100", SIZES),
        ("UPDATE checkpoints SET at = 'x' WHERE size = 257", "its columns and its signed note differ"),
        ("UPDATE checkpoints SET at = CAST(x'ff' AS TEXT) WHERE size = 257", "its columns and its signed note differ"),
        ("UPDATE events SET id = 7 WHERE seq = 9", "event 9: a column holds a value of a kind"),
        ("UPDATE events SET body = 7 WHERE seq = 10", "event 10: its body does not give its hash"),
        ("UPDATE events SET at = CAST(x'ff' AS TEXT) WHERE seq = 10", "event 10: at in its columns"),
        ("UPDATE events SET seq = NULL, at = 'x' WHERE seq = 299", "which has no number yet: at in its columns"),
        ("UPDATE events SET seq = NULL, id = 3 WHERE seq = 299", "the event 3, which has no number yet: a column"),
        ("UPDATE ledger_tiles SET number = 'x' WHERE level = 0 AND number = 1", TILES),
        ("UPDATE ledger_tiles SET number = 0.5 WHERE level = 0 AND number = 1", TILES),
        ("UPDATE ledger_tiles SET level = 'x' WHERE level = 1", TILES),
        ("UPDATE ledger_tiles SET level = 0.5 WHERE level = 1", TILES),
        (
            "UPDATE subject_keys SET subject_id = 'y' WHERE subject_id = zeroblob(16)",
            "there is no key for its personal fields",
        ),
        ("UPDATE subject_keys SET sealed = 7", "the key of its personal fields does not open under the master key"),
    ],
)
async def test_what_is_no_number_where_one_should_be_is_told(log: KeptLog, statement: str, words: str) -> None:
    """S45"""
    if not log.audit.database.is_sqlite:
        # PostgreSQL takes nothing else into these columns.
        return
    await change(log, "PRAGMA ignore_check_constraints = 1", statement)
    verdict = await verified(log)
    assert any(words in each.words for each in verdict.findings), verdict.findings


async def test_an_event_between_two_numbers_is_found(log: KeptLog) -> None:
    """S45"""
    if not log.audit.database.is_sqlite:
        return
    async with log.audit.database.transaction() as db:
        said = Event(type=LOGIN_SUCCEEDED, actor="usr_x", origin=Origin("203.0.113.9"))
        await log.audit.emitter.emit(db, said, now=log.world.clock())
        await db.execute(text("UPDATE events SET seq = 5.5 WHERE seq IS NULL"))
    assert [each.words for each in (await verified(log)).findings] == [NUMBERS]


async def test_a_body_that_is_nested_too_deep_is_told(log: KeptLog) -> None:
    """S45"""
    deep = Raw(b"[" * 50_000 + b"]" * 50_000)
    await forge(log, LOGIN_FAILED, {"deep": deep}, sealed_for=NOBODY)
    odd = await forge(log, AUDIT_PRUNED, {"first": "x"}, sealed_for=NOBODY)
    found = [each.words for each in (await verified(log)).findings]
    assert any("its body is not one of a version that this program knows" in each for each in found)
    assert (
        f"the event {odd}, which has no number yet: its personal fields do not open, though their key exists" in found
    )
