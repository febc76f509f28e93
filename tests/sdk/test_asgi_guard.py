"""The ASGI guard: who gets through, and how the others are told (RFC 6750)."""

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary import ConfigurationError, InsufficientScope, Verifier
from ostiary.asgi import Message, Receive, RequireToken, Scope, Send, load_token, require_scopes
from ostiary.errors import NotGuarded
from ostiary.testing import FakeIssuer, make_key
from tests.sdk.clocks import Clock

pytestmark = pytest.mark.anyio

Headers = list[tuple[str, str]]


async def who(request: Request) -> JSONResponse:
    token = load_token(request.scope)
    return JSONResponse({"sub": token.sub, "scope": sorted(token.scope)})


async def write(request: Request) -> JSONResponse:
    return JSONResponse({"sub": require_scopes(request.scope, "orders:write", "orders:read").sub})


async def health(request: Request) -> JSONResponse:
    return JSONResponse({"guarded": "ostiary.token" in request.scope})


async def forgets_the_guard(request: Request) -> JSONResponse:
    return JSONResponse({"sub": load_token(request.scope).sub})


@pytest.fixture
def guarded(fake: FakeIssuer, clock: Clock) -> Starlette:
    """A small API: every route needs `orders:read`, /write needs more, /health and /open nothing."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    return Starlette(
        routes=[
            Route("/", who),
            Route("/write", write, methods=["POST"]),
            Route("/health", health),
            Route("/open", forgets_the_guard),
        ],
        middleware=[
            Middleware(RequireToken, verifier, scopes=["orders:read"], exempt=["/health", "/open"], realm="orders")
        ],
    )


async def ask(
    app: Starlette, path: str = "/", *, headers: Headers | None = None, method: str = "GET"
) -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        return await client.request(method, path, headers=headers or [])


def bearer(token: str) -> Headers:
    return [("Authorization", f"Bearer {token}")]


async def test_a_good_token_lets_the_request_through_with_its_claims(guarded: Starlette, fake: FakeIssuer) -> None:
    """The scheme's case does not matter (RFC 9110 §11.1)."""
    token = fake.mint({"sub": "usr_1", "scope": "orders:read orders:write"})
    for scheme in ("Bearer", "bearer", "BEARER"):
        answer = await ask(guarded, headers=[("Authorization", f"{scheme} {token}")])
        assert (answer.status_code, answer.json()) == (
            200,
            {"sub": "usr_1", "scope": ["orders:read", "orders:write"]},
        )


@pytest.mark.parametrize("headers", [[], [("Authorization", "Basic dTpw")], [("Authorization", "DPoP abc")]])
async def test_without_a_bearer_token_the_challenge_carries_no_error_code(headers: Headers, guarded: Starlette) -> None:
    """RFC 6750 §3.1."""
    answer = await ask(guarded, headers=headers)
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == 'Bearer realm="orders"'
    assert answer.headers["cache-control"] == "no-store"
    assert answer.json() == {"error_description": "this request needs a bearer token in the Authorization header"}


async def test_a_bad_token_is_answered_with_invalid_token_and_the_reason(
    guarded: Starlette, fake: FakeIssuer, clock: Clock
) -> None:
    """RFC 6750 §3.1."""
    token = fake.mint({"scope": "orders:read"}, ttl_s=60)
    clock.pass_seconds(70)
    answer = await ask(guarded, headers=bearer(token))
    assert answer.status_code == 401
    assert answer.headers["www-authenticate"] == (
        'Bearer realm="orders", error="invalid_token", error_description="exp has passed"'
    )
    assert answer.json() == {"error": "invalid_token", "error_description": "exp has passed"}


async def test_a_token_in_the_query_or_the_body_is_never_looked_at(guarded: Starlette, fake: FakeIssuer) -> None:
    """S12: addresses end up in logs."""
    token = fake.mint({"scope": "orders:read"})
    assert (await ask(guarded, f"/?access_token={token}")).status_code == 401
    transport = httpx2.ASGITransport(guarded)
    async with httpx2.AsyncClient(transport=transport, base_url="https://api.test") as client:
        assert (await client.post("/write", data={"access_token": token})).status_code == 401
    assert fake.requests == []


