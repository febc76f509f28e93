"""Applications and APIs in memory, fresh within a second at every process.

Whoever changes one calls `touch` in the same transaction; every process polls that number a few times a second and
reloads when it moved.
"""

from collections.abc import Collection, Mapping
from datetime import datetime, timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.database import Database
from base.revisions import find_revision, touch
from base.statements import Statement
from base.tables import not_before, revisions
from base.within import run
from identity.client_values import SERVER_SCOPES, Api, Client, ClientSecret
from identity.tables import apis, client_secrets, clients
from policy.values import RiskThresholds

__all__ = ["Catalogue", "find_revision", "is_registered", "load_apis", "load_clients", "touch"]

_IS_REGISTERED = Statement(
    "is the client registered",
    (("client_id", "text"),),
    ("SELECT client_id FROM clients WHERE client_id = :client_id",),
    "SELECT n, c.client_id FROM input JOIN clients c USING (client_id) FOR KEY SHARE OF c",
)


class Catalogue:
    """All clients and APIs, looked up without I/O."""

    def __init__(self, database: Database, issuer: str) -> None:
        self._database = database
        self._server_api = Api(issuer, "Ostiary", dict.fromkeys(SERVER_SCOPES, ""))
        self._revision = -1
        self._clients: Mapping[str, Client] = {}
        self._apis: Mapping[str, Api] = {}
        self.origins: frozenset[str] = frozenset()
        # No token of anybody holds that was issued in this second or before.
        self.everyone_not_before: datetime | None = None

    def find_client(self, client_id: str) -> Client | None:
        """The client, disabled or not, or None."""
        return self._clients.get(client_id)

    def find_api(self, identifier: str) -> Api | None:
        """The API with this identifier, the server's own among them, or None."""
        return self._apis.get(identifier)

    @property
    def client_ids(self) -> Collection[str]:
        """The ids of all clients, disabled ones among them."""
        return self._clients.keys()

    @property
    def api_identifiers(self) -> Collection[str]:
        """The identifiers of all APIs, the server's own among them."""
        return self._apis.keys()

    def longest_token(self, default: timedelta) -> timedelta:
        """The longest life that an access token can be given now; `default` is the deployment's."""
        owners: list[Api | Client] = [*self._apis.values(), *self._clients.values()]
        asked = [owner.access_token_ttl_s for owner in owners]
        return max([default, *(timedelta(seconds=seconds) for seconds in asked if seconds is not None)])

    async def poll(self) -> None:
        """Reloads where something changed since the last time."""
        if await find_revision(self._database, "catalogue") != self._revision:
            await self.refresh()

    async def refresh(self) -> None:
        """Reads everything anew."""
        async with self._database.reading() as db:
            query = select(revisions.c.number).where(revisions.c.name == "catalogue")
            revision = (await db.execute(query)).scalar_one()
            found = await load_clients(db)
            registered = {api.identifier: api for api in await load_apis(db)}
            everyone = select(not_before.c.at).where(not_before.c.name == "everyone")
            self.everyone_not_before = (await db.execute(everyone)).scalar_one_or_none()
        self._clients = {client.client_id: client for client in found}
        self._apis = {**registered, self._server_api.identifier: self._server_api}
        self.origins = frozenset(origin for client in found if not client.disabled for origin in client.origins)
        self._revision = revision


async def is_registered(db: AsyncConnection, client_id: str) -> bool:
    """Whether a client is there now, and stays until the caller's transaction ends: memory may be a moment behind."""
    return await run(db, _IS_REGISTERED, (client_id,)) is not None


async def load_clients(db: AsyncConnection) -> list[Client]:
    """Every client with its secrets, oldest first."""
    kept: dict[str, list[ClientSecret]] = {}
    for row in await db.execute(select(client_secrets).order_by(client_secrets.c.created_at.desc())):
        kept.setdefault(row.client_id, []).append(ClientSecret(row.digest, row.expires_at))
    rows = await db.execute(select(clients).order_by(clients.c.created_at, clients.c.client_id))
    return [
        Client(
            client_id=row.client_id,
            name=row.name,
            auth_method=row.auth_method,
            grants=frozenset(row.grants),
            redirect_uris=tuple(row.redirect_uris),
            post_logout_redirect_uris=tuple(row.post_logout_redirect_uris),
            origins=tuple(row.origins),
            scopes=frozenset(row.scopes),
            apis={identifier: tuple(scopes) for identifier, scopes in row.apis.items()},
            first_party=row.first_party,
            require_pkce=row.require_pkce,
            rotate_refresh=row.rotate_refresh,
            id_token_alg=row.id_token_alg,
            access_token_ttl_s=row.access_token_ttl_s,
            required_acr=row.required_acr,
            risk_thresholds=None if row.risk_thresholds is None else RiskThresholds(**row.risk_thresholds),
            disabled=row.disabled_at is not None,
            not_before=row.not_before,
            secrets=tuple(kept.get(row.client_id, ())),
        )
        for row in rows
    ]


async def load_apis(db: AsyncConnection) -> list[Api]:
    """Every registered API, oldest first."""
    rows = await db.execute(select(apis).order_by(apis.c.created_at, apis.c.identifier))
    return [Api(row.identifier, row.name, row.scopes, row.access_token_ttl_s, row.scope_acr) for row in rows]
