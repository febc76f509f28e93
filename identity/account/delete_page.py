"""`/account/delete`: what deleting the account means, and the wish for it."""

from starlette.requests import Request
from starlette.responses import Response

from identity.account.deletion import ask_deletion
from identity.account.shell import Sent, Shell, Visit, go_back
from identity.errors import Refused
from identity.services import Services
from identity.within_session import within_session


class DeletePage:
    """The page for one deployment. Both looking and asking want a person who proved themselves just now (S29)."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "delete")

    async def show(self, request: Request) -> Response:
        """GET /account/delete"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        if not self._shell.is_fresh(visit):
            return await self._shell.ask_again(request)
        return self._page(visit)

    async def submit(self, request: Request) -> Response:
        """POST /account/delete: with `sure=yes`."""
        sent = await self._shell.receive(request, fresh=True)
        if isinstance(sent, Response):
            return sent
        if sent.form.get("sure") != "yes":
            return self._page(sent, fault="Tick the box if you are sure.")
        try:
            await self._ask(sent)
        except Refused as refused:
            return self._page(sent, fault=refused.message)
        return go_back("/account", "deletion")

    async def _ask(self, sent: Sent) -> None:
        async with within_session(self._services, sent.session) as db:
            await ask_deletion(
                db, self._services, sent.person.id, now=sent.now, actor=sent.actor, origin=sent.origin
            )  # fmt: skip

    def _page(self, visit: Visit, *, fault: str | None = None) -> Response:
        words = self._services.pages.translate(visit.language, fault) if fault else None
        days = max(1, self._services.settings.delete_grace.days)
        return self._shell.render(
            visit, "account_delete.html", status=400 if fault else 200, fault=words, days=days
        )  # fmt: skip
