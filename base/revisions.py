"""A number for each thing that every process keeps in memory: whoever changes it raises the number in the same
transaction, and every process looks at it a few times a second.
"""

from typing import cast

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.database import Database
from base.statements import Statement
from base.tables import revisions

_REVISION = Statement(
    "revision",
    (("name", "text"),),
    ("SELECT number FROM revisions WHERE name = :name",),
    "SELECT n, number FROM input JOIN revisions USING (name)",
)


async def touch(db: AsyncConnection, name: str) -> None:
    """Tells every process that what it keeps in memory under this name has changed."""
    await db.execute(update(revisions).where(revisions.c.name == name).values(number=revisions.c.number + 1))


async def find_revision(database: Database, name: str) -> int:
    """The number of the last change under this name."""
    row = await database.find(_REVISION, (name,))
    return int(cast(int, row[0])) if row else 0
