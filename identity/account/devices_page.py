"""`/account/devices`: the browsers in which a person is known; to name, trust, stop trusting and remove them."""

import math

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.record import Event
from base.cookies import clear_cookie, set_cookie
from base.ids import DEVICE, parse_id
from identity.account.device_list import MOST, list_devices
from identity.account.shell import Sent, Shell, Visit, go_back
from identity.account.state import has_second_factor
from identity.devices import COOKIE_TTL, SeenDevice, forget_devices, remember_device, remove_device, rename_device
from identity.errors import Refused
from identity.factors.registry import MAX_LABEL, parse_label
from identity.services import Services
from identity.setup_form import Fault, say_faults
from identity.tables import devices
from identity.within_session import within_session

PATH = "/account/devices"


class DevicesPage:
    """The page for one deployment."""

    def __init__(self, services: Services) -> None:
        self._services = services
        self._shell = Shell(services, "devices")

    async def show(self, request: Request) -> Response:
        """GET /account/devices"""
        visit = await self._shell.open(request)
        return visit if isinstance(visit, Response) else await self._page(visit)

    async def submit(self, request: Request) -> Response:
        """POST /account/devices: `device` with `action=rename` (and `name`), `trust`, `forget` or `remove`."""
        sent = await self._shell.receive(request)
        if isinstance(sent, Response):
            return sent
        device_id = parse_id(DEVICE, sent.form.get("device", ""))
        if device_id is None:
            return self._shell.missing(sent)
        match sent.form.get("action"):
            case "rename":
                return await self._rename(sent, device_id)
            case "trust":
                return await self._trust(sent, device_id)
            case "forget":
                return await self._forget(sent, device_id)
            case "remove":
                return await self._remove(sent, device_id)
            case _:
                return self._shell.missing(sent)

    async def _page(self, visit: Visit, *, fault: str = "", at: str = "") -> Response:
        """The page; `at` is the public id of the device that a fault is about."""
        services = self._services
        async with services.database.reading() as db:
            found = await list_devices(
                db, services, visit.person.id, this=visit.session.device_id, language=visit.language, now=visit.now
            )
        faults = say_faults(services, visit.language, {"name": [Fault(fault)]}) if fault else {}
        return self._shell.render(
            visit,
            "account_devices.html",
            status=400 if fault else 200,
            devices=found,
            most=MOST,
            days=math.ceil(services.settings.remember_device.total_seconds() / 86400),
            may_trust=self._may_trust(visit),
            max_name=MAX_LABEL,
            faults=faults,
            at=at,
        )

    def _may_trust(self, visit: Visit) -> bool:
        """Only a browser in which a second factor is there to be stood in for."""
        return bool(self._services.settings.remember_device) and has_second_factor(visit.standing)

    async def _rename(self, sent: Sent, device_id: bytes) -> Response:
        shown = sent.form["device"]
        if not sent.form.get("name", "").strip():
            return await self._page(sent, fault="must be filled in", at=shown)
        try:
            name = parse_label(sent.form["name"], otherwise="")
        except Refused as refused:
            return await self._page(sent, fault=refused.message, at=shown)
        async with within_session(self._services, sent.session) as db:
            renamed = await rename_device(
                db,
                self._services,
                sent.person.id,
                device_id,
                name,
                now=sent.now,
                actor=sent.actor,
                origin=sent.origin,
            )
        return go_back(PATH, "renamed") if renamed else self._shell.missing(sent)

    async def _trust(self, sent: Sent, device_id: bytes) -> Response:
        """The browser that the person sits at, after a second factor of just now (S29): nobody else can hold it."""
        if not self._may_trust(sent) or device_id != sent.session.device_id:
            return self._shell.missing(sent)
        if not self._shell.is_fresh(sent):
            return await self._shell.ask_again(sent.request)
        services, device = self._services, SeenDevice(device_id, is_new=False)
        told: list[Event] = []
        async with within_session(services, sent.session) as db:
            is_known = await _is_known(db, device_id)
            if is_known:
                device = await remember_device(
                    db, services, sent.person.id, device, told=told, now=sent.now, origin=sent.origin
                )
                await services.emitter.emit_all(db, told, now=sent.now)
        if not is_known:
            return self._shell.missing(sent)
        response = go_back(PATH, "trusted")
        if device.cookie is not None:
            set_cookie(response, services.settings, "device", device.cookie, ttl=COOKIE_TTL)
        return response

    async def _forget(self, sent: Sent, device_id: bytes) -> Response:
        async with within_session(self._services, sent.session) as db:
            forgotten = await forget_devices(
                db,
                self._services,
                sent.person.id,
                why="by_person",
                only=device_id,
                now=sent.now,
                actor=sent.actor,
                origin=sent.origin,
            )
        return go_back(PATH, "forgotten") if forgotten else self._shell.missing(sent)

    async def _remove(self, sent: Sent, device_id: bytes) -> Response:
        async with within_session(self._services, sent.session) as db:
            removed = await remove_device(
                db,
                self._services,
                sent.person.id,
                device_id,
                why="by_person",
                now=sent.now,
                actor=sent.actor,
                origin=sent.origin,
            )
        if not removed:
            return self._shell.missing(sent)
        if device_id != sent.session.device_id:
            return go_back(PATH, "removed")
        response = RedirectResponse("/", 303, {"Cache-Control": "no-store"})
        clear_cookie(response, self._services.settings, "session")
        return response


async def _is_known(db: AsyncConnection, device_id: bytes) -> bool:
    """Whether the device was not revoked; a session may outlive its device."""
    query = select(devices.c.id).where(devices.c.id == device_id, devices.c.revoked_at.is_(None))
    return (await db.execute(query)).first() is not None
