"""WSGI, Flask, Django and FastAPI: the same refusals, word for word, as the ASGI guard's (RFC 6750, 9470, 9728)."""

import io
from collections.abc import Callable, Iterable, Iterator
from typing import Annotated

import django as django_package
import httpx2
import pytest
from django.conf import settings
from django.core.handlers.wsgi import WSGIHandler
from django.http import HttpRequest, HttpResponse
from django.test import override_settings
from django.urls import path as django_path
from fastapi import FastAPI, Security
from flask import Flask
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary import AccessToken, FeedUnavailable, SyncVerifier, TokenError, Verifier, asgi, django, fastapi, flask, wsgi
from ostiary.failure_policy import Sensitivity
from ostiary.feed_lease import LeaseState
from ostiary.resource_metadata import ResourceMetadata
from ostiary.step_up import AAL1, AAL2
from ostiary.testing import FakeFeed, FakeIssuer
from ostiary.wsgi_types import StartResponse, WSGIApp, WSGIEnviron
from tests.sdk.clocks import Clock

METADATA = ResourceMetadata("https://api.test/orders", issuers=["https://issuer.test"], scopes=["read", "write"])
URL = 'resource_metadata="https://api.test/.well-known/oauth-protected-resource/orders"'

Ask = Callable[..., httpx2.Response]


def ask_wsgi(app: WSGIApp, path: str = "/", method: str = "GET", /, **environ: object) -> httpx2.Response:
    """One request as a WSGI server makes it."""
    told: list[tuple[str, list[tuple[str, str]]]] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: object = None) -> Callable[[bytes], None]:
        told.append((status, headers))
        return lambda _: None

    whole: WSGIEnviron = {
        "REQUEST_METHOD": method, "PATH_INFO": path, "SCRIPT_NAME": "", "QUERY_STRING": "", "SERVER_NAME": "api.test",
        "SERVER_PORT": "443", "SERVER_PROTOCOL": "HTTP/1.1", "wsgi.input": io.BytesIO(), "wsgi.errors": io.StringIO(),
        "wsgi.url_scheme": "https", "wsgi.version": (1, 0), "wsgi.multithread": True, "wsgi.multiprocess": False,
        "wsgi.run_once": False, "CONTENT_LENGTH": "0", **environ,
    }  # fmt: skip
    body = app(whole, start_response)
    content = b"".join(body)
    getattr(body, "close", lambda: None)()
    status, headers = told[-1]
    return httpx2.Response(int(status[:3]), headers=headers, content=content)


@pytest.fixture
def feed(fake: FakeIssuer) -> FakeFeed:
    return FakeFeed(fake)


@pytest.fixture
def sync_verifier(fake: FakeIssuer, feed: FakeFeed, clock: Clock) -> SyncVerifier:
    return SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), feed=feed, clock=clock, monotonic=clock)


def wsgi_app(verifier: SyncVerifier) -> WSGIApp:
    def app(environ: WSGIEnviron, start_response: StartResponse) -> Iterable[bytes]:
        path = environ["PATH_INFO"]
        if path == "/write":
            wsgi.require_scopes(environ, "write")
        elif path == "/pay":
            wsgi.require_authentication(environ, acr=AAL2, max_age_s=300)
        elif path == "/now":
            wsgi.require_fresh(environ)
        elif path == "/health":
            start_response("200 OK", [])
            return [str("ostiary.token" in environ).encode()]
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [wsgi.load_token(environ).sub.encode()]

    return wsgi.RequireToken(app, verifier, scopes=["read"], exempt=["/health"], realm="orders", metadata=METADATA)


def flask_view() -> str:
    return flask.load_token().sub


def flask_app(verifier: SyncVerifier) -> WSGIApp:
    app, guard = (
        Flask("orders"),
        flask.Guard(verifier, scopes=["read"], exempt=["/health"], realm="orders", metadata=METADATA),
    )
    guard.init_app(app)
    app.add_url_rule("/", view_func=flask_view, endpoint="home")
    for path, view in (
        ("/write", guard.require("write")),
        ("/pay", guard.require(acr=AAL2, max_age_s=300)),
        ("/now", guard.require(sensitivity=Sensitivity.SENSITIVE)),
    ):
        app.add_url_rule(path, view_func=view(flask_view), endpoint=path[1:])
    app.add_url_rule("/health", view_func=lambda: "False", endpoint="health")
    return app.wsgi_app


