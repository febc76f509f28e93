"""The demo's own entries among the registered applications and APIs."""

from collections.abc import Iterable

from sqlalchemy import text

from identity.apis import add_scopes
from identity.client_values import Client
from identity.clients import NewClient, create_client, list_clients
from identity.services import Services

NAME = "Ostiary demo"
ACTOR = "system"
API_SCOPE = "demo:read"
# Behind the API's address.
PAYSLIP = "/payslip"
SCOPES = ("openid", "profile", "email")
_REGISTRATION_LOCK = 0x64656D6F


def callback_uri(issuer: str) -> str:
    """Where the browser returns after sign-in."""
    return f"{issuer}/demo/callback"


def home_uri(issuer: str) -> str:
    """The demo's page, and where the browser returns after sign-out."""
    return f"{issuer}/demo"


def api_identifier(issuer: str) -> str:
    """The audience of tokens for the demo's API, which is its address, too."""
    return f"{issuer}/demo/api"


async def ensure_registered(services: Services) -> Client:
    """The demo's client, registered now where it is not yet: a public one, so that no secret has to be kept.

    It is known by its name and its way back, so another issuer gets another client. One that an administrator has
    disabled is found too, and stays disabled.
    """
    issuer = services.settings.issuer
    async with services.database.reading() as db:
        known = _find(await list_clients(db), issuer)
    if known is not None:
        return known
    async with services.database.transaction() as db:
        if not services.database.is_sqlite:
            # Two processes that are asked at the same moment must not register two.
            await db.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _REGISTRATION_LOCK})
        known = _find(await list_clients(db), issuer)
        if known is None:
            now, api = services.clock(), api_identifier(issuer)
            await add_scopes(db, services, identifier=api, scopes=(API_SCOPE,), now=now, actor=ACTOR)
            known = (await create_client(db, services, _wanted(issuer), now=now, actor=ACTOR)).client
    await services.catalogue.refresh()
    return known


def _find(registered: Iterable[Client], issuer: str) -> Client | None:
    for client in registered:
        if client.name == NAME and client.is_public and client.redirect_uris == (callback_uri(issuer),):
            return client
    return None


def _wanted(issuer: str) -> NewClient:
    return NewClient(
        name=NAME,
        auth_method="none",
        grants=("authorization_code", "refresh_token"),
        redirect_uris=(callback_uri(issuer),),
        post_logout_redirect_uris=(home_uri(issuer),),
        scopes=SCOPES,
        apis={api_identifier(issuer): (API_SCOPE,)},
        first_party=True,
    )
