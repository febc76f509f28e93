"""The routes of a person's own pages."""

from collections.abc import Awaitable, Callable

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from identity.account.activity_page import ActivityPage
from identity.account.apps_page import AppsPage
from identity.account.data_page import DataPage
from identity.account.delete_page import DeletePage
from identity.account.devices_page import DevicesPage
from identity.account.emails_form import EmailsForm
from identity.account.overview_page import OverviewPage
from identity.account.password_form import PasswordForm
from identity.account.profile_page import ProfilePage
from identity.account.security_page import SecurityPage
from identity.account.sessions_page import SessionsPage
from identity.services import Services
from identity.signin.fresh import ask_again
from identity.within_session import SessionEnded

_Submit = Callable[[Request], Awaitable[Response]]


def routes(services: Services) -> list[BaseRoute]:
    """Every page of a person's own, and what its forms are sent to."""
    overview, profile, security = OverviewPage(services), ProfilePage(services), SecurityPage(services)
    sessions, apps, data, delete = SessionsPage(services), AppsPage(services), DataPage(services), DeletePage(services)
    devices = DevicesPage(services)
    gets = {
        "/account": overview.show,
        "/account/profile": profile.show,
        "/account/security": security.show,
        "/account/devices": devices.show,
        "/account/sessions": sessions.show,
        "/account/activity": ActivityPage(services).show,
        "/account/apps": apps.show,
        "/account/data": data.show,
        "/account/delete": delete.show,
    }
    # By the page (`identity.signin.destinations`) that leads back there after a sign-in.
    posts: dict[str, tuple[str, _Submit]] = {
        "/account": ("account", overview.keep_account),
        "/account/profile": ("profile", profile.submit),
        "/account/profile/emails": ("profile", EmailsForm(services).submit),
        "/account/security": ("security", security.submit),
        "/account/security/password": ("security", PasswordForm(services).submit),
        "/account/devices": ("devices", devices.submit),
        "/account/sessions": ("sessions", sessions.submit),
        "/account/apps": ("apps", apps.submit),
        "/account/data": ("data", data.submit),
        "/account/delete": ("delete", delete.submit),
    }
    return [
        *(Route(path, show, methods=["GET"]) for path, show in gets.items()),
        *(Route(path, _or_sign_in(services, *post), methods=["POST"]) for path, post in posts.items()),
    ]


def _or_sign_in(services: Services, page: str, submit: _Submit) -> _Submit:
    """Whoever was signed out while their form waited gets the answer of somebody who is not signed in."""

    async def answer(request: Request) -> Response:
        try:
            return await submit(request)
        except SessionEnded:
            return await ask_again(services, request, page)

    return answer
