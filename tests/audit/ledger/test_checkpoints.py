"""Checkpoints: signed, kept in the database and outside, made while the log grows and when a process stops."""

import stat
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path
from unittest.mock import Mock

import pytest
from sqlalchemy import func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.checkpoints import (
    list_checkpoints,
    log_size,
    make_checkpoint,
    newest_checkpoint,
    publish_checkpoints,
    root_of,
    sign_checkpoint,
)
from audit.ledger.keeping import LedgerKeeping
from audit.ledger.notes import parse_checkpoint, verify_note
from audit.ledger.numbering import make_sequencer
from audit.ledger.places import PublishingFailed, name_of, places_of, read_outside
from audit.services import AuditServices
from audit.settings import AuditSettings
from audit.tables import checkpoints, events
from tests.audit.ledger.test_numbering import emit
from tests.world import World

pytestmark = pytest.mark.anyio


@pytest.fixture
def audit(world: World, tmp_path: Path) -> AuditServices:
    """The world's, with places of its own outside the database."""
    places = replace(
        world.services.audit.settings,
        checkpoint_file=tmp_path / "outside" / "checkpoints.txt",
        checkpoint_dir=tmp_path / "bucket",
    )
    return replace(world.services.audit, settings=places)


async def signed(audit: AuditServices) -> int:
    async with audit.database.reading() as db:
        return (await db.execute(select(func.count()).select_from(checkpoints))).scalar_one()


async def test_a_checkpoint_says_size_root_and_time_and_lies_outside_too(world: World, audit: AuditServices) -> None:
    await emit(world, 300)
    keeping = LedgerKeeping(audit)
    await keeping.number()
    await keeping.sign()
    async with audit.database.reading() as db:
        made = await newest_checkpoint(db)
        assert made is not None
        size = await log_size(db)
        root = await root_of(db, size)
    said = parse_checkpoint(verify_note(made.note, audit.key.vkey))
    assert (said.origin, said.size, said.root) == ("id.example.com/audit", size, root)
    assert timedelta(0) <= world.clock() - said.at < timedelta(seconds=30)
    assert made.published_at is not None
    assert read_outside(audit.settings) == [made.note, made.note]
    assert [path.name for path in (audit.settings.checkpoint_dir or Path()).iterdir()] == [f"{size:020}.txt"]


async def test_one_is_made_a_minute_while_there_are_events_and_none_without(world: World, audit: AuditServices) -> None:
    keeping = LedgerKeeping(audit)
    for _ in range(5):
        await emit(world, 1)
        await keeping.number()
        await keeping.sign()
        world.clock.move(seconds=10)
    assert await signed(audit) == 1
    world.clock.move(seconds=15)
    await keeping.sign()
    assert await signed(audit) == 2
    world.clock.move(seconds=61)
    await keeping.sign()
    assert await signed(audit) == 2, "nothing happened since"


async def test_a_clean_stop_numbers_and_signs_what_is_left(world: World, audit: AuditServices) -> None:
    keeping = LedgerKeeping(audit)
    await keeping.number()
    await keeping.sign()
    await emit(world, 7)
    await keeping.stop()
    async with audit.database.reading() as db:
        made, size = await newest_checkpoint(db), await log_size(db)
    assert made is not None
    assert made.size == size
    other = LedgerKeeping(audit)
    await emit(world, 1)
    await other.number()
    async with audit.database.reading() as db:
        assert await log_size(db) == size + 1, "the lease was given back"


