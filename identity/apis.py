"""APIs: registered audiences and the scopes that belong to each."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from urllib.parse import urlsplit

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import API_CHANGED, API_CREATED, API_DELETED
from audit.record import Event, Origin
from base.ids import new_id
from identity.catalogue import load_apis, touch
from identity.client_values import SERVER_SCOPES, STANDARD_SCOPES, Api
from identity.errors import Refused
from identity.services import Services
from identity.tables import apis, clients
from policy.assurance import KNOWN_ACR

# RFC 6749 §3.3: visible ASCII without quote and backslash.
_SCOPE = re.compile(r"[!#-\[\]-~]{1,128}")
_VISIBLE = re.compile(r"[!-~]{1,512}")


def check_scope(scope: str) -> None:
    """Raises Refused for a text that cannot be a scope."""
    if not _SCOPE.fullmatch(scope):
        raise Refused("scope", "a scope has 1 to 128 visible ASCII characters, no quote and no backslash")


def check_identifier(identifier: str, issuer: str) -> None:
    """Raises Refused unless the identifier is an absolute URI without fragment (RFC 8707 §2) that is free to use."""
    if not _VISIBLE.fullmatch(identifier) or not urlsplit(identifier).scheme or "#" in identifier:
        raise Refused("identifier", "an API identifier is an absolute URI without a fragment: https://api.example.com")
    if identifier == issuer:
        raise Refused("identifier", "this identifier is the issuer's: it names the server's own API")


def check_scope_acr(scope_acr: Mapping[str, str], scopes: Mapping[str, str]) -> None:
    """Raises Refused where a class is unknown, or asked of a scope that the API does not have."""
    for scope, acr in scope_acr.items():
        if scope not in scopes:
            raise Refused("scope_acr", f"{scope} is no scope of this API")
        if acr not in KNOWN_ACR:
            raise Refused("scope_acr", f"expected one of {', '.join(KNOWN_ACR)} for {scope}")


async def create_api(
    db: AsyncConnection,
    services: Services,
    *,
    identifier: str,
    scopes: Mapping[str, str],
    name: str | None = None,
    access_token_ttl_s: int | None = None,
    scope_acr: Mapping[str, str] | None = None,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> Api:
    """Registers an API; `scopes` maps each scope to its description, `scope_acr` some of them to what must be met.

    Raises Refused.
    """
    check_identifier(identifier, services.settings.issuer)
    for scope in scopes:
        check_scope(scope)
        if scope in STANDARD_SCOPES or scope in SERVER_SCOPES:
            raise Refused("scope", f"{scope} belongs to the server itself")
    if name is not None and not (1 <= len(name) <= 128 and name.isprintable()):
        raise Refused("name", "an API's name has 1 to 128 printable characters")
    if access_token_ttl_s is not None and not 30 <= access_token_ttl_s <= 86400:
        raise Refused("access_token_ttl_s", "an access token lives 30 to 86400 seconds")
    check_scope_acr(scope_acr or {}, scopes)
    if await find_api(db, identifier):
        raise Refused("identifier", f"there is already an API {identifier}")
    api = Api(identifier, name or identifier[:128], dict(scopes), access_token_ttl_s, dict(scope_acr or {}))
    row = {"id": new_id(now), **_columns(api), "created_at": now, "version": 1}
    await db.execute(insert(apis).values(row))
    await touch(db, "catalogue")
    event = Event(type=API_CREATED, actor=actor, subject=identifier[:128], origin=origin, data={"after": _shown(api)})
    await services.emitter.emit(db, event, now=now)
    return api


async def add_scopes(
    db: AsyncConnection,
    services: Services,
    *,
    identifier: str,
    scopes: Sequence[str],
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> tuple[str, ...]:
    """Adds the scopes that an API (made where missing) does not have yet; returns the new ones."""
    known = await find_api(db, identifier)
    if known is None:
        described = dict.fromkeys(scopes, "")
        await create_api(db, services, identifier=identifier, scopes=described, now=now, actor=actor, origin=origin)
        return tuple(scopes)
    new = tuple(scope for scope in scopes if scope not in known.scopes)
    for scope in new:
        check_scope(scope)
    if new:
        after = replace(known, scopes={**known.scopes, **dict.fromkeys(new, "")})
        change = update(apis).where(apis.c.identifier == identifier)
        await db.execute(change.values(scopes=after.scopes, version=apis.c.version + 1))
        await touch(db, "catalogue")
        data = {"before": _shown(known), "after": _shown(after)}
        event = Event(type=API_CHANGED, actor=actor, subject=identifier[:128], origin=origin, data=data)
        await services.emitter.emit(db, event, now=now)
    return new


async def delete_api(
    db: AsyncConnection, services: Services, identifier: str, *, now: datetime, actor: str, origin: Origin = Origin()
) -> None:
    """Removes an API that no client uses. Raises Refused."""
    known = await find_api(db, identifier)
    if known is None:
        raise Refused("identifier", f"there is no API {identifier}")
    users = [row.client_id for row in await db.execute(select(clients)) if identifier in row.apis]
    if users:
        raise Refused("identifier", f"{identifier} is still used by {', '.join(users[:5])}")
    await db.execute(delete(apis).where(apis.c.identifier == identifier))
    await touch(db, "catalogue")
    event = Event(
        type=API_DELETED, actor=actor, subject=identifier[:128], origin=origin, data={"before": _shown(known)}
    )
    await services.emitter.emit(db, event, now=now)


async def list_apis(db: AsyncConnection) -> list[Api]:
    """Every registered API, oldest first."""
    return await load_apis(db)


async def find_api(db: AsyncConnection, identifier: str) -> Api | None:
    """One API from the database, or None."""
    row = (await db.execute(select(apis).where(apis.c.identifier == identifier))).one_or_none()
    return None if row is None else Api(row.identifier, row.name, row.scopes, row.access_token_ttl_s, row.scope_acr)


def _columns(api: Api) -> dict[str, object]:
    return {
        "identifier": api.identifier,
        "name": api.name,
        "scopes": api.scopes,
        "scope_acr": api.scope_acr,
        "access_token_ttl_s": api.access_token_ttl_s,
    }


def _shown(api: Api) -> dict[str, object]:
    told: dict[str, object] = {"identifier": api.identifier, "name": api.name, "scopes": sorted(api.scopes)}
    return {**told, "scope_acr": dict(api.scope_acr)} if api.scope_acr else told
