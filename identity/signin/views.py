"""The pages of a sign-in. None links to another: each asks the flow what comes next."""

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from identity.accounts import find_person
from identity.form_tokens import form_token
from identity.services import Services
from identity.sessions import find_live, touch_session
from identity.signin.consent_page import ConsentPage
from identity.signin.enrol_page import EnrolPage
from identity.signin.signin_page import SigninPage


def routes(services: Services) -> list[BaseRoute]:
    """Start page, sign-in, consent, and the static files of all pages."""
    signin, consent, home = SigninPage(services), ConsentPage(services), HomePage(services)
    enrol = EnrolPage(services)
    return [
        Route("/", home.show, methods=["GET"]),
        Route("/signin", signin.show, methods=["GET"]),
        Route("/signin", signin.submit, methods=["POST"]),
        Route("/consent", consent.show, methods=["GET"]),
        Route("/consent", consent.submit, methods=["POST"]),
        Route("/enrol", enrol.show, methods=["GET"]),
        Route("/enrol", enrol.submit, methods=["POST"]),
        *services.pages.routes(),
    ]


class HomePage:
    """The start page: who is signed in, and the way out."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /"""
        services = self._services
        session = await find_live(services, request)
        if session is None:
            return services.pages.render(request, "home.html", person=None, form_token="")
        async with services.database.transaction() as db:
            await touch_session(db, services, session.id, now=services.clock())
            person = await find_person(db, session.person_id)
        token = form_token(services.form_key, "logout", session.cookie_digest)
        locale = session.standing.locale if session.standing else None
        own = (locale,) if locale else ()
        return services.pages.render(request, "home.html", ui_locales=own, person=person, form_token=token)
