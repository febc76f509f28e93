"""`/invite/{token}`: somebody who was invited, or who registered, makes their account and is signed in."""

from dataclasses import replace

from starlette.requests import Request
from starlette.responses import Response

from identity import links
from identity.accounts import create_person, find_person_by_login
from identity.errors import Refused
from identity.names import normalise_email, normalise_username
from identity.password_hashes import HashPoolBusy
from identity.person_values import NewPerson
from identity.recovery.emails import verify_first_email
from identity.recovery.invitations import KIND, Invitation, is_taken, read_invitation
from identity.recovery.link_page import LinkDoor, Opened
from identity.services import Services, origin_of
from identity.setup_form import Fault, Faults, SetupForm, find_faults, parse_setup_form, say_faults
from identity.signin.address_limits import find_wait
from identity.signin.flow import Turn, respond
from identity.signin.joining import sign_in_new
from identity.signin.step_pages import wait_page

TAKEN = "belongs to another account; choose a different one"


class InvitePage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._door = LinkDoor(services, KIND)

    async def show(self, request: Request) -> Response:
        """GET /invite/{token}"""
        opened = await self._door.look(request)
        if isinstance(opened, Response):
            return opened
        return self._page(request, opened, SetupForm(name=read_invitation(opened.link).name or ""), {})

    async def submit(self, request: Request) -> Response:
        """POST /invite/{token}: makes the account and signs it in; a form with faults leaves the link as it is."""
        opened = await self._door.read(request)
        if isinstance(opened, Response):
            return opened
        services, invitation = self._services, read_invitation(opened.link)
        wait_s = await find_wait(services, request.scope.get("ostiary.address"))
        if wait_s is not None:
            await self._door.refuse(request, "address_limit")
            return wait_page(services, request, 429, wait_s, None)
        asked = parse_setup_form(opened.form)
        asked = replace(asked, email=invitation.email or asked.email)
        faults: Faults = await find_faults(services, asked, needed=_needed(invitation))
        if faults:
            return self._page(request, opened, asked, faults)
        try:
            # Before the hash, which costs; whoever was faster meanwhile is noticed when the account is made.
            await self._check_free(invitation, asked)
            password_hash = await services.hashes.hash(asked.password)
            turn = await self._join(request, opened, invitation, asked, password_hash)
        except HashPoolBusy as busy:
            return wait_page(services, request, 503, busy.retry_after_s, None)
        except Refused as refused:
            return await self._say_refused(request, opened, asked, refused)
        if turn is None:
            return await self._door.refuse(request, "spent_meanwhile")
        return respond(services, request, turn)

    async def _say_refused(
        self, request: Request, opened: Opened, asked: SetupForm, refused: Refused
    ) -> Response:  # fmt: skip
        """The form with its fault, unless the name is taken by the account that this very link made a moment ago."""
        services = self._services
        async with services.database.reading() as db:
            still = await links.find_link(db, KIND, request.path_params["token"], now=services.clock())
        if still is None:
            return await self._door.refuse(request, "spent_meanwhile")
        return self._page(request, opened, asked, {refused.field: [Fault(refused.message)]})

    async def _check_free(self, invitation: Invitation, asked: SetupForm) -> None:
        """Raises Refused for a name that another account has, or an address that it has verified."""
        async with self._services.database.reading() as db:
            if asked.username and await find_person_by_login(db, normalise_username(asked.username)):
                raise Refused("username", TAKEN)
            if invitation.proves_address and await is_taken(db, normalise_email(asked.email)):
                raise Refused("email", TAKEN)

    async def _join(
        self, request: Request, opened: Opened, invitation: Invitation, asked: SetupForm, password_hash: str
    ) -> Turn | None:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        new = NewPerson(
            username=asked.username or None,
            email=asked.email or None,
            email_verified=invitation.proves_address,
            name=asked.name or None,
            is_admin=invitation.is_admin,
            password_hash=password_hash,
        )
        via = "registration" if invitation.via == "registration" else "invite"
        # A Refused from here rolls everything back, the spent link too.
        async with services.database.transaction() as db:
            if await links.spend_link(db, KIND, opened.link.digest, now=now) is None:
                return None
            person_id = await create_person(db, services, new, now=now, actor="anonymous", via=via, origin=origin)
            if not invitation.proves_address:
                language = services.pages.language_of(request)
                await verify_first_email(db, services, person_id, language=language, now=now)
            return await sign_in_new(db, services, request, person_id, now=now, origin=origin)

    def _page(self, request: Request, opened: Opened, asked: SetupForm, faults: Faults) -> Response:
        services, invitation = self._services, read_invitation(opened.link)
        return services.pages.render(
            request,
            "recovery_invite.html",
            status=400 if faults else 200,
            action=f"/invite/{request.path_params['token']}",
            form_token=self._door.token(opened.link),
            values=asked,
            invitation=invitation,
            needed=_needed(invitation),
            min_length=services.settings.password_min_length,
            faults=say_faults(services, services.pages.language_of(request), faults),
        )


def _needed(invitation: Invitation) -> frozenset[str]:
    """A name is needed to sign in with: the proven mail address is one, an unproven one is not."""
    return frozenset() if invitation.proves_address else frozenset({"username"})