def django_view(request: HttpRequest) -> HttpResponse:
    return HttpResponse(django.load_token(request).sub)


urlpatterns = [
    django_path("", django_view),
    django_path("write", django.require("write")(django_view)),
    django_path("pay", django.require(acr=AAL2, max_age_s=300)(django_view)),
    django_path("now", django.require(sensitivity=Sensitivity.SENSITIVE)(django_view)),
    django_path("health", lambda _: HttpResponse("False")),
]


@pytest.fixture
def django_app(sync_verifier: SyncVerifier) -> Iterator[WSGIApp]:
    if not settings.configured:
        settings.configure(DEBUG=False, SECRET_KEY="for tests", LOGGING_CONFIG=None)
        django_package.setup()
    said = {
        "verifier": sync_verifier,
        "scopes": ["read"],
        "exempt": ["/health"],
        "realm": "orders",
        "metadata": METADATA,
    }
    with override_settings(
        OSTIARY={**said, "metadata": METADATA},
        ALLOWED_HOSTS=["*"],
        ROOT_URLCONF=__name__,
        MIDDLEWARE=["ostiary.django.RequireToken"],
    ):
        yield WSGIHandler()


@pytest.fixture(params=["wsgi", "flask", "django"])
def app(request: pytest.FixtureRequest, sync_verifier: SyncVerifier) -> WSGIApp:
    """The same small API by each framework."""
    match request.param:
        case "wsgi":
            return wsgi_app(sync_verifier)
        case "flask":
            return flask_app(sync_verifier)
        case _:
            made: WSGIApp = request.getfixturevalue("django_app")
            return made


def bearer(token: str) -> dict[str, object]:
    return {"HTTP_AUTHORIZATION": f"Bearer {token}"}


def test_a_good_token_lets_the_request_through(app: WSGIApp, fake: FakeIssuer) -> None:
    answer = ask_wsgi(app, **bearer(fake.mint({"sub": "usr_1", "scope": "read"})))
    assert (answer.status_code, answer.text) == (200, "usr_1")


def test_refusals_are_those_of_every_guard(app: WSGIApp, fake: FakeIssuer, clock: Clock) -> None:
    """RFC 6750 §3, RFC 9470 §3, RFC 9728 §5.1, for the whole guard and for single routes."""
    good = {"scope": "read", "acr": AAL1, "auth_time": int(clock())}
    start = 'Bearer realm="orders"'
    words = "the access token lacks a scope that this request needs"
    scope = f'{start}, error="insufficient_scope", error_description="{words}"'
    for path, environ, status, challenge in (
        ("/", {}, 401, f"{start}, {URL}"),
        ("/nowhere", {}, 401, f"{start}, {URL}"),
        ("/", bearer(fake.mint({"scope": "other"})), 403, f'{scope}, scope="read", {URL}'),
        ("/write", bearer(fake.mint(good)), 403, f'{scope}, scope="write", {URL}'),
        ("/pay", bearer(fake.mint(good)), 401,
         f'{start}, error="insufficient_user_authentication", error_description="a stronger sign-in is needed", '
         f'acr_values="urn:ostiary:aal2", max_age="300", {URL}'),
        ("/", bearer(fake.mint(good, ttl_s=-60)), 401,
         f'{start}, error="invalid_token", error_description="exp has passed", {URL}'),
    ):  # fmt: skip
        answer = ask_wsgi(app, path, **environ)
        assert (answer.status_code, answer.headers["www-authenticate"]) == (status, challenge)
        assert answer.headers["cache-control"] == "no-store"
        assert "error_description" in answer.json()


