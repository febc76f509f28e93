"""`/account/profile`: what applications may be told about the person, and their mail addresses."""

import asyncio
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from base.dates import known_zones, name_language, reader_of
from identity.account.profile_form import FIELDS, change_profile, find_faults, parse_profile_form
from identity.account.shell import Shell, Visit, go_back
from identity.errors import Refused
from identity.services import Services
from identity.setup_form import Fault, Faults, say_faults
from identity.within_session import within_session

PATH = "/account/profile"


class ProfilePage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "profile")

    async def show(self, request: Request) -> Response:
        """GET /account/profile"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        return await self.page(visit)

    async def submit(self, request: Request) -> Response:
        """POST /account/profile: the claims by their names; an empty one is taken away."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        asked = parse_profile_form(sent.form)
        faults = find_faults(asked, sent.person.profile, self._services.pages.languages)
        if faults:
            return await self.page(sent, asked=asked, faults=faults)
        try:
            async with within_session(self._services, sent.session) as db:
                await change_profile(
                    db, self._services, sent.person.id, asked, now=sent.now, actor=sent.actor, origin=sent.origin
                )
        except Refused as refused:
            return await self.page(sent, asked=asked, faults={refused.field: [Fault(refused.message)]})
        return go_back(PATH, "profile")

    async def page(
        self,
        visit: Visit,
        *,
        asked: Mapping[str, str] | None = None,
        faults: Faults | None = None,
        typed_email: str = "",
    ) -> Response:
        """The page; with faults it shows again what was typed."""
        kept = {name: str(visit.person.profile.get(name, "")) for name in FIELDS}
        # The first time it is read from the disk.
        zones = await asyncio.to_thread(known_zones)
        return self._shell.render(
            visit,
            "account_profile.html",
            status=400 if faults else 200,
            values=asked or kept,
            faults=say_faults(self._services, visit.language, faults or {}),
            languages=self._languages(kept["locale"]),
            zones={zone: zone.replace("_", " ") for zone in zones},
            typed_email=typed_email,
            has_mail=self._services.settings.has_mail,
        )

    def _languages(self, kept: str) -> dict[str, str]:
        """The choices by their tag; a dialect that the profile came with stays one."""
        offered = {tag: name_language(tag) for tag in self._services.pages.languages}
        known = reader_of(kept.partition("-")[0].lower(), locale=kept).locale == kept
        return offered if not kept or not known or kept in offered else {kept: name_language(kept), **offered}
