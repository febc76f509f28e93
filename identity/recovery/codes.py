"""The eight digits of a recovery letter, which work only in the browser that asked for it."""

import hmac
import secrets
import unicodedata
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import Row, select

from audit.catalogue import RECOVERY_REFUSED
from audit.emit import Emitter
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import links, lockout
from identity.factors.typed import bare_text
from identity.links import Link
from identity.recovery.link_page import lock_active
from identity.recovery.password_links import is_stale, make_password_link
from identity.refusal_events import record_refusal
from identity.services import Services
from identity.tables import single_use

DIGITS = 8
MOST_TRIES = 5
KIND = "recover_code"


def new_code() -> str:
    """Eight random digits."""
    return f"{secrets.randbelow(10**DIGITS):0{DIGITS}}"


def show_code(code: str) -> str:
    """The code as a letter shows it, in two groups."""
    return f"{code[:4]} {code[4:]}"


def parse_code(typed: str) -> str | None:
    """The eight digits that were typed, whatever digits and spaces they were typed with; None where they are not."""
    code = bare_text(typed)
    if len(code) != DIGITS or not code.isdecimal():
        return None
    return "".join(str(unicodedata.decimal(digit)) for digit in code)


def code_row_digest(emitter: Emitter, browser_digest: bytes) -> bytes:
    """The key of the browser's row."""
    return emitter.index("recovery browser", browser_digest.hex())


def kept_code(emitter: Emitter, browser_digest: bytes, code: str) -> bytes:
    """What is kept of a code: a keyed digest, since eight digits are soon tried out."""
    return emitter.index("recovery code", f"{browser_digest.hex()} {code}")


@dataclass(frozen=True, slots=True)
class Tried:
    """What a typed code led to: the text of a link to choose a new password, or nothing and how often that was.

    `failures` are those after the same name was typed: a person's own number would tell which names are one person.
    """

    link_text: str | None
    failures: int = 0


async def try_code(services: Services, browser_digest: bytes, typed: str, *, now: datetime, origin: Origin) -> Tried:
    """Spends the code, if it is this browser's. Counted before it is looked at, apart from passwords (S23)."""
    emitter = services.emitter
    row = await _find_row(services, browser_digest, now=now)
    if row is None:
        # Nobody asked here; the browser itself is counted then.
        counter = slowed_by = lockout.recovery_key(emitter, browser_digest.hex())
    else:
        counter, slowed_by = (bytes.fromhex(str(row.payload[name])) for name in ("counter", "slowed_by"))
    place = await _count(services, counter, now=now)
    seen = place if slowed_by == counter else await _count(services, slowed_by, now=now)
    failures = seen.failures if seen else MOST_TRIES
    if place is None:
        await _record(services, row, "locked", origin)
        return Tried(None, failures)
    code = parse_code(typed)
    given = kept_code(emitter, browser_digest, code or "")
    is_right = row is not None and hmac.compare_digest(given, bytes.fromhex(str(row.payload["code"])))
    text = None
    if row is not None and row.person_id and is_right:
        text = await _exchange(services, row, (counter, slowed_by), now=now)
    if text is None:
        await _record(services, row, "wrong_code", origin)
    return Tried(text, failures)


async def _count(services: Services, counter: bytes, *, now: datetime) -> lockout.Reservation | None:
    duration = services.settings.lockout_duration
    return await lockout.reserve(services.database, counter, limit=MOST_TRIES, duration=duration, now=now)


async def _find_row(services: Services, browser_digest: bytes, *, now: datetime) -> Row[tuple[object, ...]] | None:
    query = select(single_use).where(
        single_use.c.digest == code_row_digest(services.emitter, browser_digest),
        single_use.c.kind == KIND,
        single_use.c.used_at.is_(None),
        single_use.c.expires_at > now,
    )
    async with services.database.reading() as db:
        return (await db.execute(query)).first()


async def _exchange(
    services: Services, row: Row[tuple[object, ...]], counters: tuple[bytes, ...], *, now: datetime
) -> str | None:
    """A link for the code, once; None where another request was faster, or the account or its password changed."""
    async with services.database.transaction() as db:
        if not await lock_active(db, row.person_id) or await is_stale(db, Link(row.digest, row.person_id, row.payload)):
            return None
        if await links.spend_link(db, KIND, row.digest, now=now) is None:
            return None
        for counter in counters:
            await lockout.release(db, counter)
        return await make_password_link(db, "recover", row.person_id, ttl=services.settings.recovery_ttl, now=now)


async def _record(services: Services, row: Row[tuple[object, ...]] | None, reason: str, origin: Origin) -> None:
    person_id = row.person_id if row else None
    event = Event(
        type=RECOVERY_REFUSED,
        actor="anonymous",
        outcome="denied",
        subject=show_id(PERSON, person_id) if person_id else None,
        person=person_id,
        origin=origin,
        data={"reason": reason},
        personal={"user_agent": origin.user_agent},
    )
    await record_refusal(services, event)
