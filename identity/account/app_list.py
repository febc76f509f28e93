"""The applications that a person let in, and what each of them may see or do: read in two statements."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import Select, and_, case, func, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from identity.client_values import STANDARD_SCOPES
from identity.services import Services
from identity.tables import consents, grants, sessions


@dataclass(frozen=True, slots=True)
class ListedScope:
    """A scope of an API: its name, and the administrator's words, which are text and no more."""

    name: str
    description: str


@dataclass(frozen=True, slots=True)
class ListedApp:
    """An application. `has_access`: it can act for the person right now. `apis` are scopes by the name of their API."""

    id: str
    name: str
    since: datetime
    used_at: datetime | None
    has_access: bool
    standard_scopes: tuple[str, ...]
    apis: dict[str, list[ListedScope]]


@dataclass(slots=True)
class _Gathered:
    """What the rows say of one application."""

    since: list[datetime] = field(default_factory=list)
    used: list[datetime] = field(default_factory=list)
    has_access: bool = False
    # (audience, scope)
    scopes: set[tuple[str, str]] = field(default_factory=set)


async def list_apps(db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime) -> list[ListedApp]:
    """Every application that the person allowed something or that has access, by name."""
    gathered: dict[str, _Gathered] = {}
    for row in await db.execute(select(consents).where(consents.c.person_id == person_id)):
        app = gathered.setdefault(row.client_id, _Gathered())
        app.since.append(row.created_at)
        app.scopes.add((row.audience, row.scope))
    for row in await db.execute(_grants_of(person_id, now)):
        app = gathered.setdefault(row.client_id, _Gathered())
        app.used.append(row.used_at)
        if row.is_alive:
            app.has_access = True
            app.since.append(row.since)
            app.scopes.update((row.audience, scope) for scope in row.scope.split())
    listed = [_listed(services, client_id, app) for client_id, app in gathered.items() if app.since]
    return sorted(listed, key=lambda app: (app.name.casefold(), app.id))


def _grants_of(person_id: bytes, now: datetime) -> Select[*tuple[object, ...]]:
    """One row for each application, audience and scope; `since` is of the grants that are alive."""
    keeps = and_(grants.c.offline.is_(True), grants.c.refresh_idle_expires_at > now, grants.c.refresh_expires_at > now)
    in_session = and_(
        grants.c.offline.is_(False),
        sessions.c.ended_at.is_(None),
        sessions.c.idle_expires_at > now,
        sessions.c.expires_at > now,
    )
    is_alive = and_(grants.c.ended_at.is_(None), or_(keeps, in_session))
    return (
        select(
            grants.c.client_id,
            grants.c.audience,
            grants.c.scope,
            func.max(case((is_alive, 1), else_=0)).label("is_alive"),
            func.min(case((is_alive, grants.c.created_at))).label("since"),
            func.max(func.coalesce(grants.c.refreshed_at, grants.c.created_at)).label("used_at"),
        )
        .outerjoin(sessions, sessions.c.id == grants.c.session_id)
        .where(grants.c.person_id == person_id)
        .group_by(grants.c.client_id, grants.c.audience, grants.c.scope)
    )


def _listed(services: Services, client_id: str, app: _Gathered) -> ListedApp:
    client = services.catalogue.find_client(client_id)
    apis: dict[str, list[ListedScope]] = {}
    for api_name, scope in _api_scopes(services, app.scopes):
        apis.setdefault(api_name, []).append(scope)
    asked = {scope for _, scope in app.scopes}
    return ListedApp(
        client_id,
        client.name if client else client_id,
        min(app.since),
        max(app.used, default=None),
        app.has_access,
        tuple(scope for scope in STANDARD_SCOPES if scope in asked),
        apis,
    )


def _api_scopes(services: Services, scopes: set[tuple[str, str]]) -> Iterator[tuple[str, ListedScope]]:
    for audience, scope in sorted(scopes):
        if scope not in STANDARD_SCOPES:
            api = services.catalogue.find_api(audience)
            yield api.name if api else audience, ListedScope(scope, api.scopes.get(scope, "") if api else "")