@pytest.mark.parametrize("joined", ["{0}, {0}", "{0},{0}", "{0}, Basic dTpw", "Basic dTpw, {0}", "{0},"])
def test_doubled_headers_that_a_server_joined_are_refused(joined: str, app: WSGIApp, fake: FakeIssuer) -> None:
    """A proxy and this guard must not read different ones."""
    value = joined.format(f"Bearer {fake.mint({'scope': 'read'})}")
    answer = ask_wsgi(app, HTTP_AUTHORIZATION=value)
    assert answer.status_code in (400, 401)
    assert "usr_test" not in answer.text


def test_no_header_by_another_name_is_taken_for_the_token(app: WSGIApp, fake: FakeIssuer) -> None:
    """S42: WSGI makes `_` of `-`, so a client chooses such keys freely."""
    value = f"Bearer {fake.mint({'scope': 'read'})}"
    for key in ("HTTP_AUTHORIZATION_", "HTTP_X_AUTHORIZATION", "HTTP__AUTHORIZATION", "HTTP_OSTIARY_TOKEN"):
        assert ask_wsgi(app, **{key: value}).status_code == 401
    assert ask_wsgi(app, QUERY_STRING=f"access_token={value[7:]}").status_code == 401


def test_a_header_in_other_letters_is_refused_and_breaks_nothing(app: WSGIApp) -> None:
    for value in ("Bearer \u00e9", "Bearer \u20ac", "Bearer a b", "Bearer ", "Bearer"):
        assert ask_wsgi(app, HTTP_AUTHORIZATION=value).status_code == 400


def test_head_and_options_are_guarded_like_everything(app: WSGIApp, fake: FakeIssuer) -> None:
    """The answer to HEAD has no body; a preflight without a token belongs to whoever does CORS, outside."""
    refused = ask_wsgi(app, "/", "HEAD")
    assert (refused.status_code, refused.content) == (401, b"")
    assert ask_wsgi(app, "/", "OPTIONS").status_code == 401


def test_exempt_paths_are_exact_and_the_metadata_is_public(app: WSGIApp) -> None:
    """RFC 9728 §3."""
    assert ask_wsgi(app, "/health").text == "False"
    for path in ("/health/", "/healthz", "/HEALTH", "//health"):
        assert ask_wsgi(app, path).status_code == 401
    answer = ask_wsgi(app, METADATA.path)
    assert answer.status_code == 200
    assert answer.json()["resource"] == "https://api.test/orders"
    assert ask_wsgi(app, METADATA.path, "HEAD").content == b""
    assert ask_wsgi(app, METADATA.path, "POST").status_code == 405


def test_a_revoked_token_is_refused_and_a_late_feed_is_our_own_trouble(
    app: WSGIApp, fake: FakeIssuer, feed: FakeFeed
) -> None:
    """S18, I6: 401 for what is revoked, 503 with Retry-After where nobody knows, first on the sensitive route."""
    token = bearer(fake.mint({"scope": "read", "grant": "gra_1"}))
    assert ask_wsgi(app, "/now", **token).status_code == 200
    feed.become(LeaseState.STALE)
    late = ask_wsgi(app, "/now", **token)
    assert (late.status_code, 5 <= int(late.headers["retry-after"]) <= 8) == (503, True)
    assert "www-authenticate" not in late.headers
    assert ask_wsgi(app, "/", **token).status_code == 200
    feed.become(LeaseState.LOST)
    assert ask_wsgi(app, "/", **token).status_code == 503
    feed.become(LeaseState.FRESH)
    feed.revoke_grant("gra_1")
    answer = ask_wsgi(app, "/", **token)
    assert (answer.status_code, answer.json()["error"]) == (401, "invalid_token")


def test_a_streamed_wsgi_answer_stops_when_its_token_was_revoked(
    sync_verifier: SyncVerifier, fake: FakeIssuer, feed: FakeFeed
) -> None:
    """S18: no part goes out more than a fraction of a second later."""
    ticks = iter(range(100))
    token = fake.mint({"grant": "gra_s"})
    closed: list[bool] = []

    class Parts:
        def __iter__(self) -> Iterator[bytes]:
            yield from (b"%d" % number for number in range(10))

        def close(self) -> None:
            closed.append(True)

    body = wsgi.GuardedBody(Parts(), lambda: sync_verifier.verify(token), monotonic=lambda: float(next(ticks)))
    assert [next(body), next(body)] == [b"0", b"1"]
    feed.revoke_grant("gra_s")
    with pytest.raises(TokenError, match="grant"):
        next(body)
    body.close()
    assert closed == [True]


