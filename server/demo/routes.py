"""Where the demo is."""

from starlette.routing import BaseRoute, Route
from starlette.types import ASGIApp

from identity.services import Services
from server.demo.api import guarded_api
from server.demo.mail_pages import mail_routes
from server.demo.pages import DemoPages
from server.demo.registration import PAYSLIP
from server.demo.relying_party import RelyingParty


def routes(services: Services, server: ASGIApp, *, keeps_letters: bool = False) -> list[BaseRoute]:
    """The demo's pages and its API; `server` is the whole application, which the demo calls as any client would.

    `keeps_letters`: no mail server takes the letters of this deployment, so that the demo shows them.
    """
    api = guarded_api(services.settings.issuer, server)
    pages = DemoPages(services, RelyingParty(services, server), keeps_letters=keeps_letters)
    return [
        Route("/demo", pages.show, methods=["GET"]),
        Route("/demo", pages.act, methods=["POST"]),
        Route("/demo/signin", pages.begin, methods=["GET"]),
        Route("/demo/callback", pages.finish, methods=["GET"]),
        Route("/demo/api", api),
        Route(f"/demo/api{PAYSLIP}", api),
        *mail_routes(services, keeps_letters=keeps_letters),
    ]
