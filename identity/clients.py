"""Applications: registering, changing and removing them."""

from dataclasses import asdict, dataclass, field
from datetime import datetime, timedelta
from itertools import pairwise

from sqlalchemy import delete, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import CLIENT_CHANGED, CLIENT_CREATED, CLIENT_DELETED, CLIENT_SECRET_ADDED
from audit.record import Event, Origin
from base.ids import new_id
from base.secret_values import CLIENT_SECRET, digest, new_secret
from feed.entries import LONGEST_TOKEN, Entry, Kind, publish
from identity.apis import find_api
from identity.catalogue import load_clients, touch
from identity.client_values import (
    AUTH_METHODS,
    GRANTS,
    SERVER_SCOPES,
    STANDARD_SCOPES,
    TOKEN_EXCHANGE,
    Client,
    ClientSecret,
)
from identity.errors import Refused
from identity.not_before import client_refused_until
from identity.redirect_uris import check_redirect_uri, origin_of_uri
from identity.services import Services
from identity.tables import client_secrets, clients
from policy.assurance import KNOWN_ACR
from policy.values import RiskThresholds

ID_TOKEN_ALGS = ("RS256", "ES256")
MAX_SECRETS = 5
# By then every process that can write at all has seen that an application is closed; it looks four times a second.
KNOWN_EVERYWHERE = timedelta(seconds=2)


@dataclass(frozen=True, slots=True, kw_only=True)
class NewClient:
    """An application as asked for; `apis` maps API identifiers to the scopes it may ask for, the default first."""

    name: str
    grants: tuple[str, ...]
    auth_method: str = "client_secret_basic"
    redirect_uris: tuple[str, ...] = ()
    post_logout_redirect_uris: tuple[str, ...] = ()
    scopes: tuple[str, ...] = ()
    apis: dict[str, tuple[str, ...]] = field(default_factory=dict)
    first_party: bool = False
    require_pkce: bool = True
    rotate_refresh: bool = True
    id_token_alg: str = "RS256"
    access_token_ttl_s: int | None = None
    required_acr: str | None = None
    risk_thresholds: RiskThresholds | None = None


@dataclass(frozen=True, slots=True)
class CreatedClient:
    """A new application, and its secret, which is told only now (None for a public client)."""

    client: Client
    secret: str | None


def check_client(new: NewClient) -> None:
    """Raises Refused for an application that cannot be registered."""
    if not 1 <= len(new.name.strip()) <= 128 or not new.name.isprintable():
        raise Refused("name", "an application's name has 1 to 128 printable characters")
    if new.auth_method not in AUTH_METHODS:
        raise Refused("auth_method", f"expected one of {', '.join(AUTH_METHODS)}")
    if not new.grants or not set(new.grants) <= set(GRANTS):
        raise Refused("grant", f"expected one or more of {', '.join(GRANTS)}")
    if new.id_token_alg not in ID_TOKEN_ALGS:
        raise Refused("id_token_alg", f"expected one of {', '.join(ID_TOKEN_ALGS)}")
    if new.access_token_ttl_s is not None and not 30 <= new.access_token_ttl_s <= 86400:
        raise Refused("access_token_ttl_s", "an access token lives 30 to 86400 seconds")
    if new.required_acr is not None and new.required_acr not in KNOWN_ACR:
        raise Refused("required_acr", f"expected one of {', '.join(KNOWN_ACR)}")
    _check_thresholds(new.risk_thresholds)
    _check_grants(new)
    for uri in new.redirect_uris:
        check_redirect_uri(uri)
    for uri in new.post_logout_redirect_uris:
        check_redirect_uri(uri, field="post_logout_redirect_uri")
    unknown = set(new.scopes) - set(STANDARD_SCOPES) - set(SERVER_SCOPES)
    if unknown:
        raise Refused("scope", f"{', '.join(sorted(unknown))}: name the API that this scope belongs to")


