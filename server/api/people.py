"""People by the `sub` that tokens name them with."""

from collections.abc import Collection, Mapping

from sqlalchemy import select

from base.database import Database
from identity.tables import people


class PeopleBySub:
    """Finds people; handed to the rooms that know only ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, subs: Collection[str]) -> Mapping[str, bytes]:
        """The id of each person there is, by `sub`."""
        if not subs:
            return {}
        query = select(people.c.sub, people.c.id).where(people.c.sub.in_(subs))
        async with self._database.reading() as db:
            return {sub: bytes(person_id) for sub, person_id in (await db.execute(query)).all()}
