"""The gateway as a server: its lifespan, its own health, and an HTTP reader that hides nothing of a path (uvicorn)."""

import ssl
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING

from ostiary.asgi_types import ASGIApp, Receive, Scope, Send
from ostiary.errors import ConfigurationError
from ostiary.feed import Feed
from ostiary.feed_lease import LeaseState
from ostiary.gateway.application import Gateway
from ostiary.gateway.asked import InternalToken
from ostiary.gateway.routes import Route, RouteTable
from ostiary.gateway.routes_file import load_routes
from ostiary.gateway.settings import GatewaySettings, Listen
from ostiary.introspection import Introspector
from ostiary.rate_counts import RedisCounts
from ostiary.rate_limits import RateLimiter, RateLimits
from ostiary.token_exchange import TokenExchange
from ostiary.values import AccessToken
from ostiary.verifier import Verifier

if TYPE_CHECKING:
    from uvicorn import Server

LIVE, READY = "/health/live", "/health/ready"
FIRST_HEAD_S = 3.0


class GatewayService:
    """A gateway with what it needs to live: it begins and ends the feed, and tells an orchestrator how it is.

    `/health/live` says that the process answers, `/health/ready` (200 or 503) that revocations are known.
    """

    def __init__(self, gateway: ASGIApp, *, feed: Feed | None, closing: Callable[[], Awaitable[None]] | None) -> None:
        self._gateway = gateway
        self._feed = feed
        self._closing = closing

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one connection, or the lifespan (ASGI 3.0)."""
        if scope["type"] == "lifespan":
            await self._live(receive, send)
        elif scope["type"] == "http" and scope["path"] in (LIVE, READY):
            is_well = scope["path"] == LIVE or self._feed is None or self._feed.state() is not LeaseState.LOST
            headers = [(b"content-length", b"0"), (b"cache-control", b"no-store")]
            await send({"type": "http.response.start", "status": 200 if is_well else 503, "headers": headers})
            await send({"type": "http.response.body", "body": b""})
        else:
            await self._gateway(scope, receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        if self._feed is not None:
            # A feed that is not there yet makes answers of 503, and no reason not to start.
            await self._feed.until_ready(FIRST_HEAD_S)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        if self._feed is not None:
            await self._feed.aclose()
        if self._closing is not None:
            await self._closing()
        await send({"type": "lifespan.shutdown.complete"})


def open_service(settings: GatewaySettings) -> GatewayService:
    """The service of these settings; ConfigurationError for a routes file that is wrong."""
    routes = load_routes(settings.routes)
    trust = ssl.create_default_context(cafile=settings.ca_file) if settings.ca_file is not None else None
    feed, introspector = _open_feed(settings, trust)
    verifier = Verifier(settings.issuer, settings.audience, feed=feed, introspector=introspector, ssl_context=trust)
    counts = RedisCounts(settings.redis_url) if settings.redis_url is not None else None
    limits = RateLimits(person=settings.rate_per_person, everyone=settings.rate_global, name="gateway")
    gateway = Gateway(
        verifier,
        routes,
        trusted_proxies=settings.trusted_proxies,
        limiter=RateLimiter(limits, shared=counts),
        internal_token=_open_exchange(settings, routes, trust),
        realm=settings.realm,
    )
    return GatewayService(gateway, feed=feed, closing=None if counts is None else counts.close)


def _open_feed(settings: GatewaySettings, trust: ssl.SSLContext | None) -> tuple[Feed | None, Introspector | None]:
    if settings.client is None or not settings.follows_feed:
        return None, None
    client_id, secret = settings.client
    feed = Feed(
        settings.issuer, client_id=client_id, client_secret=secret, folder=settings.state_dir, ssl_context=trust
    )
    return feed, Introspector(settings.issuer, client_id=client_id, client_secret=secret, ssl_context=trust)


def _open_exchange(settings: GatewaySettings, routes: RouteTable, trust: ssl.SSLContext | None) -> InternalToken | None:
    """Tokens for the services by token exchange (RFC 8693), where a route names an audience for them."""
    if all(route.audience is None for route in routes.routes):
        return None
    if settings.client is None:
        raise ConfigurationError("routes with an audience need CLIENT_ID and CLIENT_SECRET: see ostiary-gateway --help")
    client_id, secret = settings.client
    exchange = TokenExchange(settings.issuer, client_id=client_id, client_secret=secret, ssl_context=trust)

    async def internal_token(token: AccessToken, raw: str, route: Route) -> str:
        return await exchange.token(raw, audience=route.audience or "")

    return internal_token


def make_server(app: ASGIApp, listen: Listen) -> "Server":
    """A uvicorn server for the application, one process and one event loop; `run()` serves until a signal."""
    import uvicorn
    from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

    class WholeTargets(HttpToolsProtocol):
        """Refuses what uvicorn's own reader would quietly drop of a target: a fragment, a scheme and a host (S42)."""

        def on_headers_complete(self) -> None:
            if b"#" in self.url or not self.url.startswith(b"/"):
                raise ValueError("the target must be a path without a fragment")
            super().on_headers_complete()

        def _unsupported_upgrade_warning(self) -> None:
            """Upgrades are judged by the application, and are nothing to warn of."""

    config = uvicorn.Config(
        app,
        host=listen.host,
        port=listen.port,
        uds=listen.socket_file,
        http=WholeTargets,
        ws="none",
        lifespan="on",
        # Whose request it is, is for `TrustedProxies` alone to say (S34).
        proxy_headers=False,
        access_log=False,
        server_header=False,
        log_level="warning",
        timeout_keep_alive=75,
        timeout_graceful_shutdown=5,
    )
    return uvicorn.Server(config)
