"""Password credentials: one row a person, set and read; hashing itself is the hash pool's."""

from collections.abc import Mapping
from datetime import datetime

from sqlalchemy import delete, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PASSWORD_CLEARED, PASSWORD_RENEWED, PASSWORD_SET, EventType
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity.links import void_links
from identity.services import Services
from identity.tables import credentials, people

_IS_PASSWORD = credentials.c.kind == "password"


async def find_hash(db: AsyncConnection, person_id: bytes) -> str | None:
    """The stored password hash of a person, or None where they have no password."""
    query = select(credentials.c.hash).where(credentials.c.person_id == person_id, _IS_PASSWORD)
    return (await db.execute(query)).scalar_one_or_none()


async def set_password(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    password_hash: str,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Replaces the person's password by one that was checked and hashed before this transaction began.

    Links to choose a new one open nothing any more (S27), and a sign-in that began with the old one must begin anew.
    """
    await _touch_person(db, person_id, now)
    await void_links(db, "recover", person_id)
    await db.execute(delete(credentials).where(credentials.c.person_id == person_id, _IS_PASSWORD))
    await db.execute(
        insert(credentials).values(
            id=new_id(now),
            person_id=person_id,
            kind="password",
            hash=password_hash,
            attributes={},
            created_at=now,
            version=1,
        )
    )
    await _emit(db, services, person_id, PASSWORD_SET, {"why": why}, now=now, actor=actor, origin=origin)


async def clear_password(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Makes the person's password useless: only a reset leads to a new one."""
    await _touch_person(db, person_id, now)
    gone = delete(credentials).where(credentials.c.person_id == person_id, _IS_PASSWORD)
    if (await db.execute(gone.returning(credentials.c.id))).first() is not None:
        await _emit(db, services, person_id, PASSWORD_CLEARED, {"why": why}, now=now, actor=actor, origin=origin)


async def _touch_person(db: AsyncConnection, person_id: bytes, now: datetime) -> None:
    """A sign-in under way holds the person's row, so one of the two waits for the other."""
    changed = update(people).where(people.c.id == person_id)
    await db.execute(changed.values(updated_at=now, version=people.c.version + 1))


async def renew_hash(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    old: str,
    new: str,
    now: datetime,
    origin: Origin = Origin(),
) -> None:
    """Stores a better hash of the same password, unless the password was changed meanwhile (S21)."""
    renewed = (
        update(credentials)
        .where(credentials.c.person_id == person_id, _IS_PASSWORD, credentials.c.hash == old)
        .values(hash=new, version=credentials.c.version + 1)
        .returning(credentials.c.id)
    )
    if (await db.execute(renewed)).first() is None:
        return
    data = {"scheme": old.split("$")[1] if old.count("$") > 1 else "unknown"}
    actor = show_id(PERSON, person_id)
    await _emit(db, services, person_id, PASSWORD_RENEWED, data, now=now, actor=actor, origin=origin)


async def _emit(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    kind: EventType,
    data: Mapping[str, object],
    *,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    event = Event(
        type=kind, actor=actor, subject=show_id(PERSON, person_id), person=person_id, origin=origin, data=data
    )
    await services.emitter.emit(db, event, now=now)
