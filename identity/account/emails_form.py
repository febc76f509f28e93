"""`POST /account/profile/emails`: the forms on the profile page that change the person's mail addresses (S29)."""

from starlette.requests import Request
from starlette.responses import Response

from identity.account.profile_page import PATH, ProfilePage
from identity.account.shell import Sent, Shell, go_back
from identity.errors import Refused
from identity.recovery import emails
from identity.services import Services
from identity.setup_form import Fault
from identity.within_session import within_session

# What the page says afterwards, by the action.
DONE = {"add": "email", "again": "again", "primary": "primary", "remove": "unmailed"}


class EmailsForm:
    """The forms for one deployment: `action` is add, again, primary or remove, with `email`."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "profile")
        self._page = ProfilePage(services)

    async def submit(self, request: Request) -> Response:
        """Changes the addresses, or shows the page again with what is wrong. Everything but a letter wants proof."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        action, email = sent.form.get("action", ""), sent.form.get("email", "").strip()
        if action not in DONE:
            return self._shell.missing(sent)
        if action != "again" and not self._shell.is_fresh(sent):
            return await self._shell.ask_again(request)
        if not email:
            return await self._page.page(sent, faults={"email": [Fault("must be filled in")]})
        try:
            await self._change(sent, action, email)
        except Refused as refused:
            typed = email if action == "add" else ""
            return await self._page.page(sent, faults={"email": [Fault(refused.message)]}, typed_email=typed)
        return go_back(PATH, DONE[action])

    async def _change(self, sent: Sent, action: str, email: str) -> None:
        services, person_id, now, origin = self._services, sent.person.id, sent.now, sent.origin
        async with within_session(services, sent.session) as db:
            match action:
                case "add":
                    await emails.add_email(
                        db, services, person_id, email, now=now, origin=origin, language=sent.language
                    )
                case "again":
                    await emails.send_verification_again(
                        db, services, person_id, email, now=now, language=sent.language
                    )
                case "primary":
                    await emails.make_primary(db, services, person_id, email, now=now, origin=origin)
                case _:
                    await emails.remove_email(db, services, person_id, email, now=now, origin=origin)
