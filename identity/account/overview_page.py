"""`/account`: who is signed in, and what they should act upon."""

from starlette.requests import Request
from starlette.responses import Response

from identity.account.browsers import parse_label
from identity.account.deletion import keep_person
from identity.account.shell import Shell, go_back
from identity.account.state import FEW, load_state
from identity.browser_labels import label_of
from identity.services import Services
from identity.within_session import within_session

PATH = "/account"


class OverviewPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "account")

    async def show(self, request: Request) -> Response:
        """GET /account"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        async with self._services.database.reading() as db:
            state = await load_state(db, self._services, visit.session, visit.standing)
        before = state.last_signin
        agent = before.personal.get("user_agent") if before else None
        return self._shell.render(
            visit,
            "account_overview.html",
            state=state,
            few=FEW,
            email=visit.person.primary_email,
            last_browser=parse_label(label_of(agent)) if isinstance(agent, str) else None,
            last_address=before.personal.get("address") if before else None,
        )

    async def keep_account(self, request: Request) -> Response:
        """POST /account: takes back the wish to be deleted."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        async with within_session(self._services, sent.session) as db:
            kept = await keep_person(
                db, self._services, sent.person.id, now=sent.now, actor=sent.actor, origin=sent.origin
            )
        return go_back(PATH, "kept") if kept else self._shell.missing(sent)