async def test_a_place_that_is_away_gets_all_of_them_later(
    world: World, audit: AuditServices, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    outside = tmp_path / "outside"
    outside.write_text("a file where the folder should be")
    keeping = LedgerKeeping(audit)
    for _ in range(3):
        await emit(world, 1)
        await keeping.number()
        await keeping.sign()
        world.clock.move(seconds=61)
    assert await signed(audit) == 3
    assert [record.message for record in caplog.records if "did not leave the database" in record.message] != []
    assert len([record for record in caplog.records if "did not leave" in record.message]) == 1
    outside.unlink()
    await keeping.sign()
    async with audit.database.reading() as db:
        assert all(each.published_at for each in await list_checkpoints(db, limit=9))
    sizes = [parse_checkpoint(verify_note(note, audit.key.vkey)).size for note in read_outside(audit.settings)]
    assert sizes[:3] == sorted(sizes[:3])
    assert len(set(sizes)) == 3


async def test_a_note_that_a_crash_tore_does_not_reach_into_the_next(world: World, audit: AuditServices) -> None:
    file = audit.settings.checkpoint_file
    file.parent.mkdir()
    file.write_text("id.example.com/audit\n12\nabc")
    await emit(world, 1)
    keeping = LedgerKeeping(audit)
    await keeping.number()
    await keeping.sign()
    async with audit.database.reading() as db:
        made = await newest_checkpoint(db)
    assert made is not None
    only_file: AuditSettings = replace(audit.settings, checkpoint_dir=None)
    assert read_outside(only_file) == [made.note]


async def test_who_lost_the_lease_signs_nothing(world: World, audit: AuditServices) -> None:
    """I6: a fork would begin with two signed statements of one size."""
    one, other = make_sequencer(audit), make_sequencer(audit)
    await emit(world, 3)
    await one.round()
    world.clock.move(seconds=10)
    assert await other.lease.take(world.clock())
    with pytest.raises(Exception, match="ledger"):
        await make_checkpoint(audit, one.lease, now=world.clock())
    assert await signed(audit) == 0


async def test_publishing_twice_does_no_harm(world: World, audit: AuditServices) -> None:
    """I5: a process that died between the writing and the remembering writes again."""
    await emit(world, 3)
    sequencer = make_sequencer(audit)
    await sequencer.round()
    made = await make_checkpoint(audit, sequencer.lease, now=world.clock())
    assert made is not None
    for name, put in places_of(audit).items():
        await put(made.size, made.note)
        assert await publish_checkpoints(audit, name, put, now=world.clock()) == 1
        assert await publish_checkpoints(audit, name, put, now=world.clock()) == 0
    assert set(read_outside(audit.settings)) == {made.note}


async def test_a_webhook_that_cannot_be_reached_is_a_place_that_is_away(world: World, audit: AuditServices) -> None:
    """S48: a private address is not called unless the operator names it."""
    hooked = replace(audit, settings=replace(audit.settings, checkpoint_url="https://127.0.0.1:9/take"))
    with pytest.raises(PublishingFailed, match=r"127\.0\.0\.1"):
        await places_of(hooked)["webhook"](1, "note\n")


async def test_a_place_that_is_away_holds_up_no_other(world: World, audit: AuditServices) -> None:
    hooked = replace(audit, settings=replace(audit.settings, checkpoint_url="https://127.0.0.1:9/take"))
    keeping = LedgerKeeping(hooked)
    for _ in range(4):
        await emit(world, 1)
        await keeping.number()
        for _ in range(3):
            await keeping.sign()
        world.clock.move(seconds=61)
    async with audit.database.reading() as db:
        made = await list_checkpoints(db, limit=9)
    assert len(made) == 4
    assert all(each.published_at for each in made), "the file and the folder have them"
    file_alone = replace(audit.settings, checkpoint_dir=None)
    assert read_outside(file_alone) == [each.note for each in reversed(made)], "each once"


async def test_a_place_that_is_set_later_begins_with_the_newest(world: World, audit: AuditServices) -> None:
    only_file = replace(audit, settings=replace(audit.settings, checkpoint_dir=None))
    for each in (only_file, only_file, audit):
        keeping = LedgerKeeping(each)
        await emit(world, 1)
        await keeping.number()
        await keeping.sign()
        await keeping.stop()
        world.clock.move(seconds=61)
    assert audit.settings.checkpoint_dir is not None
    async with audit.database.reading() as db:
        newest = await newest_checkpoint(db)
    assert newest is not None
    assert [path.name for path in audit.settings.checkpoint_dir.iterdir()] == [f"{newest.size:020}.txt"]


async def test_what_a_command_signed_a_moment_ago_is_no_fault(world: World, audit: AuditServices) -> None:
    """The same size, signed twice: both say the same, and the first stays."""
    await emit(world, 3)
    sequencer = make_sequencer(audit)
    await sequencer.round()
    async with audit.database.reading() as db:
        size = await log_size(db)
        root = await root_of(db, size)
    first = sign_checkpoint(audit, size, root, world.clock())
    row = {"size": size, "root": root, "at": first.at, "note": first.note}
    blank = {**row, "size": size - 1}
    async with audit.database.transaction() as db:
        await db.execute(insert(checkpoints).values(blank))

    async def beat_us_to_it(db: AsyncConnection, _: datetime) -> None:
        await db.execute(insert(checkpoints).values(row))

    lease = Mock(confirm=beat_us_to_it)
    assert await make_checkpoint(audit, lease, now=world.clock()) is not None
    async with audit.database.reading() as db:
        kept = await newest_checkpoint(db)
    assert kept is not None
    assert kept.note == first.note


async def test_two_processes_that_stop_together_leave_nothing_unsigned(world: World, audit: AuditServices) -> None:
    """The second one knew a moment ago that the first was the leader."""
    one, other = LedgerKeeping(audit), LedgerKeeping(audit)
    await emit(world, 2)
    await one.number()
    await emit(world, 1)
    await other.number()
    await one.stop()
    await emit(world, 3)
    await other.stop()
    async with audit.database.reading() as db:
        made, size = await newest_checkpoint(db), await log_size(db)
        waiting = await db.execute(select(func.count()).select_from(events).where(events.c.seq.is_(None)))
        assert waiting.scalar_one() == 0
    assert made is not None
    assert made.size == size


async def test_the_file_is_for_its_owner(world: World, audit: AuditServices) -> None:
    await places_of(audit)[name_of("file", audit.settings.checkpoint_file)](1, "text\n\n— name sig\n")
    mode = stat.S_IMODE(audit.settings.checkpoint_file.stat().st_mode)
    assert mode == 0o600
