"""`/account/security`: what guards the account, and the ways to change that."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import Response

from base.ids import DEVICE, parse_id, show_id
from identity.account.browsers import Browser, parse_label
from identity.account.shell import Sent, Shell, Visit, go_back
from identity.account.state import FEW, find_codes, has_second_factor
from identity.devices import forget_devices
from identity.errors import Refused
from identity.factors.registry import (
    FACTOR,
    MAX_LABEL,
    list_factors,
    remove_factor,
    rename_factor,
)
from identity.factors.registry import (
    parse_label as parse_factor_label,
)
from identity.services import Services
from identity.setup_form import Fault, Faults, say_faults
from identity.tables import devices
from identity.within_session import within_session
from policy.assurance import PASSKEYS

PATH = "/account/security"


@dataclass(frozen=True, slots=True)
class Remembered:
    """A browser that stands in for a second factor."""

    id: str
    browser: Browser
    used_at: datetime
    until: datetime


class SecurityPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "security")

    async def show(self, request: Request) -> Response:
        """GET /account/security"""
        visit = await self._shell.open(request)
        if isinstance(visit, Response):
            return visit
        return await self.page(visit)

    async def page(self, visit: Visit, *, faults: Faults | None = None, at: str = "") -> Response:
        """The page; `at` is the public id of the factor that a fault is about."""
        services, person_id = self._services, visit.person.id
        async with services.database.reading() as db:
            factors = await list_factors(db, person_id)
            codes = await find_codes(db, person_id)
            remembered = await _list_remembered(db, person_id, visit.now)
        return self._shell.render(
            visit,
            "account_security.html",
            status=400 if faults else 200,
            apps=[(show_id(FACTOR, each.id), each) for each in factors if each.kind not in PASSKEYS],
            passkeys=[(show_id(FACTOR, each.id), each) for each in factors if each.kind in PASSKEYS],
            codes=codes,
            few=FEW,
            remembered=remembered,
            has_password="pwd" in visit.standing.factors,
            has_second_factor=has_second_factor(visit.standing),
            min_length=services.settings.password_min_length,
            max_label=MAX_LABEL,
            faults=say_faults(services, visit.language, faults or {}),
            at=at,
        )

    async def submit(self, request: Request) -> Response:
        """POST /account/security: `action` is rename or remove with `factor`, forget with `device`, or forget_all."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        match sent.form.get("action"):
            case "rename":
                return await self._rename(sent)
            case "remove":
                return await self._remove(sent)
            case "forget" | "forget_all":
                return await self._forget(sent)
            case _:
                return self._shell.missing(sent)

    async def _rename(self, sent: Sent) -> Response:
        factor_id = parse_id(FACTOR, sent.form.get("factor", ""))
        if factor_id is None:
            return self._shell.missing(sent)
        if not sent.form.get("label", "").strip():
            fault = Fault("must be filled in")
            return await self.page(sent, faults={"label": [fault]}, at=show_id(FACTOR, factor_id))
        try:
            label = parse_factor_label(sent.form["label"], otherwise="")
        except Refused as refused:
            return await self.page(sent, faults={"label": [Fault(refused.message)]}, at=show_id(FACTOR, factor_id))
        async with within_session(self._services, sent.session) as db:
            renamed = await rename_factor(
                db, self._services, sent.person.id, factor_id, label, now=sent.now, origin=sent.origin
            )
        return go_back(PATH, "renamed") if renamed else self._shell.missing(sent)

    async def _remove(self, sent: Sent) -> Response:
        if not self._shell.is_fresh(sent):
            return await self._shell.ask_again(sent.request)
        factor_id = parse_id(FACTOR, sent.form.get("factor", ""))
        if factor_id is None:
            return self._shell.missing(sent)
        async with within_session(self._services, sent.session) as db:
            removed = await remove_factor(
                db, self._services, sent.person.id, factor_id, why="by_person", now=sent.now, origin=sent.origin
            )
        return go_back(PATH, "removed") if removed else self._shell.missing(sent)

    async def _forget(self, sent: Sent) -> Response:
        only = None
        if sent.form["action"] == "forget":
            only = parse_id(DEVICE, sent.form.get("device", ""))
            if only is None:
                return self._shell.missing(sent)
        async with within_session(self._services, sent.session) as db:
            forgotten = await forget_devices(
                db,
                self._services,
                sent.person.id,
                why="by_person",
                only=only,
                now=sent.now,
                actor=sent.actor,
                origin=sent.origin,
            )
        return go_back(PATH, "forgotten") if forgotten else self._shell.missing(sent)


async def _list_remembered(db: AsyncConnection, person_id: bytes, now: datetime) -> list[Remembered]:
    query = select(devices).where(
        devices.c.person_id == person_id, devices.c.trusted_until > now, devices.c.revoked_at.is_(None)
    )
    rows = await db.execute(query.order_by(devices.c.last_seen_at.desc()))
    return [
        Remembered(show_id(DEVICE, row.id), parse_label(row.label), row.last_seen_at, row.trusted_until) for row in rows
    ]
