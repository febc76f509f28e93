"""The factors of a person beside the password: added, listed, renamed and removed, whatever kind they are.

Adding and removing wait for each other by the person's row, so that the number of factors is what it seems to be.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import MFA_ENROLLED, MFA_REMOVED, MFA_RENAMED, EventType
from audit.record import Event, Origin
from base.ids import PERSON, show_id
from identity import devices
from identity.errors import Refused
from identity.mail.letter_values import Fact, Notice
from identity.mail.notices import notify
from identity.services import Services
from identity.tables import backup_codes, credentials, people
from policy.assurance import PASSKEYS, STRONG

FACTOR = "fac_"
MOST_OF_A_KIND = 10
MAX_LABEL = 64


@dataclass(frozen=True, slots=True)
class Factor:
    """An authenticator app or a passkey, as its owner sees it. The flags are None for what is no passkey."""

    id: bytes
    kind: str
    label: str
    created_at: datetime
    last_used_at: datetime | None
    backup_eligible: bool | None = None
    backup_state: bool | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class NewFactor:
    """A factor that its owner has just proven to hold. `id` is what the secret's seal was bound to."""

    id: bytes
    kind: str
    label: str
    sealed: bytes | None = None
    external_id: bytes | None = None
    attributes: Mapping[str, object] = field(default_factory=dict)
    backup_eligible: bool | None = None
    backup_state: bool | None = None
    sign_count: int | None = None


_IS_FACTOR = credentials.c.kind.in_(STRONG)


def parse_label(typed: str, *, otherwise: str) -> str:
    """The name that a person gave a factor, `otherwise` where they gave none; raises Refused."""
    label = " ".join(typed.split()) or otherwise
    if len(label) > MAX_LABEL or not label.isprintable():
        raise Refused("label", "must be printable text of at most 64 characters")
    return label


async def list_factors(db: AsyncConnection, person_id: bytes) -> list[Factor]:
    """The person's authenticator apps and passkeys, oldest first."""
    query = select(credentials).where(credentials.c.person_id == person_id, _IS_FACTOR)
    rows = await db.execute(query.order_by(credentials.c.created_at, credentials.c.id))
    return [
        Factor(
            bytes(row.id),
            row.kind,
            row.label or "",
            row.created_at,
            row.last_used_at,
            row.backup_eligible,
            row.backup_state,
        )
        for row in rows
    ]


async def count_codes_left(db: AsyncConnection, person_id: bytes) -> int:
    """How many of the person's backup codes still work."""
    query = (
        select(func.count())
        .select_from(backup_codes.join(credentials, credentials.c.id == backup_codes.c.credential_id))
        .where(credentials.c.person_id == person_id, backup_codes.c.used_at.is_(None))
    )
    return (await db.execute(query)).scalar_one()


async def add_factor(
    db: AsyncConnection, services: Services, person_id: bytes, new: NewFactor, *, now: datetime, origin: Origin
) -> bool:
    """Stores a factor that was proven just now, and says whether it is the person's first.

    Raises Refused where they have as many of the kind as anybody may have.
    """
    kinds = await _lock_kinds(db, person_id)
    alike = PASSKEYS if new.kind in PASSKEYS else {new.kind}
    if sum(kind in alike for kind in kinds) >= MOST_OF_A_KIND:
        raise Refused("factor", "There can be ten of these at most; remove one first.")
    await db.execute(
        insert(credentials).values(
            id=new.id,
            person_id=person_id,
            kind=new.kind,
            label=new.label,
            sealed=new.sealed,
            external_id=new.external_id,
            attributes=dict(new.attributes),
            backup_eligible=new.backup_eligible,
            backup_state=new.backup_state,
            sign_count=new.sign_count,
            created_at=now,
            last_used_at=now,
            version=1,
        )
    )
    actor, data = show_id(PERSON, person_id), {"method": new.kind, "credential": show_id(FACTOR, new.id)}
    personal = {"label": new.label, "user_agent": origin.user_agent}
    await _emit(
        db, services, MFA_ENROLLED, person_id, data=data, personal=personal, now=now, actor=actor, origin=origin
    )
    about: dict[str, Fact | bytes] = {"method": new.kind, "label": new.label, "credential": new.id}
    await notify(db, services, person_id, Notice.FACTOR_ADDED, now=now, origin=origin, about=about)
    return not kinds


