"""Nobody's name is lent to others: what is told of erased people, and of people as if they were erased (S45, S47)."""

from __future__ import annotations

from datetime import timedelta

import pytest
from sqlalchemy import delete, select, update

from audit.catalogue import LOGIN_SUCCEEDED, MAIL_FAILED, PERSON_ERASED, SESSION_STARTED
from audit.ledger.keeping import LedgerKeeping
from audit.record import Event
from audit.removal.erasure import AFTERMATH, Erasures, erase_person
from audit.tables import events, subject_keys
from audit.verification.after_erasure import LATE
from base.ids import PERSON, show_id
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.audit.verification.test_forgery import forge
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


async def words(log: KeptLog) -> list[str]:
    return [each.words for each in (await log.verify()).findings]


async def sign(log: KeptLog) -> None:
    # The lease of the one before is over.
    log.world.clock.move(seconds=61)
    keeping = LedgerKeeping(log.audit)
    await keeping.number()
    await keeping.stop()


async def erase(log: KeptLog) -> bytes:
    who = log.people[0].id
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, who, now=log.world.clock(), actor="cli")
    await sign(log)
    return who


async def tell(log: KeptLog, who: bytes | None = None, *, subject: str | None = None) -> None:
    async with log.audit.database.transaction() as db:
        event = Event(type=LOGIN_SUCCEEDED, actor="anonymous", person=who, subject=subject)
        await log.audit.emitter.emit(db, event, now=log.world.clock())


async def lend(log: KeptLog, who: bytes) -> str:
    """An act that somebody makes up, about a person whose key is gone."""
    made_up = {"person_index": "0" * 64, "address_index": "1" * 64}
    return await forge(log, SESSION_STARTED, {}, sealed_for=who, subject=show_id(PERSON, who), hidden=made_up)


async def test_an_act_that_is_made_up_about_an_erased_person_is_found(log: KeptLog) -> None:
    """S45, S47: nothing of it opens, so it could be anybody's; also after the server numbered and signed it."""
    who = await erase(log)
    log.world.clock.move(days=30)
    forged = await lend(log, who)
    assert await words(log) == [f"the event {forged}, which has no number yet: {LATE}"]
    await sign(log)
    assert [each.partition(": ")[2] for each in await words(log)] == [LATE]


async def test_an_act_that_is_dated_back_before_the_erasure_is_found_by_the_events_before_it(log: KeptLog) -> None:
    """S45, S47: the time of what opens cannot be made up."""
    who = await erase(log)
    log.world.clock.move(days=30)
    await tell(log)
    await sign(log)
    log.world.clock.move(days=-40)
    await lend(log, who)
    log.world.clock.move(days=40)
    assert [each.partition(": ")[2] for each in await words(log)] == [LATE]


async def test_the_journal_tells_of_an_erasure_whose_event_a_clean_up_removed(log: KeptLog) -> None:
    """S45, S47"""
    who = await erase(log)
    log.world.clock.move(days=30)
    await lend(log, who)
    async with log.audit.database.transaction() as db:
        await db.execute(delete(events).where(events.c.name == PERSON_ERASED.name))
    assert [each for each in await words(log) if each.endswith(LATE)] != []


async def test_what_another_process_wrote_a_moment_after_the_erasure_is_no_finding(log: KeptLog) -> None:
    """S47: it kept the key in its memory until its next round."""
    who = log.people[0].id
    async with log.audit.database.transaction() as db:
        await log.audit.emitter.emit(
            db, Event(type=LOGIN_SUCCEEDED, actor="anonymous", person=who), now=log.world.clock() + AFTERMATH / 2
        )
        late = (await db.execute(select(events.c.id).order_by(events.c.at.desc()).limit(1))).scalar_one()
    await erase(log)
    assert await words(log) == []
    async with log.audit.database.reading() as db:
        assert (await db.execute(select(events.c.seq).where(events.c.id == late))).scalar_one() is not None


async def test_a_clock_that_ran_ahead_before_the_erasure_is_no_finding(log: KeptLog) -> None:
    """S47"""
    who = log.people[0].id
    log.world.clock.move(days=2)
    await tell(log, who)
    await sign(log)
    log.world.clock.move(days=-2)
    assert await erase(log) == who
    log.world.clock.move(hours=3)
    await tell(log, who)
    await sign(log)
    assert await words(log) == []


async def test_an_event_that_names_a_person_as_if_they_were_erased_is_found(log: KeptLog) -> None:
    """S45: who takes a key away for a while has the server write down sign-ins without an address."""
    who, database = log.people[1].id, log.audit.database
    subject = show_id(PERSON, who)
    async with database.transaction() as db:
        here = subject_keys.c.subject_id == who
        sealed = (await db.execute(select(subject_keys.c.sealed).where(here))).scalar_one()
        taken = update(subject_keys).where(here).values(sealed=None, destroyed_at=log.world.clock())
        await db.execute(taken)
        swept = (await db.execute(select(events).where(events.c.sealed_for == who))).mappings().all()
    await Erasures(log.audit).round()
    await tell(log, who, subject=subject)
    async with database.transaction() as db:
        await db.execute(update(subject_keys).where(here).values(sealed=sealed, destroyed_at=None))
        for row in swept:
            kept = {name: row[name] for name in ("person_index", "address_index", "network_index")}
            await db.execute(update(events).where(events.c.id == row["id"]).values(kept))
    told = f"it is about nobody, as if {subject} were erased, but nothing tells of that"
    (found,) = await words(log)
    assert found.startswith("the event evt_")
    assert found.endswith(f", which has no number yet: {told}")
    await sign(log)
    assert [each.partition(": ")[2] for each in await words(log)] == [told]


async def test_what_is_said_of_an_erased_person_and_of_a_letter_to_nobody_is_no_finding(log: KeptLog) -> None:
    who = await erase(log)
    log.world.clock.move(days=3)
    await tell(log, who, subject=show_id(PERSON, who))
    gone = show_id(PERSON, b"n" * 16)
    async with log.audit.database.transaction() as db:
        failed = Event(type=MAIL_FAILED, actor="system", outcome="failure", subject=gone)
        await log.audit.emitter.emit(db, failed, now=log.world.clock() + timedelta(seconds=1))
    await sign(log)
    assert await words(log) == []
