"""People: made, found, listed, and moved between states."""

from collections.abc import Sequence
from datetime import datetime
from typing import cast

from sqlalchemy import Row, insert, select, update
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import PERSON_STATE_CHANGED
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from identity import passwords, revocation
from identity.devices import forget_devices
from identity.errors import Refused
from identity.new_people import check_new_person, created_event, email_row, person_row
from identity.person_values import Email, NewPerson, Person
from identity.services import Services
from identity.tables import emails, people
from identity.values import PersonState

STATES: tuple[PersonState, ...] = ("active", "suspended", "disabled", "deleted")


async def create_person(
    db: AsyncConnection,
    services: Services,
    new: NewPerson,
    *,
    now: datetime,
    actor: str,
    via: str,
    origin: Origin = Origin(),
) -> bytes:
    """Makes an account in state active and returns its id; `via` says by which way in (`setup`, `cli`, `import`).

    Raises Refused for a name, address or profile that cannot be taken, or that another account has.
    """
    checked = check_new_person(new)
    person_id = new_id(now)
    await _check_free(db, checked.username_key, checked.verified_key)
    try:
        async with db.begin_nested():
            await db.execute(insert(people).values(person_row(checked, person_id, now=now)))
            if checked.email is not None:
                row = email_row(checked.email, person_id, verified=checked.email_verified, now=now)
                await db.execute(insert(emails).values(row))
    except IntegrityError:
        raise Refused("username", "another account took this name or address just now") from None
    await services.emitter.begin_subject(db, person_id, now=now)
    event = created_event(checked, person_id, actor=actor, via=via, origin=origin)
    await services.emitter.emit(db, event, now=now)
    if new.password_hash is not None:
        await passwords.set_password(
            db, services, person_id, new.password_hash, why=via, now=now, actor=actor, origin=origin
        )
    return person_id


async def _check_free(db: AsyncConnection, username_key: str | None, email_key: str | None) -> None:
    if username_key is not None:
        taken = select(people.c.id).where(people.c.username_key == username_key)
        if (await db.execute(taken)).first() is not None:
            raise Refused("username", "belongs to another account; choose a different one")
    if email_key is not None:
        taken = select(emails.c.id).where(emails.c.address_key == email_key, emails.c.verified_at.is_not(None))
        if (await db.execute(taken)).first() is not None:
            raise Refused("email", "belongs to another account; choose a different one")


async def find_person(db: AsyncConnection, person_id: bytes) -> Person | None:
    """The account with this id, in whatever state, or None."""
    row = (await db.execute(select(people).where(people.c.id == person_id))).first()
    return None if row is None else _person_of(row, await _load_emails(db, [person_id]))


async def load_person(db: AsyncConnection, person_id: bytes) -> Person:
    """The account with this id, which must exist; raises LookupError."""
    person = await find_person(db, person_id)
    if person is None:
        raise LookupError("no such person")
    return person


async def find_person_by_login(db: AsyncConnection, key: str) -> Person | None:
    """The account that a `names.login_key` means: its username, or a verified mail address of it; or None."""
    if "@" in key:
        query = select(people).join(emails).where(emails.c.address_key == key, emails.c.verified_at.is_not(None))
    else:
        query = select(people).where(people.c.username_key == key)
    row = (await db.execute(query)).first()
    return None if row is None else _person_of(row, await _load_emails(db, [row.id]))


async def list_people(db: AsyncConnection, limit: int, after: bytes | None = None) -> list[Person]:
    """At most `limit` accounts, oldest first, beginning behind the id `after`."""
    query = select(people).order_by(people.c.id).limit(limit)
    if after is not None:
        query = query.where(people.c.id > after)
    rows = (await db.execute(query)).all()
    found = await _load_emails(db, [row.id for row in rows])
    return [_person_of(row, found) for row in rows]


async def _load_emails(db: AsyncConnection, person_ids: Sequence[bytes]) -> dict[bytes, list[Email]]:
    query = select(emails).where(emails.c.person_id.in_(person_ids)).order_by(emails.c.created_at, emails.c.id)
    found: dict[bytes, list[Email]] = {}
    for row in await db.execute(query):
        found.setdefault(bytes(row.person_id), []).append(Email(row.address, row.is_primary, row.verified_at))
    return found


def _person_of(row: Row[tuple[object, ...]], found: dict[bytes, list[Email]]) -> Person:
    return Person(
        id=row.id,
        sub=row.sub,
        username=row.username,
        state=cast(PersonState, row.state),
        is_admin=row.is_admin,
        profile=row.profile,
        not_before=row.not_before,
        created_at=row.created_at,
        updated_at=row.updated_at,
        version=row.version,
        emails=tuple(found.get(bytes(row.id), ())),
    )


async def set_person_state(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    state: PersonState,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Moves an account to a state; leaving `active` ends its sessions and grants at once (S18).

    Raises Refused for an unknown account, a deleted one, and for the last active administrator (S43).
    """
    query = select(people.c.state, people.c.is_admin).where(people.c.id == person_id).with_for_update(key_share=True)
    row = (await db.execute(query)).first()
    if row is None:
        raise Refused("person", "there is no such account")
    if row.state == state:
        return
    if row.state == "deleted":
        raise Refused("state", "a deleted account stays deleted")
    if row.is_admin and state != "active" and not await _has_other_admin(db, person_id):
        raise Refused("state", "this is the last active administrator; make another one first")
    changed = update(people).where(people.c.id == person_id)
    await db.execute(changed.values(state=state, updated_at=now, version=people.c.version + 1))
    event = Event(
        type=PERSON_STATE_CHANGED,
        actor=actor,
        subject=show_id(PERSON, person_id),
        person=person_id,
        origin=origin,
        data={"before": row.state, "after": state},
    )
    await services.emitter.emit(db, event, now=now)
    if "suspended" in (row.state, state):
        await revocation.tell_suspended(db, person_id, suspended=state == "suspended", now=now)
    if state != "active":
        await revocation.revoke_person(db, services, person_id, why=state, now=now, actor=actor, origin=origin)
        await forget_devices(db, services, person_id, why=state, now=now, actor=actor, origin=origin)


async def _has_other_admin(db: AsyncConnection, person_id: bytes) -> bool:
    query = (
        select(people.c.id)
        .where(people.c.is_admin.is_(True), people.c.state == "active", people.c.id != person_id)
        .with_for_update(key_share=True)
    )
    return (await db.execute(query)).first() is not None
