"""An answer that begins long after its request was let in, when others that are open have seen to what happened."""

import asyncio

import pytest
from starlette.requests import Request
from starlette.responses import StreamingResponse

from ostiary import Verifier
from ostiary.asgi import RequireToken
from ostiary.testing import FakeFeed, FakeIssuer
from tests.sdk.connections import Connection
from tests.sdk.test_streaming_guard import ticks

pytestmark = pytest.mark.anyio


async def test_a_stream_that_opens_after_its_token_was_revoked_ends_at_once() -> None:
    """S18: the news came before it was open, and is news to nobody any more."""
    issuer = FakeIssuer()
    feed = FakeFeed(issuer)
    may_begin = asyncio.Event()

    async def answer(request: Request) -> StreamingResponse:
        if request.url.path == "/slow":
            await may_begin.wait()
        return StreamingResponse(ticks("text/event-stream"), media_type="text/event-stream")

    async def serve(scope: object, receive: object, send: object) -> None:
        request = Request(scope, receive)  # type: ignore[arg-type]
        await (await answer(request))(scope, receive, send)  # type: ignore[arg-type]

    verifier = Verifier(issuer.issuer, issuer.audience, transport=issuer.transport(), feed=feed)
    app = RequireToken(serve, verifier)
    other, slow = issuer.mint({"grant": "grt_1"}), issuer.mint({"grant": "grt_2"})
    async with Connection(app, "http", other) as open_one, Connection(app, "http", slow, path="/slow") as late:
        await open_one.answered()
        feed.revoke_grant("grt_2")
        # Two looks of whoever watches.
        await asyncio.sleep(0.5)
        may_begin.set()
        await late.end(within_s=1)
        assert late.sent[-1]["more_body"] is False
        assert not open_one.task.done()
