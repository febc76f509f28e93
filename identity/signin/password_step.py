"""The password step: who is meant, whether their door is open, whether the password is theirs (S20–S24).

Everything that fails looks the same from outside: an unknown name, a wrong password, a closed door, an account that
is not active (S22). What differs is told by the event alone.
"""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import LOCKOUT_STARTED, LOGIN_FAILED, LOGIN_REFUSED
from audit.record import Event, Origin
from base.clock import to_seconds
from base.ids import PERSON, show_id
from identity import lockout
from identity.devices import find_device, read_device
from identity.lockout import Reservation
from identity.names import MAX_TYPED_LENGTH, fold_case, login_key
from identity.password_hashes import HashPoolBusy, Verified
from identity.services import Services
from identity.signin.turnstile import Turnstile
from identity.tables import credentials, emails, people


@dataclass(frozen=True, slots=True)
class Claimed:
    """The person that a sign-in claims to be; `device_id` where they signed in from this browser before."""

    id: bytes
    sub: str
    state: str
    password_hash: str | None
    device_id: bytes | None


@dataclass(frozen=True, slots=True)
class Account:
    """Whoever was meant by what was typed, perhaps nobody. `counter` counts the failures."""

    counter: bytes
    typed_digest: str
    person: Claimed | None = None

    @property
    def device_id(self) -> bytes | None:
        """The known device, or None."""
        return self.person.device_id if self.person else None


@dataclass(frozen=True, slots=True)
class ProvenPassword:
    """The person whose password it was; their failure counter still holds the reservation."""

    person: Claimed
    counter: bytes
    renewed_hash: str | None


async def find_account(db: AsyncConnection, services: Services, request: Request, typed: str) -> Account:
    """Who is meant by a username or mail address, and the counter that this browser's failures go to."""
    key = login_key(typed)
    emitter = services.emitter
    # People type passwords into this field: what nobody is called is kept as a keyed hash only (S46).
    name = key or fold_case(typed[:MAX_TYPED_LENGTH]).strip()
    nobody = Account(lockout.unknown_key(emitter, name), emitter.index("typed", name).hex())
    if key is None:
        return nobody
    query = select(people.c.id, people.c.sub, people.c.state, credentials.c.hash).join(
        credentials, (credentials.c.person_id == people.c.id) & (credentials.c.kind == "password"), isouter=True
    )
    if "@" in key:
        query = query.join(emails, emails.c.person_id == people.c.id)
        query = query.where(emails.c.address_key == key, emails.c.verified_at.is_not(None))
    else:
        query = query.where(people.c.username_key == key)
    row = (await db.execute(query)).first()
    if row is None:
        return nobody
    device_id = await find_device(db, row.id, read_device(request, services))
    counter = lockout.device_key(emitter, device_id) if device_id else lockout.person_key(emitter, row.id)
    return Account(counter, nobody.typed_digest, Claimed(row.id, row.sub, row.state, row.hash, device_id))


async def prove_password(
    services: Services, turnstile: Turnstile, account: Account, password: str, *, client_id: str | None, origin: Origin
) -> ProvenPassword | None:
    """The proof, or None where it failed; the failure is counted and told by its event already.

    Raises HashPoolBusy or TurnstileBusy, and then nothing is counted.
    """
    async with turnstile.pass_through(account.counter):
        reservation = await _reserve(services, account, client_id=client_id, origin=origin)
        if reservation is None:
            return None
        try:
            verified = await _verify(services, account.person, password)
        except HashPoolBusy:
            async with services.database.transaction() as db:
                await lockout.give_back(db, reservation)
            raise
        if verified.ok and account.person is not None and account.person.state == "active":
            return ProvenPassword(account.person, account.counter, verified.renewed)
        await _record_failure(services, account, reservation, verified, client_id=client_id, origin=origin)
        return None


async def _reserve(
    services: Services, account: Account, *, client_id: str | None, origin: Origin
) -> Reservation | None:
    now, settings = services.clock(), services.settings
    async with services.database.transaction() as db:
        reservation = await lockout.reserve(
            db, account.counter, limit=settings.lockout_failures, duration=settings.lockout_duration, now=now
        )
        if reservation is None:
            event = _event_about(account, client_id=client_id, origin=origin, refused=True, reason="locked")
            await services.emitter.emit(db, event, now=now)
    return reservation


async def _verify(services: Services, person: Claimed | None, password: str) -> Verified:
    if person is None or person.password_hash is None:
        await services.hashes.verify_nothing(password)
        return Verified(ok=False)
    return await services.hashes.verify(person.password_hash, password)


async def _record_failure(
    services: Services,
    account: Account,
    reservation: Reservation,
    verified: Verified,
    *,
    client_id: str | None,
    origin: Origin,
) -> None:
    now = services.clock()
    reason = _reason_of(account, verified)
    async with services.database.transaction() as db:
        event = _event_about(account, client_id=client_id, origin=origin, refused=False, reason=reason)
        await services.emitter.emit(db, event, now=now)
        if reservation.locks_until is not None and account.person is not None:
            event = _lockout_event(account.person, reservation.failures, reservation.locks_until, origin)
            await services.emitter.emit(db, event, now=now)


def _reason_of(account: Account, verified: Verified) -> str:
    if account.person is None:
        return "unknown_account"
    if not verified.ok:
        return "unreadable_hash" if verified.fault else "wrong_password"
    return "account_not_active"


def _event_about(account: Account, *, client_id: str | None, origin: Origin, refused: bool, reason: str) -> Event:
    person = account.person
    data = {"reason": reason}
    if person is None and not refused:
        data["typed_digest"] = account.typed_digest
    return Event(
        type=LOGIN_REFUSED if refused else LOGIN_FAILED,
        actor="anonymous",
        outcome="denied" if refused else "failure",
        subject=show_id(PERSON, person.id) if person else None,
        person=person.id if person else None,
        client_id=client_id,
        device_id=account.device_id,
        origin=origin,
        data=data,
    )


def _lockout_event(person: Claimed, failures: int, until: datetime, origin: Origin) -> Event:
    return Event(
        type=LOCKOUT_STARTED,
        actor="anonymous",
        outcome="denied",
        subject=show_id(PERSON, person.id),
        person=person.id,
        device_id=person.device_id,
        origin=origin,
        data={"failures": failures, "until": to_seconds(until), "scope": "device" if person.device_id else "person"},
    )
