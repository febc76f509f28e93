"""Everything that "this was not me" ends and undoes (point by point in `end_all`)."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import DEVICE_FORGOTTEN, RECOVERY_NOT_ME, EventType
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import links, passwords
from identity.account.deletion import keep_person
from identity.links import Link
from identity.mail.letter_values import Notice
from identity.recovery.added_since import find_added, remove_added
from identity.recovery.asking import RECOVER
from identity.recovery.codes import KIND as CODE
from identity.recovery.emails import KIND as VERIFY
from identity.recovery.emails import restore_primary
from identity.recovery.link_page import lock_active
from identity.recovery.new_passwords import end_everything
from identity.recovery.password_links import make_password_link
from identity.recovery.resets import KIND as RESET
from identity.services import Services
from identity.tables import devices

KIND = "not_me"
WHY = "not_me"


async def end_all(
    db: AsyncConnection, services: Services, link: Link, person_id: bytes, *, now: datetime, origin: Origin
) -> str | None:
    """Ends everything once, and gives the text of a fresh link to choose a new password; None where the link is spent.

    The holder has shown that they read the mailbox, so they may choose at once; whoever knew the old password may not.
    Failure counters stay as they are: they are in the attacker's way.
    """
    if not await lock_active(db, person_id):
        return None
    if await links.spend_link(db, KIND, link.digest, now=now) is None:
        return None
    actor = show_id(PERSON, person_id)
    await end_everything(db, services, person_id, why=WHY, now=now, origin=origin)
    await passwords.clear_password(db, services, person_id, why=WHY, now=now, actor=actor, origin=origin)
    for kind in (RECOVER, CODE, RESET, VERIFY):
        await links.void_links(db, kind, person_id)
    await _undo(db, services, link, person_id, now=now, origin=origin)
    event = _event(RECOVERY_NOT_ME, person_id, {"about": str(link.payload["about"])}, origin)
    await services.emitter.emit(db, event, now=now)
    return await make_password_link(db, RECOVER, person_id, ttl=services.settings.recovery_ttl, now=now)


async def _undo(
    db: AsyncConnection, services: Services, link: Link, person_id: bytes, *, now: datetime, origin: Origin
) -> None:
    """Takes back what the notice told of, as far as the link knows it, and every factor that was added since then."""
    added = await find_added(db, person_id, link)
    await remove_added(db, services, person_id, added, why=WHY, now=now, origin=origin)
    facts = {name: bytes.fromhex(str(value)) for name, value in link.payload.items() if name != "about"}
    match link.payload["about"]:
        case Notice.NEW_DEVICE if "device" in facts:
            await _revoke_device(db, services, person_id, facts["device"], now=now, origin=origin)
        case Notice.EMAIL_CHANGED if "email" in facts:
            await restore_primary(db, services, person_id, facts["email"].decode(), now=now, origin=origin)
        case Notice.DELETION_ASKED:
            actor = show_id(PERSON, person_id)
            await keep_person(db, services, person_id, now=now, actor=actor, origin=origin)
        case _:
            pass


async def _revoke_device(
    db: AsyncConnection, services: Services, person_id: bytes, device_id: bytes, *, now: datetime, origin: Origin
) -> None:
    theirs = update(devices).where(devices.c.id == device_id, devices.c.person_id == person_id)
    revoked = theirs.values(revoked_at=now, version=devices.c.version + 1).returning(devices.c.id)
    if (await db.execute(revoked)).first() is not None:
        event = _event(DEVICE_FORGOTTEN, person_id, {"why": WHY}, origin, device_id=device_id)
        await services.emitter.emit(db, event, now=now)


def _event(
    kind: EventType, person_id: bytes, data: Mapping[str, object], origin: Origin, *, device_id: bytes | None = None
) -> Event:
    actor = show_id(PERSON, person_id)
    return Event(type=kind, actor=actor, subject=actor, person=person_id, device_id=device_id, origin=origin, data=data)
