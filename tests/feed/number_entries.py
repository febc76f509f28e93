"""Numbers entries as fast as it can, until it is killed: `python -m tests.feed.number_entries URL ISSUER`."""

import asyncio
import sys
from contextlib import suppress

from base.clock import utc_now
from base.database import Database
from base.errors import StorageUnavailable
from feed.numbering import make_sequencer


async def _run(url: str, issuer: str) -> None:
    sequencer = make_sequencer(Database(url), utc_now, issuer)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while True:
        # Where the other one writes, the next round is soon enough.
        with suppress(StorageUnavailable):
            await sequencer.round()
        await asyncio.sleep(0.001)


if __name__ == "__main__":
    asyncio.run(_run(*sys.argv[1:3]))
