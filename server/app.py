"""The composition root: services in, one ASGI application out, with what runs beside it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from urllib.parse import urlsplit

from starlette.routing import BaseRoute, Router
from starlette.types import ASGIApp, Receive, Scope, Send

from identity import setup
from identity.account import views as account
from identity.factors import views as factors
from identity.oauth import routes as oauth
from identity.recovery import views as recovery
from identity.services import Services
from identity.signin import views as signin
from server import authzen
from server.api import loading as api
from server.background import Background
from server.beside import make_work
from server.edge import Edge, EdgeParts
from server.failures import Failure, make_failure_answers
from server.feed import Feed, make_feed
from server.feed import routes as feed_routes
from server.feed_events import tell_reached
from server.feed_metrics import tell_feed
from server.logs import AccessLog, write_to_stderr
from server.methods import one_route_a_path
from server.metrics import Metrics
from server.places import begin_places, edge_headers, tls_header
from server.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class App:
    """One process's application. `asgi` is what a server runs; `background` is started beside it."""

    services: Services
    asgi: ASGIApp
    metrics: Metrics
    background: Background
    feed: Feed
    access_log: AccessLog | None
    has_demo: bool

    async def close(self) -> None:
        """Ends what runs beside the application; the services are closed by who opened them."""
        await self.background.stop()
        if self.access_log is not None:
            await self.access_log.close()


def build(settings: Settings, services: Services) -> App:
    """Puts the application together; starts nothing."""
    metrics = Metrics()
    feed = make_feed(services, tell_reached(services))
    background = Background(services, [*feed.work(), *make_work(settings, services, metrics)])
    access_log = AccessLog(write_to_stderr) if settings.log.access else None
    fail = make_failure_answers(services.pages)
    exact = {**oauth.hot_routes(services), **authzen.hot_routes(services)}

    async def not_found(scope: Scope, receive: Receive, send: Send) -> None:
        await fail(scope, Failure.NOT_FOUND)(scope, receive, send)

    async def itself(scope: Scope, receive: Receive, send: Send) -> None:
        # The demo calls the whole application, which is there only after the demo's routes.
        await app.asgi(scope, receive, send)

    routes = _routes(settings, services, feed, itself)
    router = Router(one_route_a_path(routes, fail), redirect_slashes=False, default=not_found)
    parts = EdgeParts(
        fail=fail,
        origins=lambda: services.catalogue.origins,
        metrics=metrics,
        access_log=access_log,
        trusted_proxies=settings.trusted_proxies,
        place_headers=edge_headers(settings),
        tls_header=tls_header(settings),
        sends_hsts=_sends_hsts(settings.issuer),
        exact_paths=frozenset(exact),
    )
    _register_gauges(metrics, services, background, access_log)
    tell_feed(metrics, feed)
    app = App(
        services=services,
        asgi=Edge(_dispatch(exact, router), parts),
        metrics=metrics,
        background=background,
        feed=feed,
        access_log=access_log,
        has_demo=any(getattr(route, "path", "").startswith("/demo") for route in routes),
    )
    return app


def _routes(settings: Settings, services: Services, feed: Feed, itself: ASGIApp) -> Sequence[BaseRoute]:
    routes = [
        *oauth.routes(services),
        *signin.routes(services),
        *setup.routes(services),
        *factors.routes(services),
        *recovery.routes(services),
        *account.routes(services),
        *api.routes(services),
        *feed_routes(services, feed),
    ]
    # The demo keeps its visitors' tokens in one process's memory.
    if settings.has_demo and settings.workers == 1:
        from server.demo import routes as demo

        routes += demo.routes(services, itself, keeps_letters=settings.smtp_url is None)
    return routes


def _dispatch(exact: Mapping[str, ASGIApp], router: ASGIApp) -> ASGIApp:
    """Protocol endpoints by a dictionary's look-up, everything else by the router (0.7 µs a route)."""

    async def dispatch(scope: Scope, receive: Receive, send: Send) -> None:
        await exact.get(scope["path"], router)(scope, receive, send)

    return dispatch


def _sends_hsts(issuer: str) -> bool:
    # On localhost it would reach every other program that a developer runs there over plain http.
    return issuer.startswith("https://") and urlsplit(issuer).hostname != "localhost"


def _register_gauges(
    metrics: Metrics, services: Services, background: Background, access_log: AccessLog | None
) -> None:
    hashes = services.hashes
    metrics.gauge("ostiary_hash_threads", lambda: hashes.threads)
    metrics.gauge("ostiary_hash_active", lambda: hashes.active)
    metrics.gauge("ostiary_hash_waiting", lambda: hashes.waiting)
    metrics.gauge("ostiary_hashes_total", lambda: hashes.hashes_made)
    metrics.gauge("ostiary_live_sessions", lambda: background.live_sessions)
    metrics.gauge("ostiary_ledger_events", lambda: background.ledger.size)
    metrics.gauge("ostiary_ledger_unnumbered_events", lambda: background.ledger.unnumbered)
    metrics.gauge("ostiary_ledger_uncovered_seconds", lambda: _age(background.ledger.uncovered_since, services.clock()))
    metrics.gauge("ostiary_access_log_dropped_total", lambda: access_log.dropped if access_log else 0)
    begin_places(metrics, services.geography)


def _age(since: datetime | None, now: datetime) -> float:
    return 0.0 if since is None else max(0.0, (now - since).total_seconds())
