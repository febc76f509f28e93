"""A small Starlette endpoint, bare or behind the guard: `python -m benchmarks.guarded_app bare|guarded PORT FILE`."""

import json
import sys
from pathlib import Path

import httpx2
import uvicorn
import uvloop
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from ostiary import Feed, Verifier
from ostiary.asgi import RequireToken
from ostiary.testing import FakeFeed, FakeIssuer


async def orders(request: Request) -> JSONResponse:
    """What an API's endpoint does at least: routing and a few bytes of JSON."""
    return JSONResponse({"orders": []})


def main() -> None:
    """Serves until it is told to stop."""
    kind, port, told = sys.argv[1], int(sys.argv[2]), json.loads(Path(sys.argv[3]).read_text())

    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=told["jwks"] if "jwks" in request.url.path else told["metadata"])

    # A real follower in its thread, with the server that it talks to beside it: what it costs, the guarded side pays.
    server = FakeFeed(FakeIssuer(told["issuer"]))
    feed = Feed(told["issuer"], client_id="orders", client_secret="of-nobody", transport=server.transport())
    verifier = Verifier(told["issuer"], told["audience"], feed=feed, transport=httpx2.MockTransport(answer))
    guard = [Middleware(RequireToken, verifier)] if kind == "guarded" else []
    app = Starlette(routes=[Route("/orders", orders)], middleware=guard)
    uvloop.install()
    uvicorn.run(app, host="127.0.0.1", port=port, http="httptools", log_level="warning", access_log=False)


if __name__ == "__main__":
    main()
