"""Verification from the database: what a sound log is told to be, and what erasure and clean-up may take from it."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import delete, func, insert, select, text, update

from audit.catalogue import AUDIT_PRUNED, LOGOUT_SUCCEEDED, PERSON_ERASED
from audit.record import NOBODY, Event, Origin
from audit.removal.erasure import erase_person, sweep
from audit.tables import checkpoints, events, segments, subject_keys
from audit.verification.verify import verify_log
from base.ids import PERSON, show_id
from tests.audit.verification.kept_log import SIZE, KeptLog, keep_log
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
async def log(world: World) -> KeptLog:
    return await keep_log(world)


async def test_a_sound_log_verifies_and_states_what_no_checkpoint_covers(log: KeptLog) -> None:
    """S45"""
    async with log.audit.database.transaction() as db:
        waiting = [Event(type=LOGOUT_SUCCEEDED, actor="anonymous")] * 3
        await log.audit.emitter.emit_all(db, waiting, now=log.world.clock())
    verdict = await log.verify()
    assert verdict.findings == ()
    assert verdict.ok
    assert (verdict.size, verdict.present, verdict.pruned, verdict.erased) == (SIZE, SIZE, 0, 0)
    assert (verdict.covered, verdict.uncovered, verdict.unnumbered) == (600, 40, 3)
    assert (verdict.checkpoints, verdict.outside) == (4, 4)
    assert verdict.key == log.audit.key.vkey


async def test_an_empty_log_is_sound(world: World) -> None:
    verdict = await verify_log(world.services.audit)
    assert (verdict.ok, verdict.size, verdict.covered, verdict.outside) == (True, 0, 0, 0)
    assert verdict.unnumbered == len(await world.events())


async def test_progress_is_told_to_the_end(log: KeptLog) -> None:
    told: list[tuple[int, int]] = []
    await verify_log(log.audit, told=lambda done, whole: told.append((done, whole)))
    assert told == [(SIZE, SIZE)]


async def test_a_log_verifies_before_and_after_an_erasure_and_while_it_goes_on(log: KeptLog) -> None:
    """S47"""
    who = log.people[1]
    async with log.audit.database.transaction() as db:
        count = await erase_person(db, log.audit, who.id, now=log.world.clock(), actor="cli")
    assert count is not None
    assert count > 50
    begun = await log.verify()
    assert (begun.findings, begun.erased) == ((), count)
    await sweep(log.audit.database, log.audit.emitter, [who.id])
    ended = await log.verify()
    assert (ended.findings, ended.erased) == ((), count)


async def test_a_destroyed_key_that_no_event_tells_of_is_found(log: KeptLog) -> None:
    """S45, S47"""
    who = log.people[2]
    gone = update(subject_keys).where(subject_keys.c.subject_id == who.id)
    async with log.audit.database.transaction() as db:
        await db.execute(gone.values(sealed=None, destroyed_at=log.world.clock()))
    verdict = await log.verify()
    assert verdict.count == 1
    assert (
        f"the key of {show_id(PERSON, who.id)} is destroyed, but no event tells of an erasure"
        in verdict.findings[0].words
    )
    assert verdict.findings[0].first is not None


async def test_a_value_that_stands_with_an_erased_person_again_is_found(log: KeptLog) -> None:
    """S45, S47"""
    who = log.people[1]
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, who.id, now=log.world.clock(), actor="cli")
    await sweep(log.audit.database, log.audit.emitter, [who.id])
    async with log.audit.database.transaction() as db:
        theirs = update(events).where(events.c.sealed_for == who.id)
        await db.execute(theirs.values(address_index=b"x" * 32))
    verdict = await log.verify()
    assert "its person was erased, and an index value was put there since" in verdict.findings[0].words


async def test_nobody_elses_fields_are_lost_under_the_name_of_an_erased_person(log: KeptLog) -> None:
    """S45, S47"""
    gone, other = log.people[1], log.people[2]
    async with log.audit.database.transaction() as db:
        await erase_person(db, log.audit, gone.id, now=log.world.clock(), actor="cli")
        hidden = {"sealed_for": gone.id, "person_index": None, "address_index": None, "network_index": None}
        theirs = select(func.min(events.c.seq)).where(events.c.sealed_for == other.id, events.c.seq > 200)
        number = (await db.execute(theirs)).scalar_one()
        await db.execute(update(events).where(events.c.seq == number).values(hidden))
    verdict = await log.verify()
    assert [each.words for each in verdict.findings] == [
        f"event {number}: its personal fields are said to be those of somebody who is not its subject"
    ]


async def test_another_services_word_does_not_stand_for_an_erasure(log: KeptLog) -> None:
    """S45"""
    who, now = log.people[2], log.world.clock()
    gone = update(subject_keys).where(subject_keys.c.subject_id == who.id)
    said = Event(
        type=PERSON_ERASED, actor="cli_shop", subject=show_id(PERSON, who.id), origin=Origin(source="shop"),
        data={"events": 1},
    )  # fmt: skip
    async with log.audit.database.transaction() as db:
        await db.execute(gone.values(sealed=None, destroyed_at=now))
        await log.audit.emitter.emit(db, said, now=now)
    verdict = await log.verify()
    assert "is destroyed, but no event tells of an erasure" in verdict.findings[0].words


async def test_a_checkpoint_that_the_database_lost_is_told(log: KeptLog) -> None:
    """S45"""
    async with log.audit.database.transaction() as db:
        await db.execute(delete(checkpoints).where(checkpoints.c.size > 200))
    verdict = await log.verify()
    assert [each.words for each in verdict.findings] == [
        "the database has lost its checkpoints of 257, 430, 600 events, which lie outside"
    ]
    assert verdict.covered == 600


async def test_what_is_of_no_type_that_it_should_be_is_found_and_stops_nothing(log: KeptLog) -> None:
    """S45"""
    if not log.audit.database.is_sqlite:
        # PostgreSQL takes nothing else into these columns.
        return
    changes = (
        "UPDATE ledger_tiles SET hashes = 'text' WHERE level = 0 AND number = 1",
        "UPDATE checkpoints SET note = CAST(X'FF00FE' AS TEXT), root = 'text' WHERE size = 100",
        "UPDATE events SET id = 'text', body = X'FF', actor = X'FF', session_id = 5, sealed = 'x' WHERE seq = 7",
        "UPDATE events SET at = 'never', person_index = 5, sealed_for = 'text', version = 'one' WHERE seq = 8",
        "UPDATE subject_keys SET sealed = 'text' WHERE subject_id <> zeroblob(16)",
    )
    async with log.audit.database.transaction() as db:
        for change in changes:
            await db.execute(text(change))
    verdict = await log.verify()
    assert verdict.findings[0].words.startswith("event ")
    assert verdict.count > 256


async def test_the_key_of_events_about_nobody_is_never_destroyed(log: KeptLog) -> None:
    async with log.audit.database.transaction() as db:
        await db.execute(update(subject_keys).where(subject_keys.c.subject_id == NOBODY).values(sealed=None))
    verdict = await log.verify()
    assert verdict.findings[0].words == ("event 0: the key of events about nobody is gone, which no erasure destroys")


async def prune(log: KeptLog, first: int, last: int, *, told: bool = True) -> None:
    """Removes events as a clean-up does."""
    now = log.world.clock()
    async with log.audit.database.transaction() as db:
        await db.execute(delete(events).where(events.c.seq.between(first, last)))
        await db.execute(insert(segments).values(first=first, last=last, pruned_at=now))
        if told:
            data = {"first": first, "last": last, "archived": False}
            await log.audit.emitter.emit(db, Event(type=AUDIT_PRUNED, actor="system", data=data), now=now)


async def test_a_cleaned_up_log_verifies(log: KeptLog) -> None:
    await prune(log, 0, 255)
    await prune(log, 256, 511)
    verdict = await log.verify()
    assert (verdict.findings, verdict.pruned, verdict.present) == ((), 512, SIZE - 512)
    assert verdict.covered == 600


async def test_a_clean_up_that_no_event_tells_of_is_found(log: KeptLog) -> None:
    """S45"""
    await prune(log, 0, 255)
    await prune(log, 256, 511, told=False)
    verdict = await log.verify()
    assert verdict.count == 1
    assert (verdict.findings[0].first, verdict.findings[0].last) == (256, 511)
    assert verdict.findings[0].words == (
        "events 256 to 511: a clean-up is said to have removed them, but no event tells of it"
    )


async def test_a_checkpoint_that_somebody_kept_is_compared_too(log: KeptLog, tmp_path: Path) -> None:
    """S45"""
    kept = tmp_path / "kept.txt"
    own = log.audit.settings.checkpoint_file
    own.rename(kept)
    assert (await log.verify()).covered == 0
    verdict = await verify_log(log.audit, checkpoints=[kept])
    assert (verdict.ok, verdict.covered, verdict.outside) == (True, 600, 4)
    kept.write_text(kept.read_text().replace("\n430\n", "\n431\n"))
    verdict = await verify_log(log.audit, checkpoints=[kept])
    assert [each.words for each in verdict.findings] == [
        f"{kept} (checkpoint 3): the signature of id.example.com/audit does not fit the text"
    ]
