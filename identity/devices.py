"""Browsers that a person signed in with before, recognised by a random cookie that each sign-in replaces (S24, S33).

A device is evidence, never a credential: knowing one opens nothing, it only counts failures apart.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import DEVICE_ADDED, DEVICE_FORGOTTEN, DEVICE_REMEMBERED, DEVICE_REMOVED, DEVICE_RENAMED, EventType
from audit.record import Event, Origin
from base.clock import to_micros, to_seconds
from base.cookies import read_cookie
from base.ids import PERSON, new_id, show_id
from base.secret_values import COOKIE, digest, find_digest, new_secret
from base.statements import Statement, Value, insert_into
from base.within import run, send, store
from identity.assessing.sightings import see
from identity.browser_labels import label_of
from identity.device_clones import end_cloned
from identity.device_cookies import find_returned, hand_out_again, rotate_cookie
from identity.device_looks import Looks, looks_of, open_looks, seal_looks
from identity.revocation import end_session
from identity.services import Services
from identity.tables import devices, sessions
from risk.sighting import Sighting

# Browsers keep a cookie for at most 400 days.
COOKIE_TTL = timedelta(days=400)

_SEE = Statement(
    "see device",
    (("person", "bytea"), ("cookie", "bytea"), ("now", "bigint")),
    (
        "UPDATE devices SET last_seen_at = :now"
        " WHERE person_id = :person AND cookie_digest = :cookie AND revoked_at IS NULL RETURNING id, looks",
    ),
    "UPDATE devices d SET last_seen_at = input.now FROM input WHERE d.person_id = input.person"
    " AND d.cookie_digest = input.cookie AND d.revoked_at IS NULL RETURNING n, d.id, d.looks",
)

_KEEP_LOOKS = Statement(
    "keep device looks",
    (("id", "bytea"), ("looks", "bytea")),
    ("UPDATE devices SET looks = :looks WHERE id = :id RETURNING id",),
    "UPDATE devices d SET looks = input.looks FROM input WHERE d.id = input.id RETURNING n",
)
_FIND_ANY = Statement(
    "find any device",
    (("person", "bytea"),),
    ("SELECT id FROM devices WHERE person_id = :person LIMIT 1",),
    "SELECT n, d.id FROM input JOIN devices d ON d.person_id = input.person LIMIT 1",
)
_STORE = insert_into(devices)


@dataclass(frozen=True, slots=True)
class SeenDevice:
    """The device of a sign-in; `cookie` is what the browser must keep from now on, where it gets a new one.

    `is_first`: the person never had another one. `last_country` is where it was when it was last seen.
    """

    id: bytes
    is_new: bool
    cookie: str | None = None
    is_first: bool = False
    last_country: str | None = None


def read_device(request: Request, services: Services) -> bytes | None:
    """The digest of the browser's device cookie, or None."""
    return find_digest(COOKIE, read_cookie(request, services.settings, "device"))


async def see_device(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    request: Request,
    *,
    told: list[Event],
    sighting: Sighting | None = None,
    now: datetime,
    origin: Origin = Origin(),
) -> SeenDevice:
    """The device of a sign-in that succeeded: the known one, marked as seen, or a new one; under a new cookie.

    Its event goes to `told`, which the caller stores with the others of the sign-in. `sighting` is how the request
    looks, where the caller knows that already.
    """
    old = read_device(request, services)
    if sighting is None:
        sighting = see(services, request, has_cookie=old is not None, now=now).sighting
    cookie = new_secret(COOKIE)
    known = None
    if old is not None:
        # A person's browser may be another's as well, and whoever used it before may have copied its cookie. A cookie
        # that we never gave away is planted, and leads to nobody.
        known = await _follow(db, services, person_id, old, digest(cookie), sighting, now=now, origin=origin)
    if known is not None:
        known_id, looks = known
        device = SeenDevice(known_id, is_new=False, cookie=cookie, last_country=looks.place.country if looks else None)
    else:
        is_first = await run(db, _FIND_ANY, (person_id,)) is None
        device_id = await _add(db, person_id, digest(cookie), told=told, now=now, origin=origin)
        device = SeenDevice(device_id, is_new=True, cookie=cookie, is_first=is_first)
    await send(db, _KEEP_LOOKS, (device.id, seal_looks(services.sealer, device.id, looks_of(sighting))))
    return device


async def _follow(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    old: bytes,
    new: bytes,
    sighting: Sighting,
    *,
    now: datetime,
    origin: Origin,
) -> tuple[bytes, Looks | None] | None:
    """The person's device by the cookie that came and its last looks, None where it is none of theirs. Whoever was
    known by that cookie is known by the new one alone from now on, or not at all where two hold it."""
    row = await run(db, _SEE, (person_id, old, to_micros(now)))
    if row is not None:
        await rotate_cookie(db, old, new, now=now)
        device_id, sealed = cast(tuple[bytes, bytes | None], row)
        return device_id, open_looks(services.sealer, device_id, sealed)
    returned = await find_returned(db, services, person_id, old)
    if returned is None:
        await rotate_cookie(db, old, new, now=now)
        return None
    if not returned.is_lost_answer(sighting, now):
        await end_cloned(db, services, old, now=now, origin=origin)
        return None
    await run(db, _SEE, (person_id, returned.current, to_micros(now)))
    await hand_out_again(db, returned.current, new)
    return None if returned.own is None else (returned.own, returned.looks)


