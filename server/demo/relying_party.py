"""The demo as an OpenID Connect client: everything that it asks of the server, by Authlib and plain HTTP.

It reaches the server inside this process, so no certificate and no listening address stands in between; what it sends
and gets is what any other client would.
"""

import hmac
import re
from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, cast

import httpx2
import msgspec
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import ASGIApp

from identity.services import Services
from server.demo.registration import (
    API_SCOPE,
    PAYSLIP,
    SCOPES,
    api_identifier,
    callback_uri,
    ensure_registered,
    home_uri,
)
from server.demo.visits import Notice, Visit

if TYPE_CHECKING:
    from authlib.integrations.starlette_client import StarletteOAuth2App

TIMEOUT_S = 10.0
NOTHING: Mapping[str, str] = MappingProxyType({})
_NEEDED = re.compile(r'(acr_values|max_age)="([^"]*)"')
_TOKENS = ("access_token", "id_token", "refresh_token")


class DemoRefused(Exception):
    """The server's refusal, or an answer that must not be believed, in words for the page."""


class RelyingParty:
    """One deployment's demo client. Raises DemoRefused where the server refuses."""

    def __init__(self, services: Services, server: ASGIApp) -> None:
        self._services = services
        self._issuer = services.settings.issuer
        self._transport = httpx2.ASGITransport(server)
        self._client_id: str | None = None

    async def begin(self, request: Request, visit: Visit, *, needed: Mapping[str, str] = NOTHING) -> Response:
        """The redirect to the authorization endpoint; state, nonce and PKCE verifier stay in the visit.

        `needed` is what a service's challenge asked for.
        """
        app = await self._app()
        request.scope["session"] = visit.flow
        response: Response = await app.authorize_redirect(request, callback_uri(self._issuer), **needed)
        response.status_code = 303
        return response

    async def finish(self, request: Request, visit: Visit) -> None:
        """Trades the code for tokens, proves the ID token, asks who the person is, and keeps all in the visit."""
        from authlib.integrations.starlette_client import OAuthError
        from joserfc.errors import JoseError

        # RFC 9207: an answer that another server sent must not be taken to ours. Authlib does not look at it.
        if not hmac.compare_digest(request.query_params.get("iss", "").encode(), self._issuer.encode()):
            raise DemoRefused("the answer does not come from this issuer (iss)")
        app = await self._app()
        request.scope["session"] = visit.flow
        try:
            answer = await app.authorize_access_token(request, claims_options=self._claims_options())
        except (OAuthError, JoseError, httpx2.HTTPError) as error:
            raise DemoRefused(str(error)) from error
        if "userinfo" not in answer:
            raise DemoRefused("the answer holds no ID token")
        visit.tokens, visit.claims = _kept(answer), dict(answer["userinfo"])
        visit.person = await self._load_person(visit)

    async def _load_person(self, visit: Visit) -> Mapping[str, str]:
        """The texts of userinfo's answer, once it is about the person of the ID token (OIDC Core §5.3.2)."""
        told = await self.ask(visit, kind="userinfo")
        if told.status != 200:
            raise DemoRefused(f"the userinfo endpoint answered {told.status}")
        person = msgspec.json.decode(told.body, type=dict[str, object])
        if person.get("sub") != visit.claims.get("sub"):
            raise DemoRefused("the userinfo endpoint speaks of somebody else (sub)")
        return {name: value for name, value in person.items() if isinstance(value, str)}

    async def refresh(self, visit: Visit) -> None:
        """New tokens for the refresh token; the new ID token must be about the same person (OIDC Core §12.2)."""
        from joserfc.errors import JoseError

        tokens = visit.tokens or {}
        form = {"grant_type": "refresh_token", "refresh_token": tokens.get("refresh_token", "")}
        answer = await self._post("token_endpoint", form)
        app = await self._app()
        try:
            claims = await app.parse_id_token(dict(answer), nonce=None, claims_options=self._claims_options())
        except JoseError as error:
            raise DemoRefused(str(error)) from error
        if claims is None or claims["sub"] != visit.claims.get("sub"):
            raise DemoRefused("the new ID token is about somebody else (sub)")
        visit.tokens = {**tokens, **_kept(answer)}
        visit.claims = dict(claims)

    async def revoke(self, visit: Visit) -> None:
        """Revokes the refresh token, and with it everything that came from this sign-in."""
        await self._post("revocation_endpoint", {"token": (visit.tokens or {}).get("refresh_token", "")})

    async def ask(self, visit: Visit, *, kind: str) -> Notice:
        """What the demo's API (`api`, `payslip`) or the userinfo endpoint (`userinfo`) answers to the access token."""
        url = api_identifier(self._issuer) + (PAYSLIP if kind == "payslip" else "")
        async with self._http() as client:
            if kind == "userinfo":
                url = str((await self._metadata(client))["userinfo_endpoint"])
            bearer = f"Bearer {(visit.tokens or {}).get('access_token', '')}"
            answer = await client.get(url, headers={"Authorization": bearer})
        challenge = answer.headers.get("www-authenticate", "")
        wants_more = "insufficient_user_authentication" in challenge
        needed = dict(_NEEDED.findall(challenge)) if wants_more else NOTHING
        return Notice(kind, answer.status_code, answer.text, needed)

    async def sign_out_url(self, visit: Visit) -> str:
        """Where the browser is sent to end the session at the server, too (RP-Initiated Logout 1.0)."""
        hint = (visit.tokens or {}).get("id_token")
        app = await self._app()
        made = await app.create_logout_url(home_uri(self._issuer), hint)
        return cast(str, made["url"])

    async def _app(self) -> "StarletteOAuth2App":
        """Authlib's client. It and what it brings are imported when somebody opens the demo, not at every start."""
        from authlib.integrations.starlette_client import OAuth

        oauth = OAuth()
        return oauth.register(
            "ostiary",
            client_id=await self._load_client_id(),
            server_metadata_url=f"{self._issuer}/.well-known/openid-configuration",
            client_kwargs={
                "scope": " ".join((*SCOPES, API_SCOPE)),
                "code_challenge_method": "S256",
                "token_endpoint_auth_method": "none",
                "transport": self._transport,
                "timeout": TIMEOUT_S,
            },
        )

    def _claims_options(self) -> Mapping[str, object]:
        # Authlib looks at `iss` alone by default, and would take another client's ID token whose `azp` is ours.
        return {
            "iss": {"essential": True, "value": self._issuer},
            "aud": {"essential": True, "value": self._client_id},
        }

    async def _load_client_id(self) -> str:
        if self._client_id is None or self._services.catalogue.find_client(self._client_id) is None:
            self._client_id = (await ensure_registered(self._services)).client_id
        return self._client_id

    async def _post(self, endpoint: str, form: Mapping[str, str]) -> Mapping[str, object]:
        async with self._http() as client:
            url = str((await self._metadata(client))[endpoint])
            answer = await client.post(url, data={**form, "client_id": await self._load_client_id()})
            body = cast(Mapping[str, object], answer.json())
        if answer.status_code != 200:
            raise DemoRefused(f"{body.get('error')}: {body.get('error_description')}")
        return body

    async def _metadata(self, client: httpx2.AsyncClient) -> Mapping[str, object]:
        answer = await client.get(f"{self._issuer}/.well-known/openid-configuration")
        return cast(Mapping[str, object], answer.raise_for_status().json())

    def _http(self) -> httpx2.AsyncClient:
        return httpx2.AsyncClient(transport=self._transport, timeout=TIMEOUT_S)


def _kept(answer: Mapping[str, object]) -> dict[str, str]:
    return {name: value for name in _TOKENS if isinstance(value := answer.get(name), str)}
