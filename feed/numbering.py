"""The feed's numbers: from 1 on, without gaps, given by one process at a time."""

from typing import cast

from sqlalchemy import Column

from base.clock import Clock
from base.database import Database
from base.sequencer import Order, Sequencer
from feed.tables import feed

ORDER = Order(
    name="feed",
    table=feed,
    by=cast(tuple[Column[object], ...], (feed.c.created_at, feed.c.id)),
    columns=(cast(Column[object], feed.c.id),),
    first=1,
)


def make_sequencer(database: Database, clock: Clock) -> Sequencer:
    """One process's part in numbering the feed."""
    return Sequencer(database, clock, ORDER)
