"""The first administrator: a one-time link, and the page where its holder makes the account."""

from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import BaseRoute, Route

from audit.catalogue import LINK_MADE, LINK_USED
from audit.record import Event, Origin
from base.clock import to_seconds
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity import links
from identity.accounts import create_person
from identity.errors import Refused
from identity.form_tokens import form_token, is_own_form
from identity.password_hashes import HashPoolBusy
from identity.person_values import NewPerson
from identity.services import Services, origin_of
from identity.setup_form import Fault, Faults, SetupForm, find_faults, parse_setup_form
from identity.signin.flow import respond
from identity.signin.joining import sign_in_new
from identity.signin.step_pages import wait_page

KIND = "setup"


async def make_link(
    db: AsyncConnection, services: Services, *, now: datetime, actor: str, origin: Origin = Origin()
) -> str:
    """The address at which one person can become administrator, once, within `link_ttl`; older ones are void.

    It is built from the configured issuer alone (S27).
    """
    ttl = services.settings.link_ttl
    text = await links.make_link(db, KIND, ttl=ttl, now=now)
    data = {"expires_at": to_seconds(now + ttl)}
    await services.emitter.emit(db, Event(type=LINK_MADE, actor=actor, origin=origin, data=data), now=now)
    return f"{services.settings.issuer}/setup/{text}"


def routes(services: Services) -> list[BaseRoute]:
    """The page behind the link."""
    page = SetupPage(services)
    return [
        Route("/setup/{token}", page.show, methods=["GET"]),
        Route("/setup/{token}", page.submit, methods=["POST"]),
    ]


class SetupPage:
    """The page for one deployment: GET shows a form, POST spends the link."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def show(self, request: Request) -> Response:
        """GET /setup/{token}"""
        link_digest = await self._find(request)
        if link_digest is None:
            return self._spent_page(request)
        return self._page(request, link_digest, SetupForm(), {})

    async def submit(self, request: Request) -> Response:
        """POST /setup/{token}: makes the account and signs it in; a form with faults leaves the link as it is."""
        services = self._services
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        link_digest = await self._find(request)
        if link_digest is None or not self._is_own(request, form, link_digest):
            return self._spent_page(request)
        asked = parse_setup_form(form)
        faults = await find_faults(services, asked)
        if faults:
            return self._page(request, link_digest, asked, faults)
        try:
            password_hash = await services.hashes.hash(asked.password)
            return await self._make_admin(request, link_digest, asked, password_hash)
        except HashPoolBusy as busy:
            return wait_page(services, request, 503, busy.retry_after_s, None)
        except Refused as refused:
            return self._page(request, link_digest, asked, {refused.field: [Fault(refused.message)]})

    async def _make_admin(self, request: Request, link_digest: bytes, asked: SetupForm, password_hash: str) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        new = NewPerson(
            username=asked.username, email=asked.email, name=asked.name, is_admin=True, password_hash=password_hash
        )
        # A Refused from here rolls everything back, the spent link too.
        async with services.database.transaction() as db:
            if await links.spend_link(db, KIND, link_digest, now=now) is None:
                return self._spent_page(request)
            person_id = await create_person(db, services, new, now=now, actor="anonymous", via="setup", origin=origin)
            actor = show_id(PERSON, person_id)
            used = Event(type=LINK_USED, actor=actor, subject=actor, person=person_id, origin=origin)
            await services.emitter.emit(db, used, now=now)
            turn = await sign_in_new(db, services, request, person_id, now=now, origin=origin)
        return respond(services, request, turn)

    async def _find(self, request: Request) -> bytes | None:
        async with self._services.database.reading() as db:
            found = await links.find_link(db, KIND, request.path_params["token"], now=self._services.clock())
        return found.digest if found else None

    def _is_own(self, request: Request, form: Form, link_digest: bytes) -> bool:
        expected = form_token(self._services.form_key, KIND, link_digest)
        return is_own_form(request, form, self._services.settings.issuer, expected_token=expected)

    def _page(self, request: Request, link_digest: bytes, asked: SetupForm, faults: Faults) -> Response:
        services = self._services
        language = services.pages.language_of(request)
        return services.pages.render(
            request,
            "setup.html",
            status=400 if faults else 200,
            action=f"/setup/{request.path_params['token']}",
            form_token=form_token(services.form_key, KIND, link_digest),
            values=asked,
            min_length=services.settings.password_min_length,
            faults={
                name: [services.pages.translate(language, fault.words).format(number=fault.number) for fault in found]
                for name, found in faults.items()
            },
        )

    def _spent_page(self, request: Request) -> Response:
        return self._services.pages.error(
            request,
            404,
            "This link does not work any more",
            "It was used, is too old, or was replaced by a newer one. Make a new one with: ostiary admin link",
        )
