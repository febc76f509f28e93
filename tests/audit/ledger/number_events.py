"""Numbers events as fast as it can, until it is killed: `python -m tests.audit.ledger.number_events URL`."""

import asyncio
import sys
from contextlib import suppress

from audit.ledger.numbering import ORDER, append_rows
from base.clock import utc_now
from base.database import Database
from base.errors import StorageUnavailable
from base.sequencer import Sequencer


async def _run(url: str) -> None:
    sequencer = Sequencer(Database(url), utc_now, ORDER, append=append_rows)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        # Where the other one writes, the next round is soon enough.
        with suppress(StorageUnavailable):
            await sequencer.round()
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1]))
