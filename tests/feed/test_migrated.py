"""A database of before the chained log: what was numbered there is in force under new numbers (S18)."""

import os
import time

import pytest
from sqlalchemy import text

from migrations.run import downgrade, sync_engine, upgrade
from tests.feed.room import open_room

pytestmark = pytest.mark.anyio


def fill(url: str) -> None:
    """Three numbered rows and one that waits, as the version before wrote them."""
    now = int(time.time() * 1_000_000)
    row = (
        "INSERT INTO feed (id, seq, kind, subject, expires_at, created_at)"
        " VALUES (:id, :seq, 'grant', :subject, :expires_at, :created_at)"
    )
    engine = sync_engine(url)
    with engine.begin() as db:
        for number in range(4):
            seq = number + 1 if number < 3 else None
            at = {"expires_at": now + 86_400_000_000, "created_at": now + number}
            db.execute(text(row), {"id": os.urandom(16), "seq": seq, "subject": f"grt_{number}", **at})
        old = "INSERT INTO sequences (name, next, epoch) VALUES ('feed', 4, :epoch)"
        db.execute(text(old), {"epoch": os.urandom(16)})
    engine.dispose()


@pytest.mark.parametrize("times", [1, 2])
async def test_what_was_numbered_before_is_in_force_in_a_new_epoch(empty_database_url: str, times: int) -> None:
    upgrade(empty_database_url, "0003")
    fill(empty_database_url)
    for _ in range(times - 1):
        upgrade(empty_database_url)
        async with open_room(empty_database_url) as room:
            hub = room.hub()
            await hub.round()
            await hub.close()
        downgrade(empty_database_url, "0003")
    upgrade(empty_database_url)
    async with open_room(empty_database_url) as room:
        assert (await room.hub().read_now()).seq == 4
        assert (await room.check_whole()).seq == 4
        subjects = [line.split(b'"subject":"')[1][:5] for line in await room.lines()]
        assert subjects == [f"grt_{number}".encode() for number in range(4)]
