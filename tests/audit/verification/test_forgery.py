"""What somebody can put into the database who holds neither the master key nor a place outside (S45)."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime

import msgspec
import pytest
from sqlalchemy import delete, func, insert, select, update

from audit.catalogue import AUDIT_PRUNED, PERSON_ERASED, EventType
from audit.ledger.keeping import LedgerKeeping
from audit.record import NOBODY, Event
from audit.removal.erasure import erase_person
from audit.tables import events, segments, subject_keys
from base.clock import to_micros
from base.ids import EVENT, PERSON, new_id, show_id
from tests.audit.verification.kept_log import KeptLog, keep_log
from tests.audit.verification.test_verify import prune
from tests.world import World

pytestmark = pytest.mark.anyio
_canonical = msgspec.json.Encoder(order="sorted").encode
SILENT = "a clean-up is said to have removed them, but no event tells of it"


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


async def words(log: KeptLog) -> list[str]:
    return [each.words for each in (await log.verify()).findings]


async def forge(
    log: KeptLog,
    kind: EventType,
    data: Mapping[str, object],
    *,
    sealed_for: bytes,
    subject: str | None = None,
    hidden: Mapping[str, str] | None = None,
) -> str:
    """Puts in an event whose columns and body fit; what is sealed is made up. Returns its public id."""
    at: datetime = log.world.clock()
    event_id = new_id(at)
    public = {"name": kind.name, "severity": kind.severity.value, "outcome": "success", "actor": "system"}
    stated = {
        "v": 1, "id": show_id(EVENT, event_id), "at": to_micros(at), "subject": subject, "client": None,
        "session": None, "device": None, "request": None, "source": "auth-service", "data": data,
        "hidden": hidden or {},
    }  # fmt: skip
    row = {
        **public, "id": event_id, "at": at, "family": kind.family, "subject": subject, "source": "auth-service",
        "version": 1, "body": _canonical({**public, **stated}).decode(), "sealed_for": sealed_for, "sealed": b"junk",
    }  # fmt: skip
    async with log.audit.database.transaction() as db:
        await db.execute(insert(events).values(row))
    return show_id(EVENT, event_id)


async def destroy(log: KeptLog, who: bytes) -> None:
    async with log.audit.database.transaction() as db:
        gone = update(subject_keys).where(subject_keys.c.subject_id == who)
        await db.execute(gone.values(sealed=None, destroyed_at=log.world.clock()))
        theirs = update(events).where(events.c.sealed_for == who)
        await db.execute(theirs.values(person_index=None, address_index=None, network_index=None))


@pytest.mark.parametrize("hidden", [{}, {"person_index": "0" * 64}])
async def test_an_erasure_that_is_told_under_the_destroyed_key_itself_is_not_believed(
    log: KeptLog, hidden: dict[str, str]
) -> None:
    """S45, S47"""
    who = log.people[0].id
    await destroy(log, who)
    subject = show_id(PERSON, who)
    forged = await forge(log, PERSON_ERASED, {"events": 3}, sealed_for=who, subject=subject, hidden=hidden)
    found = await words(log)
    assert any(f"the key of {subject} is destroyed, but no event tells of an erasure" in each for each in found)
    told = f"the event {forged}, which has no number yet: it is about nobody, but its personal fields are said to be"
    assert any(each.startswith(told) for each in found) == (not hidden)


@pytest.mark.parametrize("hidden", [{}, {"person_index": "0" * 64}])
@pytest.mark.parametrize("first", [0, 256])
async def test_a_clean_up_that_is_told_under_a_destroyed_key_is_not_believed(
    log: KeptLog, hidden: dict[str, str], first: int
) -> None:
    """S45"""
    who, last = log.people[0].id, first + 255
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, who, now=log.world.clock(), actor="cli")
    await prune(log, first, last, told=False)
    await forge(log, AUDIT_PRUNED, {"first": first, "last": last, "archived": None}, sealed_for=who, hidden=hidden)
    assert any(each.endswith(SILENT) or "the next one would begin at event 0" in each for each in await words(log))
    # The server numbers and signs what it finds.
    keeping = LedgerKeeping(log.audit)
    await keeping.number()
    log.world.clock.move(seconds=61)
    await keeping.sign()
    assert any(each.endswith(SILENT) or "the next one would begin at event 0" in each for each in await words(log))


async def test_an_event_that_waits_for_its_number_cannot_get_another_body(log: KeptLog) -> None:
    """S45"""
    said = Event(type=AUDIT_PRUNED, actor="system", data={"first": 0, "last": 1, "archived": None})
    async with log.audit.database.transaction() as db:
        await log.audit.emitter.emit(db, said, now=log.world.clock())
        row = (await db.execute(select(events.c.id, events.c.body).where(events.c.seq.is_(None)))).one()
        changed = row.body.replace('"last":1', '"last":255')
        assert changed != row.body
        await db.execute(update(events).where(events.c.id == row.id).values(body=changed))
    await prune(log, 0, 255, told=False)
    assert sorted(await words(log)) == [
        f"events 0 to 255: {SILENT}",
        f"the event {show_id(EVENT, row.id)}, which has no number yet: its personal fields do not open, though their"
        " key exists",
    ]


@pytest.mark.parametrize("claim", [(0, 10**12), (0, 650), (-5, 255), (255, 0)])
async def test_a_claim_that_no_clean_up_makes_excuses_nothing(log: KeptLog, claim: tuple[int, int]) -> None:
    """S45"""
    async with log.audit.database.transaction() as db:
        said = Event(type=AUDIT_PRUNED, actor="system", data={"first": claim[0], "last": claim[1], "archived": None})
        await log.audit.emitter.emit(db, said, now=log.world.clock())
    await prune(log, 0, 255, told=False)
    assert await words(log) == [f"events 0 to 255: {SILENT}"]
    # Another process would number it now.
    log.world.clock.move(seconds=61)
    await LedgerKeeping(log.audit).number()
    verdict = await log.verify()
    assert ([each.words for each in verdict.findings], verdict.unnumbered) == ([f"events 0 to 255: {SILENT}"], 0)


@pytest.mark.parametrize(("first", "last"), [(0, 99), (300, 310), (256, 511)])
async def test_clean_ups_go_on_from_the_oldest_by_whole_rows(log: KeptLog, first: int, last: int) -> None:
    """S45"""
    await prune(log, first, last)
    assert await words(log) == [
        f"events {first} to {last}: a clean-up is said to have removed them, but the next one would begin at event 0"
        " and remove a multiple of 256 events"
    ]


async def test_what_was_removed_during_the_verification_and_unsaid_is_found(
    log: KeptLog, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S45"""
    await prune(log, 0, 255, told=False)

    async def unsay(*_: object) -> None:
        async with log.audit.database.transaction() as db:
            await db.execute(delete(segments))

    monkeypatch.setattr("audit.verification.verify._Work.take_unnumbered", unsay)
    assert await words(log) == [f"events 0 to 255: {SILENT}"]


