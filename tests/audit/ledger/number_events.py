"""Numbers events as fast as it can, until it is killed: `python -m tests.audit.ledger.number_events URL`."""

import asyncio
import sys
from contextlib import suppress

from audit.ledger.numbering import ORDER, leaves_of
from audit.ledger.tiles import TileWriter
from base.clock import utc_now
from base.database import Database
from base.errors import StorageUnavailable
from base.sequencer import Numbered, Sequencer


async def _run(url: str) -> None:
    database, tiles = Database(url), TileWriter()

    async def append(db: object, rows: Numbered, first: int) -> None:
        await tiles.append(db, leaves_of(rows), first)  # type: ignore[arg-type]

    sequencer = Sequencer(database, utc_now, ORDER, append=append)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        # Where the other one writes, the next round is soon enough.
        with suppress(StorageUnavailable):
            await sequencer.round()
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
