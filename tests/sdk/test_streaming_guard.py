"""WebSockets and streams end within a second of the revocation, the expiry, or the loss of the feed (S18)."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable

import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import StreamingResponse
from starlette.routing import Route, WebSocketRoute
from starlette.websockets import WebSocket

from ostiary import Verifier
from ostiary.asgi import ASGIApp, Message, Receive, RequireToken, Scope, Send
from ostiary.exchange import ConnectionEnded
from ostiary.failure_policy import FailurePolicy, Sensitivity
from ostiary.feed_lease import LeaseState
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.connections import Connection

pytestmark = pytest.mark.anyio

CLOSED: Message = {"type": "websocket.close", "code": 4401, "reason": "invalid_token"}


@pytest.fixture
def issuer() -> FakeIssuer:
    """An issuer by the real clock: what is watched goes by it."""
    return FakeIssuer()


@pytest.fixture
def feed(issuer: FakeIssuer) -> FakeFeed:
    return FakeFeed(issuer)


def make_verifier(issuer: FakeIssuer, feed: FakeFeed | None = None, policy: FailurePolicy | None = None) -> Verifier:
    return Verifier(
        issuer.issuer, issuer.audience, transport=issuer.transport(), feed=feed, failure_policy=policy, leeway_s=0
    )


async def ticks(content_type: str) -> AsyncIterator[bytes]:
    while True:
        yield b"data: tick\n\n"
        await asyncio.sleep(0.02)


async def stream(request: Request) -> StreamingResponse:
    kind = request.query_params.get("type", "text/event-stream")
    return StreamingResponse(ticks(kind), media_type=kind)


async def idle_stream(request: Request) -> StreamingResponse:
    async def nothing() -> AsyncIterator[bytes]:
        await asyncio.sleep(60)
        yield b""

    return StreamingResponse(nothing(), media_type="text/event-stream")


async def echo(socket: WebSocket) -> None:
    await socket.accept()
    async for text in socket.iter_text():
        await socket.send_text(text)


def make_app(verifier: Verifier, **options: object) -> Starlette:
    return Starlette(
        routes=[Route("/", stream), Route("/idle", idle_stream), WebSocketRoute("/", echo)],
        middleware=[Middleware(RequireToken, verifier, **options)],  # type: ignore[arg-type]
    )


async def test_a_websocket_is_closed_within_a_second_of_every_kind_of_revocation(
    issuer: FakeIssuer, feed: FakeFeed
) -> None:
    """S18: by token, grant, session, person, client and key, each with a connection of its own."""
    app = make_app(make_verifier(issuer, feed))
    now = int(time.time())
    ways: dict[str, Callable[[], None]] = {
        "jti": lambda: feed.revoke_token("jti-1"),
        "grant": lambda: feed.revoke_grant("gra_2"),
        "sid": lambda: feed.revoke_session("ses_3"),
        "sub": lambda: feed.revoke_person("usr_4", not_before=now),
        "client_id": lambda: feed.revoke_client("cli_5", not_before=now),
        "kid": lambda: feed.revoke_key(issuer.key.kid),
    }
    claims = {"jti": "jti-1", "grant": "gra_2", "sid": "ses_3", "sub": "usr_4", "client_id": "cli_5"}
    for name, revoke in ways.items():
        mine = {name: claims[name]} if name in claims else {}
        token, neighbour = issuer.mint({**mine, "iat": now}), issuer.mint({"iat": now})
        async with Connection(app, "websocket", token) as one, Connection(app, "websocket", neighbour) as other:
            await one.answered()
            await other.answered()
            revoked_at = time.monotonic()
            revoke()
            await one.end(within_s=1)
            assert time.monotonic() - revoked_at < 1, name
            assert one.sent[-1] == CLOSED, name
            if name != "kid":
                other.say({"type": "websocket.receive", "text": "still here"})
                await other.until(lambda: other.sent[-1]["type"] == "websocket.send")


async def test_a_stream_of_events_ends_whole_and_any_other_stream_is_visibly_cut(
    issuer: FakeIssuer, feed: FakeFeed
) -> None:
    """A cut file must not pass for a whole one; an event source must come back and hear why it is refused."""
    app = make_app(make_verifier(issuer, feed))
    for query, last_is_final in ((b"type=text/event-stream", True), (b"type=text/csv", False)):
        grant = f"gra_{query.decode()}"
        connection = Connection(app, "http", issuer.mint({"grant": grant}))
        connection.scope["query_string"] = query
        async with connection:
            await connection.until(lambda: len(connection.sent) > 3)  # noqa: B023
            feed.revoke_grant(grant)
            await connection.end(within_s=1)
            ended = connection.sent[-1] == {"type": "http.response.body", "body": b"", "more_body": False}
            assert ended is last_is_final
            at_the_end = len(connection.sent)
            await asyncio.sleep(0.1)
            assert len(connection.sent) == at_the_end, "nothing is sent after the end"


async def test_a_stream_that_says_nothing_ends_too(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """Nobody waits for the next part of an answer that may come in an hour."""
    app = make_app(make_verifier(issuer, feed))
    async with Connection(app, "http", issuer.mint({"grant": "gra_idle"}), path="/idle") as connection:
        await connection.answered()
        feed.revoke_grant("gra_idle")
        await connection.end(within_s=1)
        assert connection.sent[-1]["more_body"] is False


@pytest.mark.parametrize("kind", ["http", "websocket"])
async def test_a_connection_ends_within_a_second_of_its_tokens_expiry(kind: str, issuer: FakeIssuer) -> None:
    """Without any feed, too."""
    app = make_app(make_verifier(issuer))
    token = issuer.mint(ttl_s=2)
    expires_at = int(time.time()) + 2
    async with Connection(app, kind, token) as connection:
        await connection.answered()
        await connection.end(within_s=4)
        assert expires_at - 0.1 <= time.time() < expires_at + 1
        if kind == "websocket":
            assert connection.sent[-1] == CLOSED


async def test_a_feed_that_is_lost_ends_connections_as_our_own_trouble(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """Stale is enough for sensitive routes, ordinary ones end when it is lost, and low ones may run on (I6)."""
    verifier = make_verifier(issuer, feed, FailurePolicy(low_runs_to_exp=True))

    def by_path(scope: Scope) -> Sensitivity:
        return Sensitivity(str(scope["path"])[1:])

    async def wait(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        while True:
            await receive()

    app = RequireToken(wait, verifier, sensitivity=by_path)
    open_ones = {name: Connection(app, "websocket", issuer.mint(), path=f"/{name}") for name in Sensitivity}
    async with (
        open_ones[Sensitivity.SENSITIVE] as sensitive,
        open_ones[Sensitivity.ORDINARY] as ordinary,
        open_ones[Sensitivity.LOW] as low,
    ):
        for connection in (sensitive, ordinary, low):
            await connection.answered()
        feed.become(LeaseState.STALE)
        await sensitive.end(within_s=1)
        assert sensitive.sent[-1] == {
            "type": "websocket.close",
            "code": 1013,
            "reason": "temporarily_unavailable",
        }
        assert not ordinary.task.done()
        feed.become(LeaseState.LOST)
        await ordinary.end(within_s=1)
        assert ordinary.sent[-1]["code"] == 1013
        assert not low.task.done()


async def test_an_application_that_will_not_stop_is_cut_off_all_the_same(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """The WebSocket is closed at once, and nothing that it sends afterwards gets out."""
    seen: list[type[BaseException]] = []

    async def stubborn(scope: Scope, receive: Receive, send: Send) -> None:
        await send({"type": "websocket.accept"})
        try:
            await asyncio.sleep(60)
        except asyncio.CancelledError as error:
            seen.append(type(error))
        try:
            await send({"type": "websocket.send", "text": "secret"})
        except OSError as error:
            seen.append(type(error))

    app: ASGIApp = RequireToken(stubborn, make_verifier(issuer, feed))
    async with Connection(app, "websocket", issuer.mint({"grant": "gra_s"})) as connection:
        await connection.answered()
        feed.revoke_grant("gra_s")
        await connection.end(within_s=1)
        assert connection.sent == [{"type": "websocket.accept"}, CLOSED]
        assert seen == [asyncio.CancelledError, ConnectionEnded]
        assert connection.task.cancelling() == 0, "the server's task is its own again"


async def test_a_peer_that_no_longer_reads_cannot_keep_the_application(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """Closing waits a second for it at most; other connections do not wait at all."""
    app = make_app(make_verifier(issuer, feed))
    async with (
        Connection(app, "websocket", issuer.mint({"grant": "gra_p"})) as stuck,
        Connection(app, "websocket", issuer.mint({"grant": "gra_p"})) as other,
    ):
        await stuck.answered()
        await other.answered()
        stuck.is_stuck = True
        feed.revoke_grant("gra_p")
        await other.end(within_s=1)
        await stuck.end(within_s=3)
        assert other.sent[-1] == CLOSED


async def test_a_cancellation_from_outside_stays_one(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """A server that shuts down must not be told that all went well."""
    app = make_app(make_verifier(issuer, feed))
    async with Connection(app, "websocket", issuer.mint()) as connection:
        await connection.answered()
        connection.task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connection.end(within_s=1)


async def test_streams_run_on_where_the_program_says_so(issuer: FakeIssuer, feed: FakeFeed) -> None:
    app = make_app(make_verifier(issuer, feed), ends_streams=False)
    async with Connection(app, "websocket", issuer.mint({"grant": "gra_on"})) as connection:
        await connection.answered()
        feed.revoke_grant("gra_on")
        await asyncio.sleep(0.5)
        assert not connection.task.done()


async def test_one_task_watches_all_connections_and_ends_with_the_last(issuer: FakeIssuer, feed: FakeFeed) -> None:
    """A thousand open connections are no thousand timers; ordinary answers are not watched at all."""
    app = make_app(make_verifier(issuer, feed))

    def watching() -> list[asyncio.Task[object]]:
        return [task for task in asyncio.all_tasks() if task.get_name() == "ostiary watch"]

    connections = [Connection(app, "websocket", issuer.mint({"grant": "gra_many"})) for _ in range(200)]
    for connection in connections:
        await connection.__aenter__()
    for connection in connections:
        await connection.answered()
    assert len(watching()) == 1
    feed.revoke_grant("gra_many")
    await asyncio.gather(*(connection.end(within_s=1) for connection in connections))
    assert all(connection.sent[-1] == CLOSED for connection in connections)
    async with asyncio.timeout(2):
        while watching():
            await asyncio.sleep(0.05)
