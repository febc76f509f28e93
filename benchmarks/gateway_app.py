"""The gateway adapter, or a trivial answerer in its place: `python -m benchmarks.gateway_app ours|trivial PORT FILE`.

Both behind the same HTTP reader, so that what is between them is the judging alone.
"""

import json
import sys
from pathlib import Path

import httpx2

from ostiary import Feed, RateLimiter, RateLimits, Verifier
from ostiary.asgi_types import ASGIApp, Receive, Scope, Send
from ostiary.gateway.application import Gateway
from ostiary.gateway.routes_file import load_routes
from ostiary.gateway.serving import GatewayService, make_server
from ostiary.gateway.settings import Listen
from ostiary.rates import Rate
from ostiary.testing import FakeFeed, FakeIssuer

ROUTES = Path(__file__).resolve().parents[1] / "deploy" / "gateway" / "routes.toml"


async def trivial(scope: Scope, receive: Receive, send: Send) -> None:
    """Says yes to everything: the least that an ASGI application can do."""
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def judging(told: dict[str, object]) -> ASGIApp:
    """The adapter as its command makes it, with a real follower of a feed, and limits that are never reached."""

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=told["jwks"] if "jwks" in request.url.path else told["metadata"])

    issuer = str(told["issuer"])
    server = FakeFeed(FakeIssuer(issuer))
    feed = Feed(issuer, client_id="gateway", client_secret="of-nobody", transport=server.transport())
    verifier = Verifier(issuer, str(told["audience"]), feed=feed, transport=httpx2.MockTransport(answer))
    limits = RateLimits(person=Rate(999_999_999, 900), name="gateway")
    gateway = Gateway(verifier, load_routes(ROUTES), limiter=RateLimiter(limits))
    return GatewayService(gateway, feed=feed, closing=None)


def main() -> None:
    """Serves until it is told to stop."""
    kind, port, told = sys.argv[1], int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())
    app = judging(told) if kind == "ours" else GatewayService(trivial, feed=None, closing=None)
    make_server(app, Listen("127.0.0.1", port)).run()


if __name__ == "__main__":
    main()
