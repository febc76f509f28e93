"""A person changes their own password: the present one is proven, and whatever it opened elsewhere ends (S29, S32)."""

from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import Origin
from base.ids import PERSON, show_id
from identity import lockout, passwords, revocation
from identity.devices import forget_devices
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.sessions import OpenedSession, renew_session
from identity.signin.password_step import Account, Claimed, ProvenPassword
from identity.tables import grants
from identity.values import LiveSession, Proof, Standing
from identity.within_session import hold_session

WHY = "password_changed"


def account_of(services: Services, session: LiveSession, standing: Standing, password_hash: str) -> Account:
    """The account with the counter of wrong passwords that a sign-in from this browser would raise."""
    device_id, emitter = session.device_id, services.emitter
    counter = lockout.device_key(emitter, device_id) if device_id else lockout.person_key(emitter, standing.id)
    return Account(counter, "", Claimed(standing, password_hash, device_id))


async def change_password(
    db: AsyncConnection,
    services: Services,
    session: LiveSession,
    *,
    proven: ProvenPassword | None,
    new_hash: str,
    now: datetime,
    origin: Origin,
) -> OpenedSession | None:
    """Sets the password, ends every other session and every offline grant, forgets remembered browsers, tells by mail.

    This session goes on under a new cookie. None, and nothing changed, where it ended meanwhile, or where the password
    is another one by now than was `proven` (None: the person has none yet).
    """
    person_id, actor = session.person_id, show_id(PERSON, session.person_id)
    # First the rows of the person and the session, in the order of whoever revokes everything.
    is_alive = await hold_session(db, session)
    if proven is not None:
        await lockout.release(db, proven.counter)
    expected = proven.person.password_hash if proven else None
    device_id = session.device_id
    if not is_alive or device_id is None or await passwords.find_hash(db, person_id) != expected:
        return None
    proofs = (Proof("pwd", now),) if proven else ()
    opened = await renew_session(db, services, session, device_id=device_id, proofs=proofs, anew=False, now=now)
    if opened is None:
        return None
    why = "changed" if proven else "added"
    await passwords.set_password(db, services, person_id, new_hash, why=why, now=now, actor=actor, origin=origin)
    await revocation.end_person_sessions(
        db, services, person_id, why=WHY, keep=session.id, now=now, actor=actor, origin=origin
    )
    offline = select(grants.c.id).where(
        grants.c.person_id == person_id, grants.c.offline.is_(True), grants.c.ended_at.is_(None)
    )
    for grant_id in (await db.execute(offline)).scalars().all():
        await revocation.end_grant(db, services, grant_id, why=WHY, now=now, actor=actor, origin=origin)
    await forget_devices(db, services, person_id, why=WHY, now=now, actor=actor, origin=origin)
    await notify(db, services, person_id, Notice.PASSWORD_CHANGED, now=now, origin=origin)
    return opened
