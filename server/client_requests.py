"""Registering an application from what an administrator typed: scopes find their API, or one is made for them."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from identity import apis, clients
from identity.client_values import DEFAULT_API, SERVER_SCOPES, STANDARD_SCOPES, TOKEN_EXCHANGE
from identity.errors import Refused
from identity.services import Services
from policy.values import RiskThresholds

# Grants whose own names nobody types.
_SHORT_NAMES = {"token_exchange": TOKEN_EXCHANGE}


@dataclass(frozen=True, slots=True, kw_only=True)
class AskedClient:
    """An application as asked for: audiences and scopes stand side by side, as in an OAuth request."""

    name: str
    auth_method: str
    redirect_uri: tuple[str, ...] = ()
    post_logout_redirect_uri: tuple[str, ...] = ()
    grant: tuple[str, ...] = ()
    scope: tuple[str, ...] = ()
    audience: tuple[str, ...] = ()
    first_party: bool = False
    require_pkce: bool = True
    rotate_refresh: bool = True
    id_token_alg: str = "RS256"
    access_token_ttl_s: int | None = None
    required_acr: str | None = None
    risk_thresholds: RiskThresholds | None = None


async def register(
    db: AsyncConnection,
    services: Services,
    asked: AskedClient,
    *,
    say: Callable[[str], None],
    now: datetime,
    actor: str,
) -> clients.CreatedClient:
    """Registers the application with the APIs and scopes that it names; `say` is told of each that was made for it.

    What it is told holds once the caller's transaction has ended. Raises Refused; nothing is kept then.
    """
    own, foreign = _sort_scopes(asked.scope)
    audiences = tuple(name for name in dict.fromkeys(asked.audience) if name != services.settings.issuer)
    placed = await _place_scopes(db, foreign, audiences)
    for identifier, scopes in placed.items():
        known = await apis.find_api(db, identifier) is not None
        new = await apis.add_scopes(db, services, identifier=identifier, scopes=scopes, now=now, actor=actor)
        if not known:
            say(f"made the API {identifier}")
        for scope in new:
            say(f"made the scope {scope} of {identifier}")
    new_client = clients.NewClient(
        name=asked.name,
        grants=_grants_of(asked),
        auth_method=asked.auth_method,
        redirect_uris=asked.redirect_uri,
        post_logout_redirect_uris=asked.post_logout_redirect_uri,
        scopes=own,
        apis={identifier: tuple(scopes) for identifier, scopes in placed.items()},
        first_party=asked.first_party,
        require_pkce=asked.require_pkce,
        rotate_refresh=asked.rotate_refresh,
        id_token_alg=asked.id_token_alg,
        access_token_ttl_s=asked.access_token_ttl_s,
        required_acr=asked.required_acr,
        risk_thresholds=asked.risk_thresholds,
    )
    return await clients.create_client(db, services, new_client, now=now, actor=actor)


def _grants_of(asked: AskedClient) -> tuple[str, ...]:
    usual = ("authorization_code",) if asked.redirect_uri else ("client_credentials",)
    return tuple(_SHORT_NAMES.get(name, name) for name in asked.grant or usual)


def _sort_scopes(scopes: tuple[str, ...]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Standard and server scopes, and those of APIs. One option may hold several, with spaces between them."""
    names = tuple(dict.fromkeys(name for text in scopes for name in text.split()))
    own = tuple(name for name in names if name in STANDARD_SCOPES or name in SERVER_SCOPES)
    return own, tuple(name for name in names if name not in own)


async def _place_scopes(
    db: AsyncConnection, scopes: tuple[str, ...], audiences: tuple[str, ...]
) -> dict[str, list[str]]:
    """Which API each scope belongs to, in the order of `audiences`.

    A scope goes to the API among `audiences` that has it, else to the first of them; without audiences, to the one API
    that has it, else to the default one. Raises Refused where several have it.
    """
    placed: dict[str, list[str]] = {identifier: [] for identifier in audiences}
    registered = {api.identifier: api.scopes for api in await apis.list_apis(db)}
    for scope in scopes:
        among = audiences or tuple(registered)
        owners = [identifier for identifier in among if scope in registered.get(identifier, {})]
        if len(owners) > 1 and not audiences:
            raise Refused("scope", f"{scope} belongs to {' and '.join(owners)}: name one of them by --audience")
        home = owners[0] if owners else (audiences[0] if audiences else DEFAULT_API)
        placed.setdefault(home, []).append(scope)
    return placed
