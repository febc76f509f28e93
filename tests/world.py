"""A whole deployment inside a test: real services, the real application without a socket, a clock that can be moved."""

from __future__ import annotations

import hashlib
import re
import secrets
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from itertools import count
from pathlib import Path
from unittest.mock import patch
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx2
import msgspec
from joserfc.jwk import RSAKey
from sqlalchemy import select

from audit.record import Event
from audit.tables import events
from base.clock import utc_now
from base.cookies import cookie_name
from base.secret_values import b64url
from identity.accounts import create_person, find_person
from identity.apis import add_scopes
from identity.argon2_hashes import CHEAPEST
from identity.clients import CreatedClient, NewClient, create_client
from identity.devices import see_device
from identity.passwords import set_password
from identity.person_values import NewPerson, Person
from identity.services import Services
from identity.sessions import start_session
from identity.values import Proof, Standing
from policy.values import Decision, SigninFacts
from server.app import App, build
from server.composition import open_services
from server.settings import Settings, load_settings

__all__ = ["Answer", "CreatedClient", "MovableClock", "World", "open_world", "pkce"]

ISSUER = "https://id.example.com"
CALLBACK = "https://app.example.com/callback"
API = "https://api.example.com"
PASSWORD = "a quiet harbour at dusk 7"
PROFILE = {
    "name": "Ada Byron", "given_name": "Ada", "family_name": "Byron", "middle_name": "King", "nickname": "ada",
    "profile": "https://people.example.com/ada", "picture": "https://people.example.com/ada.png",
    "website": "https://ada.example.com", "gender": "female", "birthdate": "1815-12-10", "zoneinfo": "Europe/London",
    "locale": "en-GB", "phone_number": "+44 20 7946 0000", "phone_number_verified": True,
    "address": {"formatted": "12 St James's Square, London", "country": "United Kingdom"},
}  # fmt: skip


@dataclass
class MovableClock:
    """The deployment's time: the real one and a shift."""

    shift: timedelta = timedelta()

    def __call__(self) -> datetime:
        return utc_now() + self.shift

    def move(self, **parts: float) -> None:
        """Moves the time, by `seconds=…`, `minutes=…`."""
        self.shift += timedelta(**parts)


def pkce() -> tuple[str, str]:
    """A fresh verifier and its challenge."""
    verifier = secrets.token_urlsafe(48)
    return verifier, b64url(hashlib.sha256(verifier.encode()).digest())


