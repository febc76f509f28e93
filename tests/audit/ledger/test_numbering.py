"""The ledger: numbers without gaps, the tree over the bodies, and two processes that would both write it."""

import asyncio
from datetime import timedelta

import pytest
from sqlalchemy import delete, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGOUT_SUCCEEDED
from audit.ledger.checkpoints import log_size, prove_consistency, prove_inclusion, root_of
from audit.ledger.merkle import Frontier, leaf_hash, verify_consistency, verify_inclusion
from audit.ledger.numbering import make_sequencer
from audit.ledger.tiles import leaf_hashes
from audit.record import Event
from audit.tables import events, ledger_tiles
from base.errors import StorageUnavailable
from base.leases import LeaseLost
from base.sequencer import SequenceBroken
from base.tables import sequences
from tests.world import World

pytestmark = pytest.mark.anyio


async def emit(world: World, count: int) -> None:
    """Events of nobody in particular."""
    now = world.clock()
    async with world.services.database.transaction() as db:
        told = [Event(type=LOGOUT_SUCCEEDED, actor=f"usr_{number}") for number in range(count)]
        await world.services.emitter.emit_all(db, told, now=now)


async def numbered(db: AsyncConnection) -> list[tuple[int, str]]:
    query = select(events.c.seq, events.c.body).where(events.c.seq.is_not(None)).order_by(events.c.seq)
    return [(row.seq, row.body) for row in await db.execute(query)]


def naive(bodies: list[str]) -> Frontier:
    frontier = Frontier()
    for body in bodies:
        frontier.push(leaf_hash(body.encode()))
    return frontier


async def check_whole(world: World) -> int:
    """The numbers have no gaps, and tiles and root are those of the bodies; returns the size."""
    async with world.services.database.reading() as db:
        rows = await numbered(db)
        size = await log_size(db)
        assert [seq for seq, _ in rows] == list(range(size))
        bodies = [body for _, body in rows]
        assert await leaf_hashes(db, 0, size) == [leaf_hash(body.encode()) for body in bodies]
        assert await root_of(db, size) == naive(bodies).root()
    return size


async def test_events_are_numbered_without_gaps_and_the_tree_is_over_their_bodies(world: World) -> None:
    """I3"""
    sequencer = make_sequencer(world.services.audit)
    await sequencer.round()
    for count in (1, 2, 250, 3, 700):
        await emit(world, count)
        assert await sequencer.round() == count
        await check_whole(world)
    assert await sequencer.round() == 0


async def test_every_event_and_every_earlier_size_can_be_proven(world: World) -> None:
    await emit(world, 600)
    await make_sequencer(world.services.audit).round()
    async with world.services.database.reading() as db:
        bodies = [body for _, body in await numbered(db)]
        size, root = len(bodies), naive(bodies).root()
        for seq in (0, 1, 254, 255, 256, 257, 511, 512, size - 1):
            proof = await prove_inclusion(db, seq, size)
            assert verify_inclusion(leaf_hash(bodies[seq].encode()), seq, size, proof, root)
        for old in (1, 2, 255, 256, 257, 512, 600, size):
            proof = await prove_consistency(db, old, size)
            assert verify_consistency(old, naive(bodies[:old]).root(), size, root, proof)


async def test_a_process_that_takes_over_goes_on_where_the_other_stopped(world: World) -> None:
    """Each keeps the growing rows in memory; what the other wrote meanwhile must count."""
    one, other = make_sequencer(world.services.audit), make_sequencer(world.services.audit)
    for turn in range(6):
        writer, waiter = (one, other) if turn % 2 else (other, one)
        await waiter.lease.give_back(world.clock())
        world.clock.move(seconds=10)
        await emit(world, 130)
        assert await writer.round() >= 130
    await check_whole(world)


async def test_a_leader_that_slept_through_its_lease_writes_nothing(world: World) -> None:
    """Woken in the middle of a round, with rows in hand that another process has numbered meanwhile."""
    one, other = make_sequencer(world.services.audit), make_sequencer(world.services.audit)
    await emit(world, 5)
    assert await one.round() > 0
    await emit(world, 5)
    async with world.services.database.reading() as db:
        in_hand = await one._order.unnumbered(db)
    world.clock.move(seconds=10)
    assert await other.round() == 5
    world.clock.move(seconds=-10)
    with pytest.raises(LeaseLost):
        await one._number(in_hand)
    await check_whole(world)


