"""What every connection to PostgreSQL is told at its beginning."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from base.database import Database
from base.statements import Statement

_SHOWN = "idle_in_transaction_session_timeout tcp_keepalives_idle synchronous_commit".split()
_SHOW = ", ".join(f"current_setting('{name}')" for name in _SHOWN)


@pytest.mark.anyio
async def test_a_process_that_froze_holds_its_rows_for_seconds_and_not_for_hours(
    postgres_url: Callable[[], str],
) -> None:
    """F4: on both ways to the database."""
    database = Database(postgres_url())
    hot = Statement("settings", (("asked", "integer"),), ("",), f"SELECT n, {_SHOW} FROM input")
    async with database.reading() as db:
        ordinary = tuple((await db.execute(text(f"SELECT {_SHOW}"))).one())
    assert ordinary == await database.find(hot, (1,))
    await database.close()
    idle, _, durable = ordinary
    assert (idle, durable) == ("20s", "on")
