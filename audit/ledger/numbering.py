"""The ledger: numbers the events and grows the Merkle tree over their bodies, in one transaction."""

from collections.abc import Sequence
from typing import cast

from sqlalchemy import Column
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import leaf_hash
from audit.ledger.tiles import append_leaves
from audit.services import AuditServices
from audit.tables import events
from base.sequencer import Numbered, Order, Sequencer

LEDGER = "ledger"
# Roughly by time: an event of a slow transaction is numbered behind later ones, and says itself when it happened.
ORDER = Order(
    name=LEDGER,
    table=events,
    by=cast(tuple[Column[object], ...], (events.c.at, events.c.id)),
    columns=cast(tuple[Column[object], ...], (events.c.id, events.c.body)),
    first=0,
)


def make_sequencer(audit: AuditServices) -> Sequencer:
    """One process's part in numbering the events."""
    return Sequencer(audit.database, audit.clock, ORDER, append=append_rows)


async def append_rows(db: AsyncConnection, rows: Numbered, first: int) -> None:
    """Grows the tree by numbered rows, (id, body) each."""
    await append_leaves(db, leaves_of(rows), first)


def leaves_of(rows: Sequence[tuple[object, ...]]) -> list[bytes]:
    """The leaf hashes of events, given as (id, body)."""
    return [leaf_hash(str(body).encode()) for _, body in rows]
