"""A leader that freezes in the middle of numbering keeps revocations back for less than a second (I2)."""

import asyncio
import time
from collections.abc import Callable

import pytest
from sqlalchemy.ext.asyncio import AsyncConnection

from base.errors import StorageUnavailable
from base.sequencer import Numbered, Sequencer
from feed.numbering import ORDER, PATIENCE_S
from tests.feed.room import open_room

pytestmark = pytest.mark.anyio


async def test_a_leader_that_freezes_with_its_transaction_open_is_cut_off(postgres_url: Callable[[], str]) -> None:
    """It holds the lease's row; the database does not wait for it as long as for others."""
    async with open_room(postgres_url()) as room:
        frozen = asyncio.Event()

        async def freeze(db: AsyncConnection, rows: Numbered, first: int) -> None:
            frozen.set()
            await asyncio.sleep(3)

        leader = Sequencer(room.database, room.clock, ORDER, append=freeze, patience_s=PATIENCE_S)
        await room.publish(2)
        numbering = asyncio.create_task(leader.round())
        await frozen.wait()
        other, began = room.sequencer(), time.monotonic()
        other._monotonic = time.monotonic
        while not await other.round():
            await asyncio.sleep(0.05)
        assert time.monotonic() - began < 2
        with pytest.raises(StorageUnavailable):
            await numbering
        assert (await room.check_whole()).seq == 2
        await room.publish()
        await asyncio.sleep(PATIENCE_S)
        assert await other.round() == 1
        assert (await room.check_whole()).seq == 3