def _check_grants(new: NewClient) -> None:
    public = new.auth_method == "none"
    if public and "client_credentials" in new.grants:
        raise Refused("grant", "client_credentials needs a client that can keep a secret")
    if public and TOKEN_EXCHANGE in new.grants:
        raise Refused("grant", f"{TOKEN_EXCHANGE} needs a client that can keep a secret")
    if TOKEN_EXCHANGE in new.grants and not new.apis:
        raise Refused("audience", f"{TOKEN_EXCHANGE} needs an API that the tokens are for")
    if public and not new.require_pkce:
        raise Refused("require_pkce", "a public client always uses PKCE")
    if public and not new.rotate_refresh:
        raise Refused("rotate_refresh", "a public client's refresh tokens always rotate")
    if "authorization_code" in new.grants and not new.redirect_uris:
        raise Refused("redirect_uri", "the authorization_code grant needs at least one redirect URI")
    if "refresh_token" in new.grants and "authorization_code" not in new.grants:
        raise Refused("grant", "refresh_token comes with authorization_code")


def _check_thresholds(thresholds: RiskThresholds | None) -> None:
    steps = [(f"risk_{name}", score) for name, score in asdict(thresholds).items()] if thresholds else []
    for name, score in steps:
        if not 1 <= score <= 100:
            raise Refused(name, f"expected a score from 1 to 100, not {score}")
    for (lower, low), (upper, high) in pairwise(steps):
        if low >= high:
            raise Refused(upper, f"expected more than {lower} ({low}), not {high}")


