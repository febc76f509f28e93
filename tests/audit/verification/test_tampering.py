"""Every way to change the log is found, and the first bad place named (S45).

`OSTIARY_TEST_TAMPERINGS=100` tries each way at so many random places; without it at a few.
"""

from __future__ import annotations

import os
from random import Random

import pytest
from sqlalchemy import text

from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.audit.verification.tampering import TAMPERINGS, Place, Tampering
from tests.world import World

pytestmark = pytest.mark.anyio

ROUNDS = int(os.environ.get("OSTIARY_TEST_TAMPERINGS", "4"))
_TABLES = ("events", "ledger_tiles", "checkpoints", "sequences", "subject_keys")


@pytest.fixture
async def log(world: World) -> KeptLog:
    """A log, of which `restore` makes a tampered one whole again."""
    kept = await keep_log(world)
    async with world.services.database.transaction() as db:
        for table in _TABLES:
            await db.execute(text(f"CREATE TABLE kept_{table} AS SELECT * FROM {table}"))
    return kept


async def restore(log: KeptLog, outside: str) -> None:
    async with log.audit.database.transaction() as db:
        for table in _TABLES:
            await db.execute(text(f"DELETE FROM {table}"))
            await db.execute(text(f"INSERT INTO {table} SELECT * FROM kept_{table}"))
    log.audit.settings.checkpoint_file.write_text(outside)


@pytest.mark.parametrize("tamper", TAMPERINGS, ids=lambda tamper: tamper.__name__)
async def test_a_changed_log_is_found_and_the_first_bad_place_named(log: KeptLog, tamper: Tampering) -> None:
    """S45"""
    outside = log.audit.settings.checkpoint_file.read_text()
    assert (await log.verify()).findings == ()
    missed = []
    for seed in range(ROUNDS):
        async with log.audit.database.transaction() as db:
            place = await tamper(db, log.audit, Random(f"{tamper.__name__} {seed}"))
        verdict = await log.verify()
        if not any(fits(each.words, (each.first, each.last), place) for each in verdict.findings[:1]):
            missed.append((seed, place, verdict.findings[:3]))
        await restore(log, outside)
    assert missed == []
    assert (await log.verify()).findings == ()


def fits(words: str, found: tuple[int | None, int | None], place: Place) -> bool:
    """Whether the first finding is the one that was to be expected."""
    return words.startswith(place) if isinstance(place, str) else found == place