async def test_personal_fields_of_events_about_nobody_are_not_lost_under_an_erased_person(log: KeptLog) -> None:
    """S45, S47"""
    who = log.people[0].id
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, who, now=log.world.clock(), actor="cli")
        theirs = events.c.sealed_for == NOBODY, events.c.address_index.is_not(None), events.c.seq < 600
        numbers = (await db.execute(select(events.c.seq).where(*theirs).order_by(events.c.seq))).scalars().all()
        hidden = {"sealed_for": who, "sealed": b"x", "address_index": None, "network_index": None}
        await db.execute(update(events).where(events.c.seq.in_(numbers)).values(hidden))
    assert len(numbers) > 30
    verdict = await log.verify()
    assert verdict.count == len(numbers)
    assert verdict.findings[0].words == (
        f"event {numbers[0]}: it is about nobody, but its personal fields are said to be a person's"
    )


async def test_personal_fields_of_a_person_are_not_nobodys(log: KeptLog) -> None:
    """S45"""
    async with log.audit.database.transaction() as db:
        number = (await db.execute(select(func.min(events.c.seq)).where(events.c.sealed_for != NOBODY))).scalar_one()
        await db.execute(update(events).where(events.c.seq == number).values(sealed_for=NOBODY))
    assert await words(log) == [
        f"event {number}: it is about a person, but its personal fields are said to be nobody's"
    ]
