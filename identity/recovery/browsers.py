"""The browser that asks for something before anybody is signed in: known by its flow cookie, as at sign-in.

So the way back through a forgotten password goes on to the application that the sign-in was begun for.
"""

from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response

from base.cookies import set_cookie
from base.forms import Form
from base.secret_values import digest
from identity.form_tokens import form_token, is_own_form
from identity.services import Services
from identity.signin.attempt import find_attempt, new_attempt, read_flow, store_attempt


@dataclass(frozen=True, slots=True)
class Browser:
    """A browser by the digest of its flow cookie; `cookie` is a new one that it must be given.

    `ui_locales`: the languages that the application asked for, whose sign-in is under way.
    """

    digest: bytes
    cookie: str | None = None
    ui_locales: tuple[str, ...] = ()


async def find_browser(services: Services, request: Request) -> Browser | None:
    """The browser, where it has something under way."""
    flow_digest = read_flow(request, services)
    attempt = await find_attempt(services.database, flow_digest, now=services.clock())
    if attempt is None or flow_digest is None:
        return None
    return Browser(flow_digest, ui_locales=attempt.request.ui_locales if attempt.request else ())


async def meet_browser(services: Services, request: Request) -> Browser:
    """The browser, made known where it was not."""
    known = await find_browser(services, request)
    if known is not None:
        return known
    attempt = new_attempt(None, ttl=services.settings.attempt_ttl, now=services.clock())
    async with services.database.transaction() as db:
        cookie = await store_attempt(db, attempt)
    return Browser(digest(cookie), cookie)


def hand_cookie(services: Services, response: Response, browser: Browser) -> Response:
    """The response with the browser's new cookie, if it has one."""
    if browser.cookie is not None:
        set_cookie(response, services.settings, "flow", browser.cookie)
    return response


def browser_token(services: Services, purpose: str, browser: Browser) -> str:
    """The form token of a page in this browser."""
    return form_token(services.form_key, purpose, browser.digest)


def is_own(services: Services, request: Request, form: Form, purpose: str, browser: Browser) -> bool:
    """Whether the form came from our page in this browser."""
    expected = browser_token(services, purpose, browser)
    return is_own_form(request, form, services.settings.issuer, expected_token=expected)
