"""What `ostiary doctor` says about the feed of revocations."""

from datetime import datetime, timedelta

from sqlalchemy import func, select

from base.database import Database
from base.tables import leases, sequences
from feed.numbering import NAME
from feed.overview import load_place
from feed.tables import feed

# A process numbers within a tenth of a second.
_LONG = timedelta(seconds=10)


async def check_feed(database: Database, now: datetime) -> tuple[bool, str]:
    """Whether entries get their numbers, and in words what was found."""
    async with database.reading() as db:
        if (await db.execute(select(sequences.c.next).where(sequences.c.name == NAME))).first() is None:
            return True, "the feed begins at the next start"
        oldest = (await db.execute(select(func.min(feed.c.created_at)).where(feed.c.seq.is_(None)))).scalar_one()
        holder = (await db.execute(select(leases.c.until).where(leases.c.name == NAME))).scalar_one_or_none()
        place = await load_place(db, now=now)
    waits = None if oldest is None else now - oldest
    is_led = holder is not None and holder > now
    if waits is not None and waits > _LONG and is_led:
        return False, (
            f"{place.unnumbered} entries wait for their number for {waits.total_seconds():.0f} s, so services do not"
            " hear of them: look for `the feed` in the log of the server's processes"
        )
    if place.unnumbered:
        return True, f"entry {place.seq}; {place.unnumbered} more are told as soon as a server process runs"
    return True, f"entry {place.seq}; {place.connected} followers are connected, {place.behind} of them behind"
