"""The active administrators, with what each of them could prove: for the look whether a change would lock them out."""

from sqlalchemy.ext.asyncio import AsyncConnection

from identity.standing import COLUMNS_POSTGRES, COLUMNS_SQLITE, standing_of
from policy.lockout import Administrator

_FROM = " FROM people p WHERE p.is_admin AND p.state = 'active' ORDER BY p.id"


async def load_administrators(db: AsyncConnection, *, mail_code: bool) -> list[Administrator]:
    """All of them, as the caller's transaction sees them. `mail_code`: whether a mailed code is a factor here."""
    columns = COLUMNS_SQLITE if db.dialect.name == "sqlite" else COLUMNS_POSTGRES
    rows = await db.exec_driver_sql(f"SELECT {columns}{_FROM}")
    found = [standing_of(tuple(row), mail_code=mail_code) for row in rows]
    return [Administrator(each.sub, each.factors, each.memberships) for each in found]
