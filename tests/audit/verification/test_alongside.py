"""A verification beside a server at work finds nothing wrong: no picture of the log is put together from two times."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import timedelta

import pytest

from audit.catalogue import LOGIN_SUCCEEDED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event, Origin
from audit.removal.erasure import Erasures, erase_person
from audit.removal.retention import Retention
from audit.services import AuditServices
from audit.verification import reading as verify_reading
from audit.verification.verify import verify_log
from tests.audit.verification.kept_log import keep_log
from tests.world import World

pytestmark = pytest.mark.anyio


@asynccontextmanager
async def at_work(world: World, audit: AuditServices, people: list[bytes]) -> AsyncIterator[None]:
    """Events, numbers, checkpoints, erasures and clean-ups, one after the other until the block ends."""
    keeping, erasures, retention = LedgerKeeping(audit), Erasures(audit), Retention(audit)
    done = asyncio.Event()

    async def work() -> None:
        while not done.is_set():
            person = people[-1]
            told = [Event(type=LOGIN_SUCCEEDED, actor="anonymous", person=person, origin=Origin("203.0.113.9"))] * 40
            async with audit.database.transaction() as db:
                await audit.emitter.emit_all(db, told, now=audit.clock())
            world.clock.move(seconds=61)
            await keeping.number()
            await keeping.sign()
            if len(people) > 1:
                async with audit.database.transaction() as db:
                    await erase_person(db, audit, people.pop(0), now=audit.clock(), actor="cli")
            await erasures.round()
            await retention.round()

    running = asyncio.ensure_future(work())
    try:
        yield
    finally:
        done.set()
        await running


async def test_a_log_at_work_verifies(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """S45, S47"""
    # Small batches, so that much happens between two of them.
    monkeypatch.setattr("audit.verification.verify.BATCH", 256)
    assert verify_reading.BATCH % 256 == 0
    log = await keep_log(world, people=12, sizes=(600, 1100), size=1500)
    settings = replace(log.audit.settings, max_events=700, retention=timedelta(days=400))
    audit = replace(log.audit, settings=settings)
    verdicts = []
    async with at_work(world, audit, [person.id for person in log.people]):
        for _ in range(12):
            verdicts.append(await verify_log(audit))
            assert verdicts[-1].findings == ()
    assert verdicts[-1].size > verdicts[0].size
    # Clean-ups may have taken the last event about an erased person by the end.
    assert any(each.pruned for each in verdicts)
    assert any(each.erased for each in verdicts)
