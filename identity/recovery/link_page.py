"""What the pages behind links share: the link, the form's token, the page of a dead link, the trace of a refusal.

A link is shown by GET, which changes nothing, so that a mail scanner may open it, and spent by POST.
"""

from dataclasses import dataclass, field

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import LINK_NOT_TAKEN
from audit.record import Event
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity import links
from identity.accounts import find_person
from identity.form_tokens import form_token, is_own_form
from identity.links import Link
from identity.person_values import Person
from identity.recovery.password_links import is_stale
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.tables import people


@dataclass(frozen=True, slots=True)
class Opened:
    """A link that works, and its person where it is somebody's; the form is empty on a GET."""

    link: Link
    holder: Person | None = None
    form: Form = field(default_factory=lambda: Form({}, {}))

    @property
    def ui_locales(self) -> tuple[str, ...]:
        """The person's own language, which comes before the browser's."""
        locale = self.holder.profile.get("locale") if self.holder else None
        return (locale,) if isinstance(locale, str) else ()

    @property
    def person(self) -> Person:
        """The person of a link that is always somebody's."""
        if self.holder is None:
            raise RuntimeError("a link of this kind is made for a person")
        return self.holder


class LinkDoor:
    """Opens links of one kind for one deployment."""

    def __init__(self, services: Services, kind: str) -> None:
        self._services = services
        self._kind = kind

    async def look(self, request: Request) -> Opened | Response:
        """For a GET: the link, or the page that every link which does not work leads to."""
        services = self._services
        async with services.database.reading() as db:
            link = await links.find_link(db, self._kind, request.path_params["token"], now=services.clock())
            person = await find_person(db, link.person_id) if link and link.person_id else None
            stale = link is not None and await is_stale(db, link)
        if link is None:
            return await self.refuse(request, "unknown_or_spent")
        if person is not None and person.state != "active":
            return await self.refuse(request, "account_not_active", person.id)
        if stale:
            return await self.refuse(request, "password_changed_since", link.person_id)
        return Opened(link, person)

    async def read(self, request: Request) -> Opened | Response:
        """For a POST: the link with the form that was sent from its own page, or the refusal."""
        form = await read_posted(request)
        opened = await self.look(request)
        if isinstance(opened, Response):
            return opened
        settings, expected = self._services.settings, self.token(opened.link)
        if not is_own_form(request, form, settings.issuer, expected_token=expected):
            return await self.refuse(request, "foreign_form", opened.link.person_id)
        return Opened(opened.link, opened.holder, form)

    def token(self, link: Link) -> str:
        """The form token of the link's page."""
        return form_token(self._services.form_key, self._kind, link.digest)

    async def refuse(self, request: Request, reason: str, person_id: bytes | None = None) -> Response:
        """Leaves the trace and gives the page of a dead link: the same for all that does not work."""
        event = Event(
            type=LINK_NOT_TAKEN,
            actor="anonymous",
            outcome="denied",
            subject=show_id(PERSON, person_id) if person_id else None,
            person=person_id,
            origin=origin_of(request),
            data={"kind": self._kind, "reason": reason},
        )
        await record_refusal(self._services, event)
        return dead_page(self._services, request)


def dead_page(services: Services, request: Request) -> Response:
    """404: the link was never there, is spent, or is too old; which of it is nobody's business."""
    return services.pages.error(
        request,
        404,
        "This link does not work any more",
        "It was used, is too old, or was replaced by a newer one. Ask for a new one where you got it.",
    )


async def read_posted(request: Request) -> Form:
    """The form, or an empty one, which no page takes for its own."""
    try:
        return await read_form(request)
    except FormRefused:
        return Form({}, {})


async def lock_active(db: AsyncConnection, person_id: bytes) -> bool:
    """Whether the account is active; it stays so until the transaction ends."""
    query = select(people.c.id).where(people.c.id == person_id, people.c.state == "active")
    return (await db.execute(query.with_for_update(key_share=True))).first() is not None


def go_to(path: str) -> Response:
    """303 to a page of ours, after a POST (S8)."""
    return RedirectResponse(path, 303, {"Cache-Control": "no-store"})