async def create_client(
    db: AsyncConnection,
    services: Services,
    new: NewClient,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> CreatedClient:
    """Registers an application and, unless it is public, makes its first secret. Raises Refused."""
    check_client(new)
    await _check_apis(db, new)
    client_id = "cli_" + new_id(now).hex()
    secret = None if new.auth_method == "none" else new_secret(CLIENT_SECRET)
    secrets = (ClientSecret(digest(secret), None),) if secret else ()
    client = client_of(new, client_id, secrets)
    await db.execute(insert(clients).values(**columns_of(client), created_at=now, updated_at=now, version=1))
    await touch(db, "catalogue")
    data = {"after": shown(client)}
    event = Event(
        type=CLIENT_CREATED, actor=actor, subject=client_id, client_id=client_id, origin=origin, data=data
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)
    if secret:
        await _store_secret(db, client_id, secret, expires_at=None, now=now)
    return CreatedClient(client, secret)


async def _check_apis(db: AsyncConnection, new: NewClient) -> None:
    for identifier, scopes in new.apis.items():
        api = await find_api(db, identifier)
        if api is None:
            raise Refused("audience", f"there is no API {identifier}")
        unknown = set(scopes) - set(api.scopes)
        if unknown:
            raise Refused("scope", f"{identifier} has no scope {', '.join(sorted(unknown))}")


def client_of(new: NewClient, client_id: str, secrets: tuple[ClientSecret, ...] = ()) -> Client:
    """The application that registering this makes."""
    origins = {origin for uri in new.redirect_uris if (origin := origin_of_uri(uri))}
    return Client(
        client_id=client_id,
        name=new.name.strip(),
        auth_method=new.auth_method,
        grants=frozenset(new.grants),
        redirect_uris=new.redirect_uris,
        post_logout_redirect_uris=new.post_logout_redirect_uris,
        origins=tuple(sorted(origins)),
        scopes=frozenset(new.scopes),
        apis=new.apis,
        first_party=new.first_party,
        require_pkce=new.require_pkce,
        rotate_refresh=new.rotate_refresh,
        id_token_alg=new.id_token_alg,
        access_token_ttl_s=new.access_token_ttl_s,
        required_acr=new.required_acr,
        risk_thresholds=new.risk_thresholds,
        secrets=secrets,
    )


def columns_of(client: Client) -> dict[str, object]:
    """What the row of an application holds of what was asked for."""
    return {
        "client_id": client.client_id,
        "name": client.name,
        "auth_method": client.auth_method,
        "grants": sorted(client.grants),
        "redirect_uris": client.redirect_uris,
        "post_logout_redirect_uris": client.post_logout_redirect_uris,
        "origins": client.origins,
        "scopes": sorted(client.scopes),
        "apis": client.apis,
        "first_party": client.first_party,
        "require_pkce": client.require_pkce,
        "rotate_refresh": client.rotate_refresh,
        "id_token_alg": client.id_token_alg,
        "access_token_ttl_s": client.access_token_ttl_s,
        "required_acr": client.required_acr,
        "risk_thresholds": client.risk_thresholds and asdict(client.risk_thresholds),
    }


def shown(client: Client) -> dict[str, object]:
    """An application as lists, events and the command line show it: everything but its secrets."""
    return {**columns_of(client), "disabled": client.disabled, "secrets": len(client.secrets)}


async def list_clients(db: AsyncConnection) -> list[Client]:
    """Every application, oldest first."""
    return await load_clients(db)


async def load_client(db: AsyncConnection, client_id: str) -> Client:
    """One application from the database. Raises Refused where there is none."""
    for client in await load_clients(db):
        if client.client_id == client_id:
            return client
    raise Refused("client_id", f"there is no application {client_id}")


async def set_client_disabled(
    db: AsyncConnection,
    services: Services,
    client_id: str,
    *,
    disabled: bool,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Closes an application, or opens it again; tokens from before stay refused. Raises Refused."""
    client = await load_client(db, client_id)
    if client.disabled == disabled:
        return
    change = update(clients).where(clients.c.client_id == client_id)
    values: dict[str, datetime | None] = {"disabled_at": None}
    if disabled:
        values = {"disabled_at": now, "not_before": await _refuse_tokens(db, services, client_id, now=now)}
    await db.execute(change.values(**values, updated_at=now, version=clients.c.version + 1))
    await touch(db, "catalogue")
    data = {"before": {"disabled": client.disabled}, "after": {"disabled": disabled}}
    event = Event(
        type=CLIENT_CHANGED, actor=actor, subject=client_id, client_id=client_id, origin=origin, data=data
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)


async def _refuse_tokens(db: AsyncConnection, services: Services, client_id: str, *, now: datetime) -> datetime:
    """Tells followers until when its tokens are refused, and returns it.

    A process that has not looked yet may still issue it one; that one is refused, too.
    """
    at = await client_refused_until(db, client_id, at=max(now, services.clock()) + KNOWN_EVERYWHERE)
    await publish(db, Entry(Kind.CLIENT, client_id, at + LONGEST_TOKEN, not_before=at), now=now)
    return at


async def delete_client(
    db: AsyncConnection, services: Services, client_id: str, *, now: datetime, actor: str, origin: Origin = Origin()
) -> None:
    """Removes an application with its secrets, consents and grants. Raises Refused.

    The caller revokes it first (`identity.revocation.revoke_client`), so that its tokens die everywhere.
    """
    client = await load_client(db, client_id)
    await _refuse_tokens(db, services, client_id, now=now)
    await db.execute(delete(clients).where(clients.c.client_id == client_id))
    await touch(db, "catalogue")
    data = {"before": shown(client)}
    event = Event(
        type=CLIENT_DELETED, actor=actor, subject=client_id, client_id=client_id, origin=origin, data=data
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)


async def rotate_secret(
    db: AsyncConnection,
    services: Services,
    client_id: str,
    *,
    keep_old_for: timedelta,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> str:
    """A new secret; the old ones work for `keep_old_for` more (zero: not at all). Raises Refused."""
    client = await load_client(db, client_id)
    if client.is_public:
        raise Refused("client_id", "a public client has no secret")
    until = now + keep_old_for
    own = client_secrets.c.client_id == client_id
    await db.execute(delete(client_secrets).where(own, client_secrets.c.expires_at <= now))
    forever = or_(client_secrets.c.expires_at.is_(None), client_secrets.c.expires_at > until)
    await db.execute(update(client_secrets).where(own, forever).values(expires_at=until))
    count = len((await db.execute(select(client_secrets.c.id).where(own))).all())
    if count >= MAX_SECRETS:
        raise Refused("client_id", f"this client has {count} secrets already: wait until old ones have expired")
    secret = new_secret(CLIENT_SECRET)
    await _store_secret(db, client_id, secret, expires_at=None, now=now)
    await touch(db, "catalogue")
    data = {"hint": secret[-4:], "expires_at": until.isoformat()}
    event = Event(
        type=CLIENT_SECRET_ADDED, actor=actor, subject=client_id, client_id=client_id, origin=origin, data=data
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)
    return secret


async def _store_secret(
    db: AsyncConnection, client_id: str, secret: str, *, expires_at: datetime | None, now: datetime
) -> None:
    await db.execute(
        insert(client_secrets).values(
            id=new_id(now),
            client_id=client_id,
            digest=digest(secret),
            hint=secret[-4:],
            created_at=now,
            expires_at=expires_at,
        )
    )
