"""The pages of this room: a link's GET shows a form, its POST spends the link."""

from collections.abc import Awaitable, Callable
from typing import Protocol

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from identity.recovery.done_pages import done_routes
from identity.recovery.invite_page import InvitePage
from identity.recovery.new_password_page import NewPasswordPage
from identity.recovery.not_me_page import NotMePage
from identity.recovery.recover_page import RecoverPage
from identity.recovery.register_page import RegisterPage
from identity.recovery.reset_page import ResetPage
from identity.recovery.unlock_page import UnlockPage
from identity.recovery.verify_page import VerifyPage
from identity.services import Services

Endpoint = Callable[[Request], Awaitable[Response]]


class FormPage(Protocol):
    """A page with a form that is sent back to its own address."""

    async def show(self, request: Request) -> Response:
        """GET"""

    async def submit(self, request: Request) -> Response:
        """POST"""


def routes(services: Services) -> list[BaseRoute]:
    """Asking for a link, the pages behind links, and those that say that it worked."""
    recover, register = RecoverPage(services), RegisterPage(services)
    return [
        *_form("/recover", recover.show, recover.submit),
        *_form("/recover/code", recover.show_code, recover.submit_code),
        *_form("/register", register.show, register.submit),
        Route("/register/sent", register.show_sent, methods=["GET"]),
        *done_routes(services),
        *_link("/recover", NewPasswordPage(services)),
        *_link("/reset", ResetPage(services)),
        *_link("/unlock", UnlockPage(services)),
        *_link("/invite", InvitePage(services)),
        *_link("/verify", VerifyPage(services)),
        *_link("/not-me", NotMePage(services)),
    ]


def _form(path: str, show: Endpoint, submit: Endpoint) -> list[BaseRoute]:
    return [Route(path, show, methods=["GET"]), Route(path, submit, methods=["POST"])]


def _link(path: str, page: FormPage) -> list[BaseRoute]:
    return _form(f"{path}/{{token}}", page.show, page.submit)