async def _add(
    db: AsyncConnection, person_id: bytes, cookie_digest: bytes, *, told: list[Event], now: datetime, origin: Origin
) -> bytes:
    device_id = new_id(now)
    label = label_of(origin.user_agent)
    values: dict[str, Value] = {
        "id": device_id,
        "person_id": person_id,
        "cookie_digest": cookie_digest,
        "label": label,
        "created_at": to_micros(now),
        "last_seen_at": to_micros(now),
        "version": 1,
    }
    await store(db, _STORE, [_STORE.row(values)])
    actor = show_id(PERSON, person_id)
    told.append(
        Event(
            type=DEVICE_ADDED,
            actor=actor,
            subject=actor,
            person=person_id,
            device_id=device_id,
            origin=origin,
            personal={"label": label},
        )
    )
    return device_id


async def remember_device(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    device: SeenDevice,
    *,
    told: list[Event],
    now: datetime,
    origin: Origin = Origin(),
) -> SeenDevice:
    """From now on this browser stands in for a second factor, for as long as the deployment says.

    It gets a new cookie, where it has not got one just now: another may have copied the one before (S33).
    """
    until = now + services.settings.remember_device
    trusted = update(devices).where(devices.c.id == device.id, devices.c.person_id == person_id)
    trusted = trusted.values(trusted_until=until, version=devices.c.version + 1)
    old = (await db.execute(trusted.returning(devices.c.cookie_digest))).scalar_one()
    if device.cookie is None:
        cookie = new_secret(COOKIE)
        await rotate_cookie(db, old, digest(cookie), now=now)
        device = replace(device, cookie=cookie)
    actor = show_id(PERSON, person_id)
    told.append(
        Event(
            type=DEVICE_REMEMBERED,
            actor=actor,
            subject=actor,
            person=person_id,
            device_id=device.id,
            origin=origin,
            data={"until": to_seconds(until)},
        )
    )
    return device


async def forget_devices(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    why: str,
    only: bytes | None = None,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> int:
    """No browser of the person (or not this one, where `only` names it) stands in for a second factor any more.

    Returns how many did.
    """
    theirs = devices.c.person_id == person_id
    if only is not None:
        theirs &= devices.c.id == only
    forgotten = (
        update(devices)
        .where(theirs, devices.c.trusted_until.is_not(None))
        .values(trusted_until=None, version=devices.c.version + 1)
        .returning(devices.c.id)
    )
    found = (await db.execute(forgotten)).scalars().all()
    events = [
        Event(
            type=DEVICE_FORGOTTEN,
            actor=actor,
            subject=show_id(PERSON, person_id),
            person=person_id,
            device_id=device_id,
            origin=origin,
            data={"why": why},
        )
        for device_id in found
    ]
    await services.emitter.emit_all(db, events, now=now)
    return len(found)


async def rename_device(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    device_id: bytes,
    name: str,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """Gives a live device of the person a name, which is in order already; False where there is no such device."""
    renamed = update(devices).where(devices.c.id == device_id, devices.c.person_id == person_id)
    renamed = renamed.where(devices.c.revoked_at.is_(None)).values(name=name, version=devices.c.version + 1)
    if (await db.execute(renamed.returning(devices.c.id))).first() is None:
        return False
    event = _event_about(DEVICE_RENAMED, person_id, device_id, actor=actor, origin=origin, personal={"label": name})
    await services.emitter.emit(db, event, now=now)
    return True


async def remove_device(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    device_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> bool:
    """The person is not known in this browser any more, and signed out there; False where there is no such device.

    Others who share the browser go on being known in it.
    """
    removed = update(devices).where(devices.c.id == device_id, devices.c.person_id == person_id)
    removed = removed.where(devices.c.revoked_at.is_(None))
    removed = removed.values(revoked_at=now, trusted_until=None, version=devices.c.version + 1)
    row = (await db.execute(removed.returning(devices.c.name, devices.c.label))).first()
    if row is None:
        return False
    live = select(sessions.c.id).where(sessions.c.device_id == device_id, sessions.c.ended_at.is_(None))
    for session_id in (await db.execute(live.order_by(sessions.c.id))).scalars().all():
        await end_session(db, services, bytes(session_id), why="ended_by_person", now=now, actor=actor, origin=origin)
    told = {"label": row.name or row.label}
    event = _event_about(DEVICE_REMOVED, person_id, device_id, actor=actor, origin=origin, why=why, personal=told)
    await services.emitter.emit(db, event, now=now)
    return True


def _event_about(
    kind: EventType,
    person_id: bytes,
    device_id: bytes,
    *,
    actor: str,
    origin: Origin,
    why: str | None = None,
    personal: Mapping[str, object],
) -> Event:
    return Event(
        type=kind,
        actor=actor,
        subject=show_id(PERSON, person_id),
        person=person_id,
        device_id=device_id,
        origin=origin,
        data={} if why is None else {"why": why},
        personal=personal,
    )