async def test_two_processes_that_number_at_once_make_one_log(world: World) -> None:
    """Neither a fork nor a gap, whoever of them is the leader at the moment."""
    services = world.services.audit
    writers = [make_sequencer(services) for _ in range(2)]
    told = 0

    async def keep_telling() -> None:
        nonlocal told
        for _ in range(30):
            await emit(world, 10)
            told += 10
            await asyncio.sleep(0)

    async def keep_numbering(place: int) -> None:
        while told < 300 or await writers[place].round():
            await writers[place].round()
            await writers[place].lease.give_back(world.clock())
            await asyncio.sleep(0)

    await asyncio.gather(keep_telling(), keep_numbering(0), keep_numbering(1))
    for writer in writers:
        await writer.lease.give_back(world.clock())
        await writer.round()
        await writer.lease.give_back(world.clock())
    assert await check_whole(world) >= 300
    async with world.services.database.reading() as db:
        left = select(func.count()).select_from(events).where(events.c.seq.is_(None))
        assert (await db.execute(left)).scalar_one() == 0


async def test_a_round_that_fails_in_the_middle_leaves_nothing_and_the_next_goes_on(world: World) -> None:
    sequencer = make_sequencer(world.services.audit)
    await emit(world, 300)
    await sequencer.round()
    await emit(world, 300)
    good = sequencer._append
    assert good is not None

    async def fail(db: AsyncConnection, rows: object, first: int) -> None:
        await good(db, rows, first)  # type: ignore[arg-type]
        raise OSError("no space left on device")

    sequencer._append = fail
    before = await check_whole(world)
    with pytest.raises(Exception, match=r"OSError|no space"):
        await sequencer.round()
    sequencer._append = good
    assert await check_whole(world) == before
    assert await sequencer.round() == 300
    await check_whole(world)


async def test_a_row_that_vanishes_while_it_is_numbered_makes_no_gap(world: World) -> None:
    sequencer = make_sequencer(world.services.audit)
    await sequencer.round()
    await emit(world, 3)
    async with world.services.database.reading() as db:
        in_hand = await sequencer._order.unnumbered(db)
    async with world.services.database.transaction() as db:
        await db.execute(delete(events).where(events.c.id == in_hand[1][0]))
    with pytest.raises(SequenceBroken):
        await sequencer._number(in_hand)
    assert await sequencer.round() == 2
    await check_whole(world)


async def test_a_missing_row_of_hashes_is_said_and_never_made_up(world: World) -> None:
    await emit(world, 600)
    await make_sequencer(world.services.audit).round()
    async with world.services.database.transaction() as db:
        await db.execute(delete(ledger_tiles).where(ledger_tiles.c.level == 0, ledger_tiles.c.number == 2))
    async with world.services.database.reading() as db:
        size = (await db.execute(select(sequences.c.next).where(sequences.c.name == "ledger"))).scalar_one()
        with pytest.raises(LookupError, match="row 2 of level 0"):
            await root_of(db, size)
    async with world.services.database.transaction() as db:
        shorter = update(ledger_tiles).where(ledger_tiles.c.level == 1).values(hashes=b"short")
        await db.execute(shorter)
    async with world.services.database.reading() as db:
        with pytest.raises(LookupError):
            await root_of(db, 512)


async def test_numbers_follow_the_time_of_the_events(world: World) -> None:
    await make_sequencer(world.services.audit).round()
    await emit(world, 2)
    world.clock.move(seconds=-60)
    await emit(world, 2)
    world.clock.move(seconds=60)
    await make_sequencer(world.services.audit).lease.give_back(world.clock())
    world.clock.move(seconds=10)
    await make_sequencer(world.services.audit).round()
    async with world.services.database.reading() as db:
        query = select(events.c.at).where(events.c.name == "logout.succeeded").order_by(events.c.seq)
        found = (await db.execute(query)).scalars().all()
    assert found == sorted(found)
    assert found[-1] - found[0] > timedelta(seconds=30)


async def test_a_commit_whose_outcome_was_not_learnt_leaves_nothing_wrong_in_memory(world: World) -> None:
    """I5: the first fails at its commit, the other numbers as many, but other events; then the first goes on."""
    one, other = make_sequencer(world.services.audit), make_sequencer(world.services.audit)
    await one.round()
    await emit(world, 10)
    good = one._append
    assert good is not None

    async def fail_after(db: AsyncConnection, rows: object, first: int) -> None:
        await good(db, rows, first)  # type: ignore[arg-type]
        raise StorageUnavailable("the connection is gone")

    one._append = fail_after
    with pytest.raises(StorageUnavailable):
        await one.round()
    one._append = good
    async with world.services.database.transaction() as db:
        ten = await other._order.unnumbered(db)
        await db.execute(delete(events).where(events.c.id.in_([row[0] for row in ten])))
    await one.lease.give_back(world.clock())
    world.clock.move(seconds=10)
    await emit(world, 10)
    assert await other.round() == 10
    await other.lease.give_back(world.clock())
    world.clock.move(seconds=10)
    await emit(world, 5)
    assert await one.round() == 5
    await check_whole(world)
