"""What people allowed applications, remembered one row a scope."""

from collections.abc import Iterable
from datetime import datetime

from sqlalchemy import delete, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_CONSENTED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.client_values import STANDARD_SCOPES, Client
from identity.services import Services
from identity.tables import consents
from identity.values import AuthorizeRequest


def audience_of(scope: str, audience: str) -> str:
    """Under which audience a scope is remembered: standard scopes mean the same everywhere."""
    return "" if scope in STANDARD_SCOPES else audience


async def find_missing(
    db: AsyncConnection, person_id: bytes, client: Client, request: AuthorizeRequest
) -> tuple[str, ...]:
    """The requested scopes that the person has not allowed yet, in order; none for a first-party application."""
    if client.first_party:
        return ()
    query = select(consents.c.audience, consents.c.scope).where(
        consents.c.person_id == person_id,
        consents.c.client_id == client.client_id,
        consents.c.audience.in_(["", request.audience]),
    )
    allowed = {(row.audience, row.scope) for row in await db.execute(query)}
    return tuple(scope for scope in request.scope if (audience_of(scope, request.audience), scope) not in allowed)


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
    """Remembers every requested scope as allowed."""
    allowed = [(audience_of(scope, request.audience), scope) for scope in request.scope]
    await _forget(db, person_id, request.client_id, allowed)
    for audience, scope in allowed:
        row = {"person_id": person_id, "client_id": request.client_id, "audience": audience, "scope": scope}
        await db.execute(insert(consents).values(**row, created_at=now))
    actor = show_id(PERSON, person_id)
    event = Event(
        type=LOGIN_CONSENTED,
        actor=actor,
        subject=actor,
        person=person_id,
        client_id=request.client_id,
        session_id=session_id,
        origin=origin,
        data={"scopes": list(request.scope), "audience": request.audience},
    )
    await services.emitter.emit(db, event, now=now)


async def _forget(db: AsyncConnection, person_id: bytes, client_id: str, allowed: Iterable[tuple[str, str]]) -> None:
    for audience, scope in allowed:
        await db.execute(
            delete(consents).where(
                consents.c.person_id == person_id,
                consents.c.client_id == client_id,
                consents.c.audience == audience,
                consents.c.scope == scope,
            )
        )
