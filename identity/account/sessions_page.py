"""`/account/sessions`: where the person is signed in, and the ways to end that."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.cookies import clear_cookie
from base.ids import SESSION, parse_id
from identity.account.session_list import MOST, list_sessions
from identity.account.shell import Sent, Shell, go_back
from identity.revocation import end_person_sessions, end_session
from identity.services import Services
from identity.tables import sessions
from identity.within_session import within_session

PATH = "/account/sessions"


class SessionsPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "sessions")

    async def show(self, request: Request) -> Response:
        """GET /account/sessions"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        async with self._services.database.reading() as db:
            found = await list_sessions(
                db, self._services, visit.person.id, this=visit.session.id, now=visit.now
            )  # fmt: skip
        return self._shell.render(visit, "account_sessions.html", sessions=found, most=MOST)

    async def submit(self, request: Request) -> Response:
        """POST /account/sessions: `action=end` with `session`, or `action=end_others`."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        if sent.form.get("action") == "end_others":
            async with within_session(self._services, sent.session) as db:
                await end_person_sessions(
                    db,
                    self._services,
                    sent.person.id,
                    why="ended_by_person",
                    keep=sent.session.id,
                    now=sent.now,
                    actor=sent.actor,
                    origin=sent.origin,
                )
            return go_back(PATH, "others")
        return await self._end_one(sent)

    async def _end_one(self, sent: Sent) -> Response:
        session_id = parse_id(SESSION, sent.form.get("session", ""))
        if sent.form.get("action") != "end" or session_id is None:
            return self._shell.missing(sent)
        async with within_session(self._services, sent.session) as db:
            theirs = await _is_theirs(db, sent.person.id, session_id)
            if theirs:
                await end_session(
                    db,
                    self._services,
                    session_id,
                    why="ended_by_person",
                    now=sent.now,
                    actor=sent.actor,
                    origin=sent.origin,
                )
        if not theirs:
            return self._shell.missing(sent)
        if session_id != sent.session.id:
            return go_back(PATH, "ended")
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        clear_cookie(response, self._services.settings, "session")
        return response


async def _is_theirs(db: AsyncConnection, person_id: bytes, session_id: bytes) -> bool:
    query = select(sessions.c.id).where(
        sessions.c.id == session_id, sessions.c.person_id == person_id, sessions.c.ended_at.is_(None)
    )
    return (await db.execute(query)).first() is not None