@dataclass
class World:
    """One deployment and what tests do with it."""

    services: Services
    app: App
    clock: MovableClock
    verifiers: dict[str, str] = field(default_factory=dict)

    def browser(self, *, address: str = "198.51.100.7") -> httpx2.AsyncClient:
        """A browser: keeps cookies, follows no redirects."""
        transport = httpx2.ASGITransport(self.app.asgi, client=(address, 50000))
        headers = {"user-agent": "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"}
        return httpx2.AsyncClient(transport=transport, base_url=ISSUER, headers=headers)

    async def person(self, username: str = "ada", *, password: str | None = PASSWORD, admin: bool = False) -> Person:
        """An active person with a verified mail address, every claim and a password."""
        hashed = None if password is None else await self.services.hashes.hash(password)
        new = NewPerson(
            username=username, email=f"{username}@example.com", name="Ada Byron", is_admin=admin, profile=PROFILE
        )
        async with self.services.database.transaction() as db:
            now = self.clock()
            person_id = await create_person(db, self.services, new, now=now, actor="cli", via="cli")
            if hashed:
                await set_password(db, self.services, person_id, hashed, why="created", now=now, actor="cli")
            person = await find_person(db, person_id)
        assert person is not None
        return person

    async def client(self, **asked: object) -> CreatedClient:
        """An application for every grant, with the standard scopes and the API `API`; parts can be asked otherwise.

        `api_scopes` are the scopes that it may ask for there.
        """
        api_scopes = msgspec.convert(asked.pop("api_scopes", ("orders:read", "orders:write")), tuple[str, ...])
        parts: dict[str, object] = {
            "name": "Orders",
            "grants": ("authorization_code", "refresh_token"),
            "redirect_uris": (CALLBACK,),
            "post_logout_redirect_uris": ("https://app.example.com/bye",),
            "scopes": ("openid", "profile", "email", "address", "phone", "offline_access"),
            "apis": {API: api_scopes},
            "first_party": True,
            **asked,
        }
        async with self.services.database.transaction() as db:
            now = self.clock()
            if api_scopes:
                await add_scopes(db, self.services, identifier=API, scopes=api_scopes, now=now, actor="cli")
            new = msgspec.convert(parts, NewClient)
            created = await create_client(db, self.services, new, now=now, actor="cli")
        await self.services.catalogue.refresh()
        return created

    async def sign_in(
        self, browser: httpx2.AsyncClient, person: Person, *, methods: tuple[str, ...] = ("pwd",)
    ) -> bytes:
        """Gives the browser a session of the person, as the sign-in page would; returns the session's id."""
        now = self.clock()
        request = _request_of(browser)
        async with self.services.database.transaction() as db:
            told: list[Event] = []
            device = await see_device(db, self.services, person.id, request, told=told, now=now)
            opened = await start_session(
                db,
                self.services,
                Standing(person.id, person.sub, person.state, person.is_admin, frozenset({"pwd"})),
                device_id=device.id,
                proofs=[Proof(method, now) for method in methods],
                told=told,
                now=now,
            )
            await self.services.emitter.emit_all(db, told, now=now)
        browser.cookies.set(cookie_name(self.services.settings, "session"), opened.cookie, domain="id.example.com")
        own = cookie_name(self.services.settings, "device")
        if own in browser.cookies and device.cookie:
            browser.cookies.set(own, device.cookie, domain="id.example.com")
        return opened.session.id

    def authorize_url(self, client: CreatedClient, **params: str | None) -> str:
        """The address of an authorization request with PKCE; a parameter of None is left out."""
        verifier, challenge = pkce()
        state = secrets.token_urlsafe(8)
        asked: dict[str, str | None] = {
            "client_id": client.client.client_id,
            "response_type": "code",
            "redirect_uri": CALLBACK,
            "scope": "openid",
            "state": state,
            "code_challenge": challenge,
            "code_challenge_method": "S256",
            **params,
        }
        self.verifiers[asked["state"] or ""] = verifier
        return "/oauth/authorize?" + urlencode({name: value for name, value in asked.items() if value is not None})

    async def authorize(self, browser: httpx2.AsyncClient, client: CreatedClient, **params: str | None) -> Answer:
        """What the application gets back from an authorization request."""
        return Answer.of(await browser.get(self.authorize_url(client, **params)))

    async def token(
        self,
        client: CreatedClient,
        *,
        path: str = "/oauth/token",
        **form: str,
    ) -> httpx2.Response:
        """An answer of the token endpoint (or another) to a client that authenticates as it is registered."""
        client_id, secret = client.client.client_id, client.secret
        auth = httpx2.BasicAuth(client_id, secret or "") if client.client.auth_method == "client_secret_basic" else None
        if auth is None:
            form = {"client_id": client_id, **({"client_secret": secret} if secret else {}), **form}
        async with self.browser() as caller:
            if auth is None:
                return await caller.post(path, data=form)
            return await caller.post(path, data=form, auth=auth)

    async def redeem(self, client: CreatedClient, answer: Answer, **form: str) -> httpx2.Response:
        """The token endpoint's answer to the code of an authorization."""
        parts = {
            "grant_type": "authorization_code",
            "code": answer.params["code"],
            "redirect_uri": CALLBACK,
            "code_verifier": self.verifiers[answer.params["state"]],
            **form,
        }
        return await self.token(client, **parts)

    async def tokens(self, client: CreatedClient, person: Person, **params: str | None) -> dict[str, str]:
        """The tokens of a person who has just signed in through the client, in a browser of their own."""
        async with self.browser() as browser:
            await self.sign_in(browser, person)
            answer = await self.authorize(browser, client, **params)
        response = await self.redeem(client, answer)
        assert response.status_code == 200, response.text
        tokens: dict[str, str] = response.json()
        return tokens

    async def refresh(self, client: CreatedClient, token: str, **form: str) -> httpx2.Response:
        """The token endpoint's answer to a refresh token."""
        return await self.token(client, grant_type="refresh_token", refresh_token=token, **form)

    async def introspect(self, client: CreatedClient, token: str) -> dict[str, object]:
        """What introspection says of a token."""
        response = await self.token(client, path="/oauth/introspect", token=token)
        assert response.status_code == 200, response.text
        return msgspec.json.decode(response.content, type=dict[str, object])

    async def userinfo(self, access_token: str) -> httpx2.Response:
        """The userinfo endpoint's answer to a bearer."""
        async with self.browser() as caller:
            return await caller.get("/oauth/userinfo", headers={"authorization": f"Bearer {access_token}"})

    async def events(self, name: str | None = None) -> list[dict[str, object]]:
        """The canonical bodies of the events so far, oldest first; of one kind where a name is given."""
        async with self.services.database.reading() as db:
            rows = await db.execute(select(events.c.body).order_by(events.c.at, events.c.id))
            bodies = [msgspec.json.decode(body) for (body,) in rows]
        return [body for body in bodies if name is None or body["name"] == name]