@pytest.fixture
def async_verifier(fake: FakeIssuer, feed: FakeFeed, clock: Clock) -> Verifier:
    return Verifier(fake.issuer, fake.audience, transport=fake.transport(), feed=feed, clock=clock, monotonic=clock)


@pytest.mark.anyio
async def test_fastapi_refuses_with_the_same_headers_and_shows_its_security(
    async_verifier: Verifier, fake: FakeIssuer, feed: FakeFeed, clock: Clock
) -> None:
    """The scheme and each route's scopes stand in the OpenAPI document."""
    app = FastAPI()
    signed_in = fastapi.RequireToken(async_verifier, fake.issuer, scopes=["read"], realm="orders", metadata=METADATA)
    strong = signed_in.but(acr=AAL2, max_age_s=300)

    @app.get("/")
    async def home(token: Annotated[AccessToken, Security(signed_in)]) -> str:
        return token.sub

    @app.get("/write")
    async def write(token: Annotated[AccessToken, Security(signed_in, scopes=["write"])]) -> str:
        return token.sub

    @app.get("/pay")
    async def pay(token: Annotated[AccessToken, Security(strong)]) -> str:
        return token.sub

    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        token = {"Authorization": f"Bearer {fake.mint({'scope': 'read', 'acr': AAL1, 'grant': 'gra_f'})}"}
        assert (await client.get("/", headers=token)).json() == "usr_test"
        nobody = await client.get("/")
        assert nobody.headers["www-authenticate"] == f'Bearer realm="orders", {URL}'
        poor = await client.get("/write", headers=token)
        assert (poor.status_code, poor.json()["detail"]["error"]) == (403, "insufficient_scope")
        assert poor.headers["www-authenticate"].endswith(f'scope="write", {URL}')
        weak = await client.get("/pay", headers=token)
        assert (weak.status_code, weak.json()["detail"]["error"]) == (401, "insufficient_user_authentication")
        assert f'acr_values="{AAL2}", max_age="300", {URL}' in weak.headers["www-authenticate"]
        feed.become(LeaseState.LOST)
        late = await client.get("/", headers=token)
        assert (late.status_code, 5 <= int(late.headers["retry-after"]) <= 8) == (503, True)
        described = (await client.get("/openapi.json")).json()
    schemes = described["components"]["securitySchemes"]
    assert schemes == {
        "Ostiary": {"type": "openIdConnect", "openIdConnectUrl": "https://issuer.test/.well-known/openid-configuration"}
    }
    assert described["paths"]["/write"]["get"]["security"] == [{"Ostiary": ["write"]}]


@pytest.mark.anyio
async def test_an_asgi_route_can_ask_for_more_than_its_guard(
    async_verifier: Verifier, fake: FakeIssuer, feed: FakeFeed
) -> None:
    """`require_fresh` makes one route sensitive; the metadata is served, and challenges point to it."""

    async def transfer(request: Request) -> JSONResponse:
        return JSONResponse((await asgi.require_fresh(request.scope)).sub)

    app = Starlette(
        routes=[Route("/transfer", transfer)],
        middleware=[Middleware(asgi.RequireToken, async_verifier, realm="orders", metadata=METADATA)],
    )
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        token = {"Authorization": f"Bearer {fake.mint()}"}
        assert (await client.get("/transfer", headers=token)).status_code == 200
        feed.become(LeaseState.STALE)
        late = await client.get("/transfer", headers=token)
        assert (late.status_code, 5 <= int(late.headers["retry-after"]) <= 8) == (503, True)
        assert late.json()["error_description"] == FeedUnavailable.words
        head = await client.head("/transfer")
        assert (head.status_code, head.content) == (401, b"")
        assert head.headers["www-authenticate"] == f'Bearer realm="orders", {URL}'
        assert (await client.options("/transfer")).status_code == 401
        assert (await client.get(METADATA.path)).json()["authorization_servers"] == ["https://issuer.test"]