async def test_two_authorization_headers_are_refused_even_when_one_is_good(
    guarded: Starlette, fake: FakeIssuer
) -> None:
    """A proxy and this guard must not read different ones."""
    good = bearer(fake.mint({"scope": "orders:read"}))
    for headers in (good + good, good + bearer("x"), bearer("x") + good, [*good, ("authorization", "Basic dTpw")]):
        answer = await ask(guarded, headers=headers)
        assert answer.status_code == 400
        assert answer.json() == {
            "error": "invalid_request",
            "error_description": "there must be exactly one Authorization header",
        }


@pytest.mark.parametrize(
    ("value", "status"),
    [
        ("Bearer", 400),
        ("Bearer ", 400),
        ("Bearer  {}", 400),
        ("Bearer {} ", 400),
        ("Bearer {} x", 400),
        ("Bearer {},x", 400),
        ("Bearer {}\n", 400),
        ("Bearer {}\u00e9", 400),
        ("Bearer {}=", 401),
        ("Bearer\t{}", 401),
        (" Bearer {}", 401),
    ],
)
async def test_a_decorated_header_is_refused(value: str, status: int, guarded: Starlette, fake: FakeIssuer) -> None:
    """S16: by the raw connection, since clients trim spaces at the ends."""
    raw = value.format(fake.mint({"scope": "orders:read"})).encode("latin-1")
    statuses: list[object] = []

    async def send(message: dict[str, object]) -> None:
        statuses.append(message.get("status"))

    async def receive() -> dict[str, object]:
        return {"type": "http.request"}

    scope = {"type": "http", "method": "GET", "path": "/", "headers": [(b"authorization", raw)], "query_string": b""}
    await guarded(scope, receive, send)  # type: ignore[arg-type]
    assert statuses[0] == status


async def test_a_missing_scope_is_answered_403_with_the_scopes_that_are_needed(
    guarded: Starlette, fake: FakeIssuer
) -> None:
    """RFC 6750 §3.1, for the guard as a whole and for a route's own need."""
    for path, held, needed, method in (
        ("/", "orders:readonly", "orders:read", "GET"),
        ("/write", "orders:read", "orders:write orders:read", "POST"),
    ):
        answer = await ask(guarded, path, headers=bearer(fake.mint({"scope": held})), method=method)
        assert answer.status_code == 403
        assert answer.json()["error"] == "insufficient_scope"
        assert answer.headers["www-authenticate"] == (
            'Bearer realm="orders", error="insufficient_scope", '
            f'error_description="the access token lacks a scope that this request needs", scope="{needed}"'
        )
    both = fake.mint({"scope": "orders:read orders:write"})
    assert (await ask(guarded, "/write", headers=bearer(both), method="POST")).status_code == 200


async def test_when_the_keys_cannot_be_had_the_answer_is_503_and_never_401(
    guarded: Starlette, fake: FakeIssuer, clock: Clock
) -> None:
    """I6: fails closed, blames nobody, and says when to come back."""
    fake.go_down()
    headers = bearer(fake.mint({"scope": "orders:read"}))
    answer = await ask(guarded, headers=headers)
    assert (answer.status_code, answer.headers["retry-after"] in ("1", "2")) == (503, True)
    assert "www-authenticate" not in answer.headers
    assert answer.json() == {
        "error": "temporarily_unavailable",
        "error_description": "the keys that prove tokens are unavailable; try again later",
    }
    assert (await ask(guarded, headers=bearer("junk"))).status_code == 401, "junk is junk, keys or not"
    fake.come_back()
    clock.pass_seconds(1)
    assert (await ask(guarded, headers=headers)).status_code == 200


async def test_an_exempt_path_needs_no_token_and_gets_none(guarded: Starlette, fake: FakeIssuer) -> None:
    """Exact paths only: a neighbour of an exempt path is guarded."""
    answer = await ask(guarded, "/health", headers=bearer(fake.mint({"scope": "orders:read"})))
    assert answer.json() == {"guarded": False}
    for path in ("/health/", "/health/x", "/healthz", "/HEALTH"):
        assert (await ask(guarded, path)).status_code == 401
    with pytest.raises(NotGuarded, match="not behind"):
        await ask(guarded, "/open")


