"""A deleted account is erased from the log, in the same transaction or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import select, update

from audit.removal.journal import JournalUnwritable, read_journal
from audit.tables import subject_keys
from base.ids import PERSON, show_id
from identity.account.deletion import delete_due_people, delete_person
from identity.accounts import find_person, load_person
from identity.person_values import Person
from identity.tables import people
from tests.world import World, open_world


async def _want_deletion(world: World) -> Person:
    person = await world.person(password=None)
    async with world.services.database.transaction() as db:
        await db.execute(update(people).where(people.c.id == person.id).values(delete_at=world.clock()))
    world.clock.move(seconds=1)
    return person


async def _is_readable(world: World, person: Person) -> bool:
    async with world.services.database.reading() as db:
        query = select(subject_keys.c.sealed).where(subject_keys.c.subject_id == person.id)
        return (await db.execute(query)).scalar_one() is not None


@pytest.mark.anyio
async def test_who_is_deleted_is_erased(world: World) -> None:
    """S47"""
    person = await _want_deletion(world)
    assert await delete_due_people(world.services, now=world.clock()) == 1
    assert not await _is_readable(world, person)
    (event,) = await world.events("admin.person_erased")
    assert (event["actor"], event["subject"]) == ("system", show_id(PERSON, person.id))
    journal = read_journal(world.services.audit.settings.erasure_journal)
    assert [erasure.subject_id for erasure in journal.erasures] == [person.id]


@pytest.mark.anyio
async def test_where_the_journal_cannot_be_written_the_account_waits(database_url: str, tmp_path: Path) -> None:
    """S47: half a deletion would be one that no backup can be kept from undoing."""
    journal = tmp_path / "full" / "erasures.journal"
    journal.parent.touch()
    async with open_world(database_url, tmp_path, audit__erasure_journal=str(journal)) as world:
        person = await _want_deletion(world)
        with pytest.raises(JournalUnwritable):
            await delete_due_people(world.services, now=world.clock())
        async with world.services.database.reading() as db:
            kept = await find_person(db, person.id)
        assert kept is not None
        assert (kept.state, kept.username) == ("active", "ada")
        assert await _is_readable(world, person)
        journal.parent.unlink()
        assert await delete_due_people(world.services, now=world.clock()) == 1
        assert not await _is_readable(world, person)


@pytest.mark.anyio
@pytest.mark.anyio
async def test_deleting_a_deleted_account_again_changes_nothing(world: World) -> None:
    person = await world.person(password=None)
    for _ in range(2):
        async with world.services.database.transaction() as db:
            await delete_person(db, world.services, person.id, now=world.clock(), actor="cli")
    assert len(await world.events("admin.person_erased")) == 1
    async with world.services.database.reading() as db:
        assert (await load_person(db, person.id)).state == "deleted"
