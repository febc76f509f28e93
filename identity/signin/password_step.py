"""The password step: who is meant, whether their door is open, whether the password is theirs (S20–S24).

Everything that fails looks the same from outside: an unknown name, a wrong password, a closed door, an account that
is not active (S22). What differs is told by the event alone.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

import asyncio
from dataclasses import dataclass
from datetime import datetime
from typing import cast

from starlette.requests import Request

from audit.catalogue import LOCKOUT_STARTED, LOGIN_FAILED, LOGIN_REFUSED
from audit.record import Event, Origin
from base.clock import from_micros, to_seconds
from base.ids import PERSON, show_id
from base.statements import Statement
from identity import lockout
from identity.assessing.signins import note_failure
from identity.devices import read_device
from identity.lockout import Reservation
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.names import MAX_TYPED_LENGTH, fold_case, login_key
from identity.password_hashes import HashPoolBusy, Verified
from identity.password_rules import prepare_password
from identity.services import Services
from identity.signin.attempt import drop_pending
from identity.standing import COLUMNS_POSTGRES, COLUMNS_SQLITE, WIDTH, standing_of
from identity.values import Standing

_OWN = "c.id, c.hash, d.id, d.trusted_until, "
_WITH_PASSWORD_AND_DEVICE = """
    LEFT JOIN credentials c ON c.person_id = p.id AND c.kind = 'password'
    LEFT JOIN devices d ON d.person_id = p.id AND d.cookie_digest = {device} AND d.revoked_at IS NULL
"""
_BY_USERNAME = "people p" + _WITH_PASSWORD_AND_DEVICE + "WHERE p.username_key = {key}"
_BY_EMAIL = (
    "emails e JOIN people p ON p.id = e.person_id"
    + _WITH_PASSWORD_AND_DEVICE
    + "WHERE e.address_key = {key} AND e.verified_at IS NOT NULL"
)
_NAMES = ", ".join(f"c{number}" for number in range(4 + WIDTH))


def _find_by(name: str, source: str) -> Statement:
    asked = source.format(key="input.key", device="input.device")
    return Statement(
        name,
        (("key", "text"), ("device", "bytea")),
        (f"SELECT {_OWN}{COLUMNS_SQLITE} FROM {source.format(key=':key', device=':device')}",),
        f"SELECT n, found.* FROM input, LATERAL (SELECT {_OWN}{COLUMNS_POSTGRES} FROM {asked}) AS found({_NAMES})",
    )


_FIND_BY_USERNAME = _find_by("find account by username", _BY_USERNAME)
_FIND_BY_EMAIL = _find_by("find account by mail address", _BY_EMAIL)


@dataclass(frozen=True, slots=True)
class Claimed:
    """The person that a sign-in claims to be; `device_id` where they signed in from this browser before."""

    standing: Standing
    password_hash: str | None
    device_id: bytes | None = None
    trusted_until: datetime | None = None
    # Another password has another id; a renewed hash of the same one has not.
    password_id: bytes | None = None

    @property
    def id(self) -> bytes:
        """The person's id."""
        return self.standing.id


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
    is_breached: bool = False


@dataclass(frozen=True, slots=True)
class NotProven:
    """It did not work: `failures` so far, those at a closed door counted as the last one before it."""

    failures: int


async def find_account(services: Services, request: Request, typed: str) -> Account:
    """Who is meant by a username or mail address, and the counter that this browser's failures go to."""
    key = login_key(typed)
    emitter = services.emitter
    # People type passwords into this field: what nobody is called is kept as a keyed hash only (S46).
    name = key or fold_case(typed[:MAX_TYPED_LENGTH]).strip()
    typed_digest = emitter.index("typed", name).hex()
    row = None
    if key is not None:
        statement = _FIND_BY_EMAIL if "@" in key else _FIND_BY_USERNAME
        row = await services.database.find(statement, (key, read_device(request, services)))
    if row is None:
        return Account(lockout.unknown_key(emitter, name), typed_digest)
    password_id, password_hash, device_id, trusted = cast(
        tuple[bytes | None, str | None, bytes | None, int | None], row[:4]
    )
    standing = standing_of(row[4:], mail_code=services.settings.has_mail)
    trusted_until = None if trusted is None else from_micros(trusted)
    person = Claimed(standing, password_hash, device_id, trusted_until, password_id)
    if person.device_id is not None:
        return Account(lockout.device_key(emitter, person.device_id), typed_digest, person)
    return Account(lockout.person_key(emitter, person.id), typed_digest, person)


async def prove_password(
    services: Services, account: Account, password: str, *, client_id: str | None, origin: Origin
) -> ProvenPassword | NotProven:
    """The proof, or that it failed; the failure is counted and told by its event already.

    The caller holds the account's place at the turnstile until the counter was released. Raises HashPoolBusy, and then
    nothing is counted.
    """
    reservation = await _reserve(services, account, client_id=client_id, origin=origin)
    if reservation is None:
        return NotProven(services.settings.lockout_failures)
    try:
        verified = await _verify(services, account.person, password)
    except HashPoolBusy:
        async with services.database.transaction() as db:
            await lockout.give_back(db, reservation, limit=services.settings.lockout_failures)
        raise
    if verified.ok and account.person is not None and account.person.standing.state == "active":
        is_breached = await _is_breached(services, password)
        return ProvenPassword(account.person, account.counter, verified.renewed, is_breached)
    await _record_failure(services, account, reservation, verified, client_id=client_id, origin=origin)
    return NotProven(reservation.failures)


async def _is_breached(services: Services, password: str) -> bool:
    """Whether the list of breached passwords, which is longer than memory, has this one by now."""
    if services.breached is None:
        return False
    return await asyncio.to_thread(services.breached.contains, prepare_password(password))


async def _reserve(
    services: Services, account: Account, *, client_id: str | None, origin: Origin
) -> Reservation | None:
    now, settings = services.clock(), services.settings
    reservation = await lockout.reserve(
        services.database,
        account.counter,
        limit=settings.lockout_failures,
        duration=settings.lockout_duration,
        now=now,
    )
    if reservation is None:
        event = _event_about(account, client_id=client_id, origin=origin, refused=True, reason="locked")
        async with services.database.transaction() as db:
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
    now, person = services.clock(), account.person
    reason = _reason_of(account, verified)
    async with services.database.transaction() as db:
        event = _event_about(account, client_id=client_id, origin=origin, refused=False, reason=reason)
        await services.emitter.emit(db, event, now=now)
        if reservation.locks_until is not None and account.person is not None:
            event = _lockout_event(account.person, reservation.failures, reservation.locks_until, origin)
            await services.emitter.emit(db, event, now=now)
            await drop_pending(db, account.person.id)
            await notify(db, services, account.person.id, Notice.LOCKED, now=now, origin=origin)
        # Last: a sign-in of the same person holds its attempt, and counts at the same address after that.
        await note_failure(db, services, origin, person.id if person else account.typed_digest.encode(), now=now)


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
