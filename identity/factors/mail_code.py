"""Codes sent by mail: eight digits, for one sign-in in one browser, once, for ten minutes."""

import hmac
import secrets
from collections.abc import Callable, Sequence
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import MFA_CODE_MAILED
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity.factors.totp import parse_code
from identity.mail.letter_values import Fact, LetterKind
from identity.mail.notices import send_letter
from identity.person_values import Email, Person
from identity.services import Services
from identity.tables import single_use
from identity.values import SigninAttempt

KIND = "mail_code"
TTL = timedelta(minutes=10)
DIGITS = 8
_MOST_AN_ATTEMPT, _MOST_AN_HOUR = 3, 5


def new_code(draw: Callable[[int], int] = secrets.randbelow) -> str:
    """A new code of eight digits; `draw(n)` gives a number below n."""
    return f"{draw(10**DIGITS):0{DIGITS}d}"


def address_of(person: Person) -> str | None:
    """Where a code may go: the primary address where it is verified, else another verified one; or None."""
    verified: Sequence[Email] = [email for email in person.emails if email.verified_at is not None]
    first = next((email for email in verified if email.is_primary), next(iter(verified), None))
    return first.address if first else None


def mask_address(address: str) -> str:
    """Enough of an address to know it again, such as `a•••@example.com`."""
    local, _, domain = address.rpartition("@")
    return f"{local[:1]}•••@{domain}"


async def may_send(services: Services, attempt: SigninAttempt, person_id: bytes, *, now: datetime) -> bool:
    """Whether one more code may be sent: three a sign-in, five an hour to a person. Counts it."""
    limits = (
        (f"mail-code:attempt:{attempt.id.hex()}", _MOST_AN_ATTEMPT, int(services.settings.attempt_ttl.total_seconds())),
        (f"mail-code:person:{services.emitter.index('mail code', person_id.hex()).hex()}", _MOST_AN_HOUR, 3600),
    )
    for key, limit, window_s in limits:
        if not (await services.rates.hit(key, limit=limit, window_s=window_s, now=now)).allowed:
            return False
    return True


async def send_code(
    db: AsyncConnection,
    services: Services,
    attempt: SigninAttempt,
    person: Person,
    *,
    language: str,
    now: datetime,
    origin: Origin,
) -> bool:
    """Promises a letter with a new code for this sign-in, and the one before is dead; False without an address."""
    address = address_of(person)
    if address is None:
        return False
    code, digest, expires_at = new_code(), _attempt_digest(services, attempt), now + TTL
    await db.execute(delete(single_use).where(single_use.c.digest == digest))
    payload = {"code": _code_digest(services, attempt, code).hex()}
    row = {"digest": digest, "kind": KIND, "person_id": person.id, "payload": payload}
    await db.execute(insert(single_use).values(**row, created_at=now, expires_at=expires_at))
    facts: dict[str, Fact] = {"code": f"{code[:4]} {code[4:]}", "expires_at": expires_at}
    await send_letter(
        db, services, LetterKind.MAIL_CODE, to=address, language=language, person_id=person.id, facts=facts, now=now
    )
    actor = show_id(PERSON, person.id)
    event = Event(
        type=MFA_CODE_MAILED, actor=actor, subject=actor, person=person.id, origin=origin, data={"purpose": "signin"}
    )
    await services.emitter.emit(db, event, now=now)
    return True


async def is_sent(db: AsyncConnection, services: Services, attempt: SigninAttempt, *, now: datetime) -> bool:
    """Whether a code of this sign-in is on its way that would work."""
    query = select(single_use.c.digest).where(
        single_use.c.digest == _attempt_digest(services, attempt),
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    return (await db.execute(query)).first() is not None


async def accept_code(
    db: AsyncConnection, services: Services, attempt: SigninAttempt, person_id: bytes, typed: str, *, now: datetime
) -> str | None:
    """Why a code is not accepted; None where it is, and then it is used up."""
    digest = _attempt_digest(services, attempt)
    works = (
        single_use.c.digest == digest,
        single_use.c.kind == KIND,
        single_use.c.person_id == person_id,
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    payload = (await db.execute(select(single_use.c.payload).where(*works))).scalar_one_or_none()
    if payload is None:
        return "no_code_sent"
    given = _code_digest(services, attempt, parse_code(typed)).hex()
    if not hmac.compare_digest(cast(str, payload["code"]).encode(), given.encode()):
        return "wrong_code"
    # The payload too: a newer code may have taken the place of this one.
    spent = update(single_use).where(*works, single_use.c.payload == payload).values(used_at=now)
    taken = (await db.execute(spent.returning(single_use.c.digest))).first()
    return None if taken is not None else "used_code"


def _attempt_digest(services: Services, attempt: SigninAttempt) -> bytes:
    """One row a sign-in, so that one code is outstanding at most."""
    return services.emitter.index("mail code of", attempt.id.hex())


def _code_digest(services: Services, attempt: SigninAttempt, code: str) -> bytes:
    return services.emitter.index("mail code", f"{attempt.id.hex()}:{code}")