async def rename_factor(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    credential_id: bytes,
    label: str,
    *,
    now: datetime,
    origin: Origin,
) -> bool:
    """Gives a factor another name (from `parse_label`); False where the person has no such factor."""
    renamed = (
        update(credentials)
        .where(credentials.c.id == credential_id, credentials.c.person_id == person_id, _IS_FACTOR)
        .values(label=label, version=credentials.c.version + 1)
        .returning(credentials.c.kind)
    )
    row = (await db.execute(renamed)).first()
    if row is None:
        return False
    actor, data = show_id(PERSON, person_id), {"method": row.kind, "credential": show_id(FACTOR, credential_id)}
    await _emit(
        db, services, MFA_RENAMED, person_id, data=data, personal={"label": label}, now=now, actor=actor, origin=origin
    )
    return True


async def remove_factor(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    credential_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str | None = None,
    origin: Origin = Origin(),
) -> bool:
    """Removes a factor, and the backup codes with the last one; False where the person has no such factor.

    Browsers that were remembered after a second factor are forgotten. `actor` is the person, unless given.
    """
    actor = actor or show_id(PERSON, person_id)
    kinds = await _lock_kinds(db, person_id)
    removed = (
        delete(credentials)
        .where(credentials.c.id == credential_id, credentials.c.person_id == person_id, _IS_FACTOR)
        .returning(credentials.c.kind, credentials.c.label)
    )
    row = (await db.execute(removed)).first()
    if row is None:
        return False
    if len(kinds) == 1:
        is_set = credentials.c.kind == "backup_codes"
        await db.execute(delete(credentials).where(credentials.c.person_id == person_id, is_set))
    data = {"method": row.kind, "credential": show_id(FACTOR, credential_id), "why": why}
    personal = {"label": row.label}
    await _emit(db, services, MFA_REMOVED, person_id, data=data, personal=personal, now=now, actor=actor, origin=origin)
    why = "factor_removed"
    await devices.forget_devices(db, services, person_id, why=why, now=now, actor=actor, origin=origin)
    about = {"method": row.kind, "label": row.label or ""}
    await notify(db, services, person_id, Notice.FACTOR_REMOVED, now=now, origin=origin, about=about)
    return True


async def lock_person(db: AsyncConnection, person_id: bytes) -> None:
    """Makes others who add or remove factors of this person wait. (On SQLite write transactions take turns anyway.)"""
    await db.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(key_share=True))


async def hold_person(db: AsyncConnection, person_id: bytes) -> None:
    """Makes those who add or remove factors of this person wait, and nobody else. To be called before a factor's row
    is written: whoever removes it takes the person's row first, and the other way round the two could block each other.
    """
    await db.execute(select(people.c.id).where(people.c.id == person_id).with_for_update(read=True))


async def _lock_kinds(db: AsyncConnection, person_id: bytes) -> list[str]:
    await lock_person(db, person_id)
    query = select(credentials.c.kind).where(credentials.c.person_id == person_id, _IS_FACTOR)
    return list((await db.execute(query)).scalars())


async def _emit(
    db: AsyncConnection,
    services: Services,
    kind: EventType,
    person_id: bytes,
    *,
    data: Mapping[str, object],
    personal: Mapping[str, object],
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    subject = show_id(PERSON, person_id)
    event = Event(
        type=kind, actor=actor, subject=subject, person=person_id, origin=origin, data=data, personal=personal
    )
    await services.emitter.emit(db, event, now=now)
