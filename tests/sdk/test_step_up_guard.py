"""The guard asks for a better sign-in, for all of an API or for one route (RFC 9470)."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Mount, Route

from ostiary import ConfigurationError, Verifier
from ostiary.asgi import Message, RequireToken, Scope, require_authentication
from ostiary.errors import NotGuarded
from ostiary.step_up import AAL1, AAL2, PHR
from ostiary.testing import FakeIssuer
from tests.sdk.clocks import Clock

pytestmark = pytest.mark.anyio


async def anything(request: Request) -> JSONResponse:
    return JSONResponse({"ok": True})


async def payslip(request: Request) -> JSONResponse:
    return JSONResponse({"for": require_authentication(request.scope, acr=AAL2, max_age_s=300).sub})


def make_app(fake: FakeIssuer, clock: Clock, **options: object) -> Starlette:
    """An API with an ordinary route, one that wants more, mounted too, and one that nobody guards."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    inner = [Route("/payslip", payslip)]
    return Starlette(
        routes=[Route("/", anything), Route("/open", payslip), Mount("/hr", routes=inner), *inner],
        middleware=[Middleware(RequireToken, verifier, exempt=["/open"], realm="pay", **options)],  # type: ignore[arg-type]
    )


async def ask(app: Starlette, path: str, token: str) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        return await client.get(path, headers={"Authorization": f"Bearer {token}"})


@pytest.mark.parametrize("path", ["/payslip", "/hr/payslip"])
async def test_one_route_asks_for_more_than_the_others(path: str, fake: FakeIssuer, clock: Clock) -> None:
    """RFC 9470 §3: the answer says what the application must ask the issuer for."""
    app, now = make_app(fake, clock), int(clock())
    weak = fake.mint({"acr": AAL1, "auth_time": now})
    assert (await ask(app, "/", weak)).status_code == 200
    refused = await ask(app, path, weak)
    assert refused.status_code == 401
    assert refused.headers["www-authenticate"] == (
        'Bearer realm="pay", error="insufficient_user_authentication", '
        'error_description="a stronger sign-in is needed", acr_values="urn:ostiary:aal2", max_age="300"'
    )
    assert refused.headers["cache-control"] == "no-store"
    assert refused.json() == {
        "error": "insufficient_user_authentication",
        "error_description": "a stronger sign-in is needed",
    }
    for acr in (AAL2, PHR):
        passed = await ask(app, path, fake.mint({"acr": acr, "auth_time": now, "sub": "usr_1"}))
        assert (passed.status_code, passed.json()) == (200, {"for": "usr_1"})


async def test_an_old_sign_in_is_asked_to_be_made_again(fake: FakeIssuer, clock: Clock) -> None:
    app = make_app(fake, clock)
    token = fake.mint({"acr": AAL2, "auth_time": int(clock()) - 311})
    refused = await ask(app, "/payslip", token)
    assert refused.status_code == 401
    assert 'error_description="a more recent sign-in is needed"' in refused.headers["www-authenticate"]
    assert 'max_age="300"' in refused.headers["www-authenticate"]


async def test_a_whole_api_can_ask_for_more(fake: FakeIssuer, clock: Clock) -> None:
    app = make_app(fake, clock, acr=[AAL2, "urn:other:gold"])
    refused = await ask(app, "/", fake.mint({"acr": AAL1}))
    assert refused.status_code == 401
    assert 'acr_values="urn:ostiary:aal2 urn:other:gold"' in refused.headers["www-authenticate"]
    assert "max_age" not in refused.headers["www-authenticate"]
    assert (await ask(app, "/", fake.mint({"acr": "urn:other:gold"}))).status_code == 200
    assert (await ask(app, "/", fake.mint())).status_code == 401


async def test_a_whole_api_can_ask_for_a_fresh_sign_in_alone(fake: FakeIssuer, clock: Clock) -> None:
    app = make_app(fake, clock, max_age_s=0)
    assert (await ask(app, "/", fake.mint({"auth_time": int(clock())}))).status_code == 200
    refused = await ask(app, "/", fake.mint({"auth_time": int(clock()) - 60}))
    assert 'max_age="0"' in refused.headers["www-authenticate"]
    assert "acr_values" not in refused.headers["www-authenticate"]


async def test_a_missing_scope_is_told_before_the_sign_in(fake: FakeIssuer, clock: Clock) -> None:
    """No better sign-in would help."""
    app = make_app(fake, clock, scopes=["pay:read"], acr=AAL2)
    refused = await ask(app, "/", fake.mint({"acr": AAL1}))
    assert (refused.status_code, refused.json()["error"]) == (403, "insufficient_scope")


async def test_a_bad_token_stays_a_bad_token(fake: FakeIssuer, clock: Clock) -> None:
    app = make_app(fake, clock, acr=AAL2)
    refused = await ask(app, "/", fake.mint({"acr": AAL2}, ttl_s=-60))
    assert (refused.status_code, refused.json()["error"]) == (401, "invalid_token")


async def test_a_route_that_nobody_guards_cannot_ask(fake: FakeIssuer, clock: Clock) -> None:
    with pytest.raises(NotGuarded):
        await ask(make_app(fake, clock), "/open", fake.mint({"acr": AAL2}))


@pytest.mark.parametrize("options", [{"acr": ""}, {"acr": ["a b"]}, {"max_age_s": -1}, {"max_age_s": "60"}])
async def test_a_demand_that_cannot_be_met_fails_at_construction(
    options: dict[str, object], fake: FakeIssuer, clock: Clock
) -> None:
    app = make_app(fake, clock, **options)
    with pytest.raises(ConfigurationError):
        await ask(app, "/", fake.mint())


async def test_a_websocket_is_refused_with_the_same_words(fake: FakeIssuer, clock: Clock) -> None:
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    sent: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        sent.append(message)

    async def app(scope: Scope, receive: object, send: object) -> None:
        raise AssertionError("nobody gets this far")

    header = f"Bearer {fake.mint({'acr': AAL1})}".encode()
    scope: Scope = {
        "type": "websocket",
        "path": "/",
        "headers": [(b"authorization", header)],
        "extensions": {"websocket.http.response": {}},
    }
    await RequireToken(app, verifier, acr=AAL2)(scope, receive, send)
    assert sent[0]["status"] == 401
    headers = dict(sent[0]["headers"])  # type: ignore[call-overload]
    assert b'error="insufficient_user_authentication"' in headers[b"www-authenticate"]