async def test_a_token_that_someone_else_left_in_the_scope_does_not_count(fake: FakeIssuer, clock: Clock) -> None:
    """Only this guard's own proof stands in `ostiary.token`."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    planted = await verifier.verify(fake.mint({"sub": "usr_planted"}))
    seen: list[object] = []

    async def app(scope: dict[str, object], receive: object, send: object) -> None:
        seen.append(scope.get("ostiary.token"))

    guard = RequireToken(app, verifier, exempt=["/open"])  # type: ignore[arg-type]
    scope = {"type": "http", "path": "/open", "headers": [], "ostiary.token": planted}
    await guard(scope, None, None)  # type: ignore[arg-type]
    assert seen == [None]
    with pytest.raises(RuntimeError, match="does not know how to guard 'quic'"):
        await guard({"type": "quic", "path": "/open"}, None, None)  # type: ignore[arg-type]


@pytest.mark.parametrize("extensions", [{}, {"websocket.http.response": {}}])
async def test_a_websocket_is_guarded_before_it_is_accepted(
    extensions: dict[str, object], guarded: Starlette, fake: FakeIssuer
) -> None:
    """A second path that must not forget the gate."""
    sent: list[dict[str, object]] = []

    async def send(message: dict[str, object]) -> None:
        sent.append(message)

    async def receive() -> dict[str, object]:
        return {"type": "websocket.connect"}

    scope = {"type": "websocket", "path": "/", "headers": [], "query_string": b"", "extensions": extensions}
    await guarded(scope, receive, send)  # type: ignore[arg-type]
    if extensions:
        assert (sent[0]["type"], sent[0]["status"]) == ("websocket.http.response.start", 401)
    else:
        assert sent == [{"type": "websocket.close", "code": 1008, "reason": ""}]


async def test_a_websocket_with_a_token_goes_through_and_its_route_may_need_more_scopes(
    fake: FakeIssuer, clock: Clock
) -> None:
    """A scope that is missing closes the connection before it is accepted; after that the application's error stays."""
    sent: list[Message] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["path"] == "/late":
            await send({"type": "websocket.accept"})
        require_scopes(scope, "orders:write")

    async def send(message: Message) -> None:
        sent.append(message)

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    guard = RequireToken(app, Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock))
    good, poor = (
        [(b"authorization", b"Bearer " + fake.mint({"scope": text}).encode())] for text in ("orders:write", "")
    )
    await guard({"type": "websocket", "path": "/", "headers": good}, receive, send)
    assert sent == []
    await guard({"type": "websocket", "path": "/", "headers": poor}, receive, send)
    assert sent == [{"type": "websocket.close", "code": 1008, "reason": "insufficient_scope"}]
    sent.clear()
    with pytest.raises(InsufficientScope):
        await guard({"type": "websocket", "path": "/late", "headers": poor}, receive, send)
    assert sent == [{"type": "websocket.accept"}]


async def test_the_lifespan_of_the_application_is_not_guarded(fake: FakeIssuer) -> None:
    """It is the server's own connection and carries nobody's request."""
    seen: list[object] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(scope["type"])

    async def receive() -> Message:
        return {"type": "lifespan.startup"}

    async def send(message: Message) -> None:
        seen.append(message)

    guard = RequireToken(app, Verifier(fake.issuer, fake.audience, transport=fake.transport()))
    await guard({"type": "lifespan"}, receive, send)
    assert seen == ["lifespan"]


async def test_what_a_refusal_says_cannot_break_out_of_its_quotes(fake: FakeIssuer, clock: Clock) -> None:
    """S46: an operator's odd realm stays one quoted word."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock)
    app = Starlette(middleware=[Middleware(RequireToken, verifier, realm='a"b\\c\r\nSet-Cookie: x=1\u2028')])
    answer = await ask(app)
    assert answer.headers["www-authenticate"] == 'Bearer realm="a?b?c??Set-Cookie: x=1?"'
    assert "set-cookie" not in answer.headers


@pytest.mark.parametrize("wrong", [{"scopes": "orders:read"}, {"exempt": "/health"}, {"exempt": ["health"]}])
async def test_a_guard_set_up_wrongly_cannot_be_made(wrong: dict[str, object], fake: FakeIssuer) -> None:
    """A string in the place of a list would guard letter by letter."""
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport())
    with pytest.raises(ConfigurationError):
        RequireToken(Starlette(), verifier, **wrong)  # type: ignore[arg-type]


async def test_a_token_of_a_stranger_is_refused(guarded: Starlette, fake: FakeIssuer) -> None:
    """S36, through HTTP."""
    answer = await ask(guarded, headers=bearer(fake.mint({"scope": "orders:read"}, key=make_key(kid=fake.key.kid))))
    assert answer.status_code == 401
    assert answer.json()["error_description"] == "the signature does not prove this token"
