"""What all pages of a person's own share: who is there, in which language and zone, their forms, and the answers."""

from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import FORM_REFUSED
from audit.record import Event, Origin
from base.dates import Reader, reader_of
from base.forms import Form, FormRefused
from base.ids import PERSON, show_id
from base.request import read_form
from identity.accounts import find_person
from identity.form_tokens import form_token, is_own_form
from identity.person_values import Person
from identity.refusal_events import record_refusal
from identity.services import Services, origin_of
from identity.sessions import touch_session
from identity.signin.flow import find_assessed
from identity.signin.fresh import ask_again, is_fresh
from identity.values import LiveSession, Standing


@dataclass(frozen=True, slots=True)
class Visit:
    """A signed-in person at one of their pages."""

    request: Request
    session: LiveSession
    standing: Standing
    person: Person
    language: str
    reader: Reader
    now: datetime

    @property
    def actor(self) -> str:
        """The person as events name them."""
        return show_id(PERSON, self.person.id)

    @property
    def origin(self) -> Origin:
        """Where the request came from, as events tell it."""
        return origin_of(self.request)


@dataclass(frozen=True, slots=True)
class Sent(Visit):
    """A visit that sent a form from this very page, by this person, in this session."""

    form: Form


class Shell:
    """One page for one deployment. `name` is the page's, as in `identity.signin.destinations`."""

    def __init__(self, services: Services, name: str) -> None:
        self.services = services
        self._name = name

    async def open(self, request: Request) -> Visit | Response:
        """The visit, or the sign-in that leads back here where nobody is signed in."""
        services, now = self.services, self.services.clock()
        session = await find_assessed(services, request, now=now)
        if session is None or session.standing is None:
            return await ask_again(services, request, self._name)
        async with services.database.transaction() as db:
            await touch_session(db, services, session.id, now=now)
            person = await find_person(db, session.person_id)
        if person is None:
            raise RuntimeError("a live session's person must be there")
        profile = person.profile
        language = services.pages.language_of(request, locales_of(person))
        reader = reader_of(language, locale=profile.get("locale"), zone=profile.get("zoneinfo"))
        return Visit(request, session, session.standing, person, language, reader, now)

    async def receive(self, request: Request, *, fresh: bool = False) -> Sent | Response:
        """The visit with its form. Where it is not our own form, or the proofs are not `fresh` (S29): what to answer
        instead, and nothing may be changed."""
        visit = await self.open(request)
        if isinstance(visit, Response):
            return visit
        try:
            form = await read_form(request)
        except FormRefused:
            form = Form({}, {})
        if not is_own_form(request, form, self.services.settings.issuer, expected_token=self._token(visit)):
            return await self._refuse(visit)
        if fresh and not self.is_fresh(visit):
            return await self.ask_again(request)
        return Sent(
            visit.request,
            visit.session,
            visit.standing,
            visit.person,
            visit.language,
            visit.reader,
            visit.now,
            form,
        )

    def is_fresh(self, visit: Visit) -> bool:
        """Whether the person proved themselves just now, as what guards the account demands (S29)."""
        return is_fresh(self.services, visit.session, visit.now)

    async def ask_again(self, request: Request) -> Response:
        """Begins a sign-in that comes back here."""
        return await ask_again(self.services, request, self._name)

    def render(self, visit: Visit, template: str, *, status: int = 200, **context: object) -> Response:
        """The page. A confirmation is one of the texts of its template: the address only names which."""
        services = self.services
        return services.pages.render(
            visit.request,
            template,
            status=status,
            pending_authorization=False,
            own_script=False,
            ui_locales=locales_of(visit.person),
            page=self._name,
            person=visit.person,
            reader=visit.reader,
            now=visit.now,
            done=visit.request.query_params.get("done", "") if visit.request.method == "GET" else "",
            form_token=self._token(visit),
            signout_token=form_token(services.form_key, "logout", visit.session.cookie_digest),
            **context,
        )

    def missing(self, visit: Visit) -> Response:
        """404: what the form was about is not there, or is somebody else's; nothing changed."""
        return self.services.pages.error(
            visit.request,
            404,
            "This is not here any more",
            "It was ended or removed meanwhile, or never was yours. Nothing was changed.",
            ui_locales=locales_of(visit.person),
        )

    async def _refuse(self, visit: Visit) -> Response:
        event = Event(
            type=FORM_REFUSED,
            actor="anonymous",
            outcome="denied",
            subject=visit.actor,
            person=visit.person.id,
            session_id=visit.session.id,
            origin=visit.origin,
            data={"page": self._name},
        )
        await record_refusal(self.services, event)
        return self.services.pages.error(
            visit.request,
            400,
            "This form is out of date",
            "It was opened before you last signed in, or was not sent from its own page. Nothing was changed. "
            "Open the page again and repeat what you did.",
            ui_locales=locales_of(visit.person),
        )

    def _token(self, visit: Visit) -> str:
        return form_token(self.services.form_key, f"account {self._name}", visit.session.cookie_digest)


def locales_of(person: Person) -> tuple[str, ...]:
    """The languages that a person chose: they come after those that an application asks for, before the browser's."""
    locale = person.profile.get("locale")
    return (locale,) if isinstance(locale, str) else ()


def go_back(path: str, done: str) -> Response:
    """303 to a page of ours, which says what was done."""
    return RedirectResponse(f"{path}?done={done}", 303, {"Cache-Control": "no-store"})
