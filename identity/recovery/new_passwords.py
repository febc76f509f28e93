"""A password that replaces another by a link: the form's faults, and all that ends with the old one (S27)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import Origin
from base.forms import Form
from base.ids import PERSON, show_id
from identity import lockout, passwords, revocation
from identity.assessing.recovering import note_recovery
from identity.devices import forget_devices
from identity.links import void_links
from identity.person_values import Person
from identity.recovery.codes import KIND as CODE
from identity.services import Services
from identity.setup_form import Fault, find_password_faults
from identity.tables import devices


async def find_faults(services: Services, person: Person, form: Form) -> dict[str, list[Fault]]:
    """What is wrong with the new password, for this person."""
    context = [person.username or "", person.shown_name, *(email.address for email in person.emails)]
    return await find_password_faults(
        services, form.get("password", ""), form.get("password_repeat", ""), context
    )  # fmt: skip


async def replace_password(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    password_hash: str,
    *,
    why: str,
    now: datetime,
    origin: Origin,
) -> None:
    """Sets the password, ends what the old one opened, and opens the doors that its failures closed.

    The person proved a link, so the failures of others with the old password are worth nothing any more (S24).
    """
    actor = show_id(PERSON, person_id)
    await passwords.set_password(
        db, services, person_id, password_hash, why=why, now=now, actor=actor, origin=origin
    )  # fmt: skip
    await void_links(db, CODE, person_id)
    await release_counters(db, services, person_id)
    await note_recovery(db, person_id, now=now)
    await end_everything(db, services, person_id, why=why, now=now, origin=origin)


async def end_everything(
    db: AsyncConnection, services: Services, person_id: bytes, *, why: str, now: datetime, origin: Origin
) -> None:
    """Ends sessions, grants and tokens, and forgets the browsers that stood in for a second factor."""
    actor = show_id(PERSON, person_id)
    await revocation.revoke_person(db, services, person_id, why=why, now=now, actor=actor, origin=origin)
    await forget_devices(db, services, person_id, why=why, now=now, actor=actor, origin=origin)


async def release_counters(db: AsyncConnection, services: Services, person_id: bytes) -> None:
    """Forgets wrong passwords, wherever they were typed. Second factors keep their counters (S23)."""
    emitter = services.emitter
    await lockout.release(db, lockout.person_key(emitter, person_id))
    for device_id in (await db.execute(select(devices.c.id).where(devices.c.person_id == person_id))).scalars():
        await lockout.release(db, lockout.device_key(emitter, device_id))