@dataclass(frozen=True)
class Answer:
    """An authorization response: where the browser was sent, and the parameters there."""

    response: httpx2.Response
    location: str
    params: Mapping[str, str]

    @classmethod
    def of(cls, response: httpx2.Response) -> Answer:
        """Reads a redirect, or the page of `response_mode=form_post`."""
        if response.status_code == 303:
            location = response.headers["location"]
            query = parse_qs(urlsplit(location).query, strict_parsing=True) if "?" in location else {}
            assert all(len(values) == 1 for values in query.values()), location
            return cls(response, location, {name: values[0] for name, values in query.items()})
        fields = dict(re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', response.text))
        action = re.search(r'<form method="post" action="([^"]*)">', response.text)
        return cls(response, action[1] if action else "", fields)


def _request_of(browser: httpx2.AsyncClient):  # type: ignore[no-untyped-def]
    from starlette.requests import Request

    cookies = "; ".join(f"{name}={value}" for name, value in browser.cookies.items())
    headers = [(b"cookie", cookies.encode()), (b"user-agent", b"tests")]
    return Request({"type": "http", "headers": headers})


class _MadeOnce:
    """RSA keys for tests: real ones, but each is made once a worker, since making one takes a tenth of a second."""

    def __init__(self) -> None:
        self._keys: list[RSAKey] = []
        self._make = RSAKey.generate_key

    @contextmanager
    def handed_out(self) -> Iterator[None]:
        """Within, a deployment that starts gets the same keys in the same order, all of them different."""
        given = count()

        def generate_key(*arguments: object, **named: object) -> RSAKey:
            number = next(given)
            while len(self._keys) <= number:
                self._keys.append(self._make(2048))
            return self._keys[number]

        with patch.object(RSAKey, "generate_key", generate_key):
            yield


_KEYS = _MadeOnce()


@asynccontextmanager
async def open_world(
    database_url: str,
    folder: Path,
    *,
    redis_url: str | None = None,
    clock: MovableClock | None = None,
    policy: Callable[[SigninFacts], Decision] | None = None,
    refusal_deadline: timedelta | None = None,
    **settings: str | None,
) -> AsyncIterator[World]:
    """A deployment over a migrated database; `settings` are environment names without `OSTIARY_`, in lower case.

    One of None leaves out what the deployments of tests have otherwise.

    Several over one database are several processes of one deployment, as far as they can be without sockets.
    """
    asked = {
        "OSTIARY_ISSUER": ISSUER,
        "OSTIARY_DATABASE_URL": database_url,
        "OSTIARY_DATA_DIR": str(folder),
        "OSTIARY_LOG__ACCESS": "false",
        "OSTIARY_DEMO": "on",
        # Letters are promised; nobody sends them here.
        "OSTIARY_SMTP_URL": "smtp://127.0.0.1:9",
        "OSTIARY_MAIL__SENDER": "Ostiary <no-reply@id.example.com>",
        **({"OSTIARY_REDIS_URL": redis_url} if redis_url else {}),
        **{f"OSTIARY_{name.upper()}": value for name, value in settings.items()},
    }
    environment = {name: value for name, value in asked.items() if value is not None}
    clock = clock or MovableClock()
    loaded: Settings = load_settings(environ=environment).settings
    async with AsyncExitStack() as stack:
        # For the first start alone: what two worlds over one database make afterwards must differ.
        with _KEYS.handed_out():
            opened = await stack.enter_async_context(
                open_services(loaded, (MASTER_KEY,), hashing=CHEAPEST, clock=clock)
            )
        services = opened if policy is None else replace(opened, decide=policy)
        if refusal_deadline is not None:
            services = replace(services, settings=replace(opened.settings, refusal_deadline=refusal_deadline))
        yield World(services, build(loaded, services), clock)


MASTER_KEY = hashlib.sha256(b"the master key of the tests").digest()
