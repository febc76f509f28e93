"""People by the `sub` that tokens name them with, or by their public ids."""

from collections.abc import Collection, Mapping

from sqlalchemy import or_, select

from base.database import Database
from base.ids import PERSON, parse_id
from identity.tables import people


class PeopleBySub:
    """Finds people; handed to the rooms that know only ids."""

    def __init__(self, database: Database) -> None:
        self._database = database

    async def __call__(self, subs: Collection[str]) -> Mapping[str, bytes]:
        """The id of each person there is, by `sub`, or by `usr_…`."""
        if not subs:
            return {}
        ids = {each: parsed for each in subs if (parsed := parse_id(PERSON, each)) is not None}
        query = select(people.c.sub, people.c.id).where(or_(people.c.sub.in_(subs), people.c.id.in_(ids.values())))
        async with self._database.reading() as db:
            found = {sub: bytes(person_id) for sub, person_id in (await db.execute(query)).all()}
        known = set(found.values())
        return {shown: person_id for shown, person_id in ids.items() if person_id in known} | found
