"""People and services as policies see them: read anew for each decision, so that what was changed counts (S18)."""

# ruff: noqa: S608 - statements are put together from constants; values travel as parameters

from typing import cast

from sqlalchemy import text

from base.database import Database
from base.statements import Row, Statement
from identity.catalogue import Catalogue
from identity.standing import COLUMNS_POSTGRES, COLUMNS_SQLITE, standing_of
from identity.values import Standing
from policy.values import Entity, EntityRef

PERSON, SERVICE, APPLICATION, API = (
    "Ostiary::Person", "Ostiary::Service", "Ostiary::Application", "Ostiary::Api",
)  # fmt: skip
_MAX_SUB = 255

_FIND = Statement(
    "find standing by sub",
    (("sub", "text"),),
    (f"SELECT {COLUMNS_SQLITE} FROM people p WHERE p.sub = :sub",),
    f"SELECT n, {COLUMNS_POSTGRES} FROM input JOIN people p USING (sub)",
)
_PAGE = "SELECT {columns} FROM people p WHERE p.sub > :after AND p.state = 'active' ORDER BY p.sub LIMIT :limit"


def person_entity(standing: Standing) -> Entity:
    """A person with state, factors and what they belong to."""
    attributes: dict[str, object] = {
        "state": standing.state,
        "is_admin": standing.is_admin,
        "factors": sorted(standing.factors),
    }
    return Entity(EntityRef(PERSON, standing.sub), attributes, standing.memberships)


async def load_subject(database: Database, sub: str, *, mail_code: bool = False) -> Entity | None:
    """The person with this `sub`, in whatever state, as the database has them now; or None.

    `mail_code`: whether a mailed code is a factor in this deployment.
    """
    if len(sub) > _MAX_SUB or not sub.isprintable():
        return None
    row = await database.find(_FIND, (sub,))
    return None if row is None else person_entity(standing_of(row, mail_code=mail_code))


async def load_subjects(database: Database, after: str, limit: int, *, mail_code: bool = False) -> list[Entity]:
    """At most `limit` people in state active by their `sub`, beginning behind `after`."""
    columns = COLUMNS_SQLITE if database.is_sqlite else COLUMNS_POSTGRES
    async with database.reading() as db:
        rows = await db.execute(text(_PAGE.format(columns=columns)), {"after": after, "limit": limit})
        return [person_entity(standing_of(cast(Row, tuple(row)), mail_code=mail_code)) for row in rows]


def load_service(catalogue: Catalogue, client_id: str) -> Entity | None:
    """The application as one that acts for itself; None where it is unknown or disabled."""
    client = catalogue.find_client(client_id)
    if client is None or client.disabled:
        return None
    return Entity(EntityRef(SERVICE, client_id), {"name": client.name})


def load_application(catalogue: Catalogue, client_id: str) -> Entity | None:
    """The application as what people sign in to; None where it is unknown or disabled."""
    client = catalogue.find_client(client_id)
    if client is None or client.disabled:
        return None
    return Entity(EntityRef(APPLICATION, client_id), {"first_party": client.first_party})


def load_api(catalogue: Catalogue, identifier: str) -> Entity | None:
    """The API with this identifier, the server's own among them, or None."""
    return None if catalogue.find_api(identifier) is None else Entity(EntityRef(API, identifier))
