"""Erasing a person: unreadable to every reader, found by nothing, and the log is as it was (S47)."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select, update

from audit.catalogue import LOGIN_FAILED, LOGIN_SUCCEEDED
from audit.export import begin_export, export_events
from audit.ledger.keeping import LedgerKeeping
from audit.ledger.numbering import LEDGER, leaves_of
from audit.ledger.tiles import leaf_hashes
from audit.reading import EventReader, as_json
from audit.record import NOBODY, Event, Origin
from audit.removal import erasure
from audit.removal.erasure import Erasures, erase_person, replay, sweep
from audit.removal.journal import JournalUnwritable, read_journal
from audit.search.events import search_events
from audit.search.filter import EventFilter
from audit.search.of_person import list_person_events
from audit.tables import events, subject_keys
from base.ids import PERSON, show_id
from base.sequencer import next_number
from base.statements import Unit
from identity.account.data_file import write_data_file
from identity.account.deletion import delete_person
from identity.person_values import Person
from tests.audit.removal.old_events import verdict
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

HOME = "203.0.113.77"
AGENT = "Mozilla/5.0 (Lighthouse of Ada)"


async def _sign_ins(world: World, person: Person, count: int = 3) -> None:
    """Events about the person, from an address and with an agent that nobody else has."""
    usr = show_id(PERSON, person.id)
    event = Event(type=LOGIN_SUCCEEDED, actor=usr, subject=usr, person=person.id, origin=Origin(HOME, AGENT))
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, [event] * count, now=world.clock())


async def _erase(world: World, person: Person, *, actor: str = "cli", origin: Origin = Origin()) -> int | None:
    async with world.services.database.transaction() as db:
        return await erase_person(
            db, world.services.audit, person.id, now=world.clock(), actor=actor, origin=origin
        )  # fmt: skip


async def _everything_said(world: World, person: Person) -> str:
    """All that the ways of reading the log give out."""
    services = world.services
    async with services.database.transaction() as db:
        range_ = await begin_export(db, services.emitter, now=world.clock(), actor="cli")
    said = [json.dumps(event) async for event in export_events(services.database, services.sealer, range_)]
    async with services.database.reading() as db:
        said += [repr(each) for each in await list_person_events(
            db, services.emitter, services.sealer, person.id, limit=100
        )]  # fmt: skip
        for filter_ in (
            EventFilter(person=person.id),
            EventFilter(address=HOME),
            EventFilter(network="203.0.113.0/24"),
        ):
            page = await search_events(db, services.emitter.index, filter_, limit=100, after=None)
            opened = await EventReader(services.sealer).open_all(db, page.rows)
            said += [f"found by {filter_}: {json.dumps(as_json(event))}" for event in opened]
    said += [part.decode() async for part in write_data_file(services, person.id, now=world.clock())]
    return "\n".join(said)


async def _indexed(world: World) -> int:
    """How many events are found by some keyed value of the address that Ada alone has, or by her."""
    found = select(func.count()).where(events.c.address_index == world.services.emitter.index("address", HOME))
    async with world.services.database.reading() as db:
        count: int = (await db.execute(found)).scalar_one()
    return count


async def _leaves(world: World) -> tuple[list[bytes], list[bytes]]:
    """The hashes that the ledger holds, and those of the bodies as they are."""
    async with world.services.database.reading() as db:
        size = await next_number(db, LEDGER) or 0
        rows = (await db.execute(select(events.c.id, events.c.body).order_by(events.c.seq))).all()
        return await leaf_hashes(db, 0, size), leaves_of([tuple(row) for row in rows])


async def test_no_reader_finds_or_reads_an_erased_person_and_the_log_still_holds(world: World) -> None:
    """S47"""
    ada, _ = await world.person("ada", password=None), await world.person("bob", password=None)
    await _sign_ins(world, ada)
    keeping = LedgerKeeping(world.services.audit)
    await keeping.number()
    before = await _leaves(world)
    assert before[0] == before[1]
    said = await _everything_said(world, ada)
    assert all(words in said for words in (HOME, AGENT, "ada@example.com", "found by"))

    async with world.services.database.transaction() as db:
        await delete_person(db, world.services, ada.id, now=world.clock(), actor="cli")
    # Between the two steps, too.
    assert (await verdict(world)).findings == ()
    await Erasures(world.services.audit).round()

    said = await _everything_said(world, ada)
    assert not any(words in said for words in (HOME, AGENT, "ada@example.com", "found by"))
    assert "bob@example.com" in said
    assert await _indexed(world) == 0
    await keeping.number()
    stored, made = await _leaves(world)
    assert stored == made
    assert stored[: len(before[0])] == before[0]
    found = await verdict(world)
    assert found.findings == ()
    assert found.erased >= 4


async def test_an_erasure_leaves_an_event_without_the_persons_own_address(world: World) -> None:
    """S44"""
    ada = await world.person(password=None)
    usr = show_id(PERSON, ada.id)
    await _erase(world, ada, actor=usr, origin=Origin(HOME, AGENT, "req"))
    (event,) = await world.events("admin.person_erased")
    assert (event["actor"], event["subject"], event["request"]) == (usr, usr, "req")
    assert (event["data"], event["hidden"]) == ({"events": 1}, {})


async def test_erasing_twice_is_erasing_once(world: World) -> None:
    ada = await world.person(password=None)
    assert await _erase(world, ada) == 1
    assert await _erase(world, ada) is None
    assert len(await world.events("admin.person_erased")) == 1
    journal = read_journal(world.services.audit.settings.erasure_journal)
    assert [each.subject_id for each in journal.erasures] == [ada.id]


async def test_nobodys_key_is_never_destroyed(world: World) -> None:
    async with world.services.database.transaction() as db:
        with pytest.raises(ValueError, match="nobody"):
            await erase_person(db, world.services.audit, NOBODY, now=world.clock(), actor="cli")


async def test_where_the_journal_cannot_be_written_nobody_is_erased(database_url: str, tmp_path: Path) -> None:
    """S47: the next try goes through once there is room again."""
    journal = tmp_path / "full" / "erasures.journal"
    journal.parent.touch()
    async with open_world(database_url, tmp_path, audit__erasure_journal=str(journal)) as world:
        ada = await world.person(password=None)
        with pytest.raises(JournalUnwritable):
            await _erase(world, ada)
        assert await world.events("admin.person_erased") == []
        assert "ada@example.com" in await _everything_said(world, ada)
        journal.parent.unlink()
        assert await _erase(world, ada) == 1
    assert len(read_journal(journal).erasures) == 1


async def test_a_locked_journal_refuses_an_erasure_before_other_writers_have_waited_too_long(world: World) -> None:
    """S47, S44"""
    ada, bob = await world.person(password=None), await world.person("bob", password=None)
    path = world.services.audit.settings.erasure_journal
    with path.open("a") as held:
        fcntl.flock(held, fcntl.LOCK_SH)
        erasing = asyncio.create_task(_erase(world, ada))
        while not erasing.done() and not _waits_for_lock(path):
            await asyncio.sleep(0.01)
        # On SQLite it waits behind the erasure's transaction.
        await _sign_ins(world, bob, 1)
        with pytest.raises(JournalUnwritable, match="another process has kept it locked for 1 s"):
            await erasing
    assert len(await world.events("login.succeeded")) == 1
    assert "ada@example.com" in await _everything_said(world, ada)
    assert await _erase(world, ada) == 1


def _waits_for_lock(path: Path) -> bool:
    """Whether this process has opened the journal once more."""
    opened = [os.path.realpath(each) for each in Path("/proc/self/fd").iterdir()]
    return opened.count(str(path.resolve())) > 1


async def test_an_erasure_that_is_undone_leaves_the_person_readable(world: World) -> None:
    ada = await world.person(password=None)

    async def fail_afterwards() -> None:
        async with world.services.database.transaction() as db:
            await erase_person(db, world.services.audit, ada.id, now=world.clock(), actor="cli")
            event = Event(type=LOGIN_FAILED, actor="anonymous", person=ada.id, origin=Origin(HOME))
            await world.services.emitter.emit(db, event, now=world.clock())
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail_afterwards()
    await _sign_ins(world, ada, 1)
    said = await _everything_said(world, ada)
    assert HOME in said
    assert await _indexed(world) == 1


async def test_events_about_an_erased_person_are_still_stored_and_say_nothing_of_them(world: World) -> None:
    ada = await world.person(password=None)
    await _erase(world, ada)
    await _sign_ins(world, ada, 2)
    event = Event(type=LOGIN_FAILED, actor="anonymous", outcome="failure", person=ada.id, origin=Origin(HOME, AGENT))
    row = await world.services.emitter.row(event, now=world.clock())
    await world.services.database.write(Unit(rows=(row,)))
    assert len(await world.events("login.succeeded")) == 2
    (failed,) = await world.events("login.failed")
    assert failed["hidden"] == {}
    assert HOME not in await _everything_said(world, ada)
    assert await _indexed(world) == 0


async def test_what_another_process_wrote_with_a_key_in_its_memory_is_swept(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path) as here, open_world(database_url, tmp_path) as there:
        ada = await here.person(password=None)
        await _sign_ins(there, ada)
        rounds = Erasures(there.services.audit)
        await rounds.round()
        await _erase(here, ada)
        # Its emitter has not heard of it.
        await _sign_ins(there, ada)
        assert await _indexed(there) == 6
        assert AGENT not in await _everything_said(there, ada)
        there.clock.move(minutes=1)
        await rounds.round()
        assert await _indexed(there) == 0
        await _sign_ins(there, ada)
        assert await _indexed(there) == 0
        assert (await verdict(there)).findings == ()


async def test_events_that_are_written_while_a_person_is_erased_end_up_unreadable_and_unfindable(world: World) -> None:
    """S47"""
    ada = await world.person(password=None)
    rounds = Erasures(world.services.audit)
    await asyncio.gather(
        *(_sign_ins(world, ada) for _ in range(10)),
        _erase(world, ada),
        rounds.round(),
        *(_sign_ins(world, ada) for _ in range(10)),
        LedgerKeeping(world.services.audit).number(),
    )
    await rounds.round()
    assert len(await world.events("login.succeeded")) == 60
    assert await _indexed(world) == 0
    assert AGENT not in await _everything_said(world, ada)
    assert (await verdict(world)).findings == ()


async def test_a_sweep_goes_on_where_an_interrupted_one_stopped(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(erasure, "BATCH", 2)
    ada, bob = await world.person(password=None), await world.person("bob", password=None)
    await _sign_ins(world, ada, 7)
    await _sign_ins(world, bob, 1)
    await _erase(world, ada)
    real, tries = erasure._sweep_some, []

    async def fail_the_third_time(*args: object) -> int:
        tries.append(args)
        if len(tries) == 3:
            raise ZeroDivisionError
        return await real(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(erasure, "_sweep_some", fail_the_third_time)
    rounds = Erasures(world.services.audit)
    with pytest.raises(ZeroDivisionError):
        await rounds.round()
    assert 1 < await _indexed(world) < 8
    await rounds.round()
    # Bob's is left.
    assert await _indexed(world) == 1


async def test_the_first_round_of_a_process_looks_at_everybody_and_later_ones_at_the_last_hour(world: World) -> None:
    ada = await world.person(password=None)
    await _sign_ins(world, ada)
    await _erase(world, ada)
    world.clock.move(days=400)
    rounds = Erasures(world.services.audit)
    await rounds.round()
    assert await _indexed(world) == 0
    # Nothing of the kind can happen by then; it only shows what is looked at.
    value = world.services.emitter.index("person", ada.id.hex())
    async with world.services.database.transaction() as db:
        await db.execute(update(events).values(person_index=value, address_index=value))
    await rounds.round()
    async with world.services.database.reading() as db:
        assert (await db.execute(select(events.c.id).where(events.c.person_index == value))).first() is not None


async def test_a_restored_database_learns_from_the_journal_who_was_erased(world: World) -> None:
    """F11: the backup is played by putting the key's row back as it was."""
    ada, bob = await world.person(password=None), await world.person("bob", password=None)
    await _sign_ins(world, ada)
    services = world.services
    async with services.database.reading() as db:
        backup = (
            await db.execute(select(subject_keys.c.sealed).where(subject_keys.c.subject_id == ada.id))
        ).scalar_one()
    await _erase(world, ada)
    async with services.database.transaction() as db:
        restored = update(subject_keys).where(subject_keys.c.subject_id == ada.id)
        await db.execute(restored.values(sealed=backup, destroyed_at=None))
    assert AGENT in await _everything_said(world, ada)

    journal = read_journal(services.audit.settings.erasure_journal)
    async with services.database.transaction() as db:
        assert await replay(db, services.emitter, journal.erasures) == [ada.id]
    async with services.database.transaction() as db:
        assert await replay(db, services.emitter, journal.erasures) == []
    assert await sweep(services.database, services.emitter, [ada.id]) == 4
    assert AGENT not in await _everything_said(world, ada)
    assert await _indexed(world) == 0
    async with services.database.reading() as db:
        kept = (await db.execute(select(subject_keys).order_by(subject_keys.c.created_at))).all()
    by_id = {bytes(row.subject_id): row for row in kept}
    assert by_id[ada.id].destroyed_at == journal.erasures[0].at
    assert by_id[bob.id].sealed is not None
    assert timedelta() <= world.clock() - journal.erasures[0].at < timedelta(minutes=5)
