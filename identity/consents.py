"""What people allowed applications, remembered one row a scope."""

from datetime import datetime

from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_CONSENTED
from audit.record import Event, Origin
from base.database import Database
from base.ids import PERSON, show_id
from base.statements import Statement
from identity.catalogue import is_registered
from identity.client_values import STANDARD_SCOPES, Client
from identity.services import Services
from identity.tables import consents
from identity.values import AuthorizeRequest

# One line `audience scope` for each scope that was allowed.
_FIND_ALLOWED = Statement(
    "find consents",
    (("person_id", "bytea"), ("client_id", "text"), ("audience", "text")),
    (
        """
        SELECT group_concat(audience || ' ' || scope, char(10)) FROM consents
        WHERE person_id = :person_id AND client_id = :client_id AND audience IN ('', :audience)
        """,
    ),
    """
    SELECT n, string_agg(consents.audience || ' ' || scope, chr(10))
    FROM input JOIN consents USING (person_id, client_id)
    WHERE consents.audience IN ('', input.audience) GROUP BY n
    """,
)


def audience_of(scope: str, audience: str) -> str:
    """Under which audience a scope is remembered: standard scopes mean the same everywhere."""
    return "" if scope in STANDARD_SCOPES else audience


async def find_missing(
    database: Database, person_id: bytes, client: Client, request: AuthorizeRequest
) -> tuple[str, ...]:
    """The requested scopes that the person has not allowed yet, in order; none for a first-party application."""
    if client.first_party:
        return ()
    row = await database.find(_FIND_ALLOWED, (person_id, client.client_id, request.audience))
    allowed = set(str(row[0]).splitlines()) if row and row[0] else set()
    return tuple(
        scope for scope in request.asked_scopes if f"{audience_of(scope, request.audience)} {scope}" not in allowed
    )


async def remember(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    request: AuthorizeRequest,
    *,
    session_id: bytes,
    now: datetime,
    origin: Origin = Origin(),
) -> None:
    """Remembers every requested scope as allowed; nothing where the application was deleted just now."""
    if not await is_registered(db, request.client_id):
        return
    upsert = sqlite_insert if services.database.is_sqlite else postgres_insert
    for scope in request.asked_scopes:
        row = {"person_id": person_id, "client_id": request.client_id, "scope": scope}
        allowed = upsert(consents).values(audience=audience_of(scope, request.audience), created_at=now, **row)
        await db.execute(allowed.on_conflict_do_nothing())
    actor = show_id(PERSON, person_id)
    event = Event(
        type=LOGIN_CONSENTED,
        actor=actor,
        subject=actor,
        person=person_id,
        client_id=request.client_id,
        session_id=session_id,
        origin=origin,
        data={"scopes": list(request.asked_scopes), "audience": request.audience},
    )
    await services.emitter.emit(db, event, now=now)
