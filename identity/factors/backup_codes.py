"""Backup codes: ten texts that each prove their person once (S26).

Kept as keyed hashes: a stolen database alone cannot be searched for them, however long somebody tries.
"""

import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import BACKUP_CODE_USED, BACKUP_CODES_CONFIRMED, BACKUP_CODES_MADE, EventType
from audit.emit import Emitter
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity import lockout
from identity.factors.registry import lock_person
from identity.factors.typed import bare_text
from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.tables import backup_codes, credentials

KIND = "backup_codes"
# Crockford's Base32: no I, L, O, U, so that no letter is taken for a digit and no code spells a word.
ALPHABET = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
_MISREAD = str.maketrans({"O": "0", "I": "1", "L": "1"})
# 80 random bits.
_LENGTH, _GROUP = 16, 4
FEW = 3

_mine = credentials.c.kind == KIND


def new_code(draw: Callable[[str], str] = secrets.choice) -> str:
    """A new code in groups of four, such as `7K3M-0QXZ-4T9B-HN2C`; `draw` picks one letter of the alphabet."""
    text = "".join(draw(ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))


def parse_code(typed: str) -> str:
    """What was meant by a typed code: case, spaces, hyphens, misread letters and full-width forms do not matter."""
    code = bare_text(typed).upper().translate(_MISREAD)
    return code if len(code) == _LENGTH and set(code) <= set(ALPHABET) else ""


def code_digest(emitter: Emitter, person_id: bytes, code: str) -> bytes:
    """Under what a code (from `parse_code`) of this person is kept."""
    return emitter.index("backup code", f"{person_id.hex()}:{code}")


async def make_codes(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, origin: Origin
) -> tuple[str, ...]:
    """A new set, told only now; the set before is dead."""
    await lock_person(db, person_id)
    await delete_codes(db, person_id)
    # Guesses at codes of before are worth nothing for the new ones.
    await lockout.release(db, lockout.all_codes_key(services.emitter, "backup_code", person_id))
    codes = tuple(new_code() for _ in range(services.settings.backup_codes))
    set_id = new_id(now)
    row = {"id": set_id, "person_id": person_id, "kind": KIND, "attributes": {"confirmed": False}}
    await db.execute(insert(credentials).values(**row, created_at=now, version=1))
    digests = (code_digest(services.emitter, person_id, parse_code(code)) for code in codes)
    await db.execute(insert(backup_codes), [{"digest": digest, "credential_id": set_id} for digest in digests])
    await _emit(db, services, BACKUP_CODES_MADE, person_id, {"count": len(codes)}, now=now, origin=origin)
    return codes


async def delete_codes(db: AsyncConnection, person_id: bytes) -> None:
    """Removes the person's set, where there is one."""
    await db.execute(delete(credentials).where(credentials.c.person_id == person_id, _mine))


@dataclass(frozen=True, slots=True)
class CodeSet:
    """A person's set: how many still work, and whether they proved that they saved it."""

    left: int
    is_confirmed: bool


async def find_set(db: AsyncConnection, person_id: bytes) -> CodeSet | None:
    """The person's set, or None where they have none or used it up."""
    query = select(credentials.c.id, credentials.c.attributes).where(credentials.c.person_id == person_id, _mine)
    row = (await db.execute(query)).first()
    if row is None:
        return None
    return CodeSet(await _count_left(db, row.id), bool(row.attributes.get("confirmed")))


async def spend_code(
    db: AsyncConnection, services: Services, person_id: bytes, typed: str, *, now: datetime, origin: Origin
) -> int | None:
    """Uses a code up and says how many are left; None where it is none of theirs or was used before.

    The person is told of each use by mail, and that few are left when three are.
    """
    # Two codes at once must both count; and who makes a new set meanwhile takes the same rows the other way round.
    await lock_person(db, person_id)
    spent = (
        update(backup_codes)
        .where(_is_unused(services.emitter, person_id, typed))
        .values(used_at=now)
        .returning(backup_codes.c.credential_id)
    )
    set_id = (await db.execute(spent)).scalar_one_or_none()
    if set_id is None:
        return None
    left = await _count_left(db, set_id)
    if left:
        used = update(credentials).where(credentials.c.id == set_id)
        await db.execute(used.values(last_used_at=now, version=credentials.c.version + 1))
    else:
        await delete_codes(db, person_id)
    await _emit(db, services, BACKUP_CODE_USED, person_id, {"left": left}, now=now, origin=origin)
    for notice in _notices(left):
        await notify(db, services, person_id, notice, now=now, origin=origin, about={"left": left})
    return left


async def confirm_code(
    db: AsyncConnection, services: Services, person_id: bytes, typed: str, *, now: datetime, origin: Origin
) -> bool:
    """Whether this is an unused code of the person's set: it proves that they saved them, and goes on working."""
    await lock_person(db, person_id)
    found = select(backup_codes.c.credential_id).where(_is_unused(services.emitter, person_id, typed))
    set_id = (await db.execute(found)).scalar_one_or_none()
    if set_id is None:
        return False
    proven = update(credentials).where(credentials.c.id == set_id)
    await db.execute(proven.values(attributes={"confirmed": True}, version=credentials.c.version + 1))
    await _emit(db, services, BACKUP_CODES_CONFIRMED, person_id, {}, now=now, origin=origin)
    return True


def _is_unused(emitter: Emitter, person_id: bytes, typed: str) -> ColumnElement[bool]:
    theirs = select(credentials.c.id).where(credentials.c.person_id == person_id, _mine)
    return (
        (backup_codes.c.digest == code_digest(emitter, person_id, parse_code(typed)))
        & backup_codes.c.used_at.is_(None)
        & backup_codes.c.credential_id.in_(theirs)
    )


async def _count_left(db: AsyncConnection, set_id: bytes) -> int:
    query = (
        select(func.count())
        .select_from(backup_codes)
        .where(backup_codes.c.credential_id == set_id, backup_codes.c.used_at.is_(None))
    )
    return (await db.execute(query)).scalar_one()


def _notices(left: int) -> Sequence[Notice]:
    return (Notice.BACKUP_CODE_USED, Notice.FEW_BACKUP_CODES) if left == FEW else (Notice.BACKUP_CODE_USED,)


async def _emit(
    db: AsyncConnection,
    services: Services,
    kind: EventType,
    person_id: bytes,
    data: Mapping[str, object],
    *,
    now: datetime,
    origin: Origin,
) -> None:
    actor = show_id(PERSON, person_id)
    event = Event(type=kind, actor=actor, subject=actor, person=person_id, origin=origin, data=data)
    await services.emitter.emit(db, event, now=now)
