"""SQLite's write-ahead log: emptied where old pages must not stay on the disk."""

from base.database import Database
from base.sqlite import BUSY_TIMEOUT_MS

# Writers wait meanwhile, so a reader that holds on to old pages is not waited for any longer.
_PATIENCE_MS = 50


async def empty_log(database: Database) -> bool:
    """Moves all committed pages into the database file and empties the log; False where a reader was in the way.

    True on PostgreSQL, too, where nothing of the kind can be done: its log goes with its own retention.
    """
    if not database.is_sqlite:
        return True
    async with database.reading() as db:
        await db.exec_driver_sql(f"PRAGMA busy_timeout={_PATIENCE_MS}")
        try:
            # The first column says whether somebody was in the way.
            busy: int = (await db.exec_driver_sql("PRAGMA wal_checkpoint(TRUNCATE)")).scalar_one()
        finally:
            await db.exec_driver_sql(f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}")
    return busy == 0
