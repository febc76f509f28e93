"""Browsers that a person signed in with before, recognised by a random cookie (S24, S33).

A device is evidence, never a credential: knowing one opens nothing, it only counts failures apart.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import DEVICE_ADDED, DEVICE_FORGOTTEN, DEVICE_REMEMBERED
from audit.record import Event, Origin
from base.clock import to_micros, to_seconds
from base.cookies import read_cookie
from base.ids import PERSON, new_id, show_id
from base.secret_values import COOKIE, digest, find_digest, new_secret
from base.statements import Statement, Value, insert_into
from base.within import run, store
from identity.services import Services
from identity.tables import devices

# Browsers keep a cookie for at most 400 days.
COOKIE_TTL = timedelta(days=400)
_MAX_USER_AGENT = 512
_MAX_LABEL = 128

_SEE = Statement(
    "see device",
    (("person", "bytea"), ("cookie", "bytea"), ("now", "bigint")),
    (
        "UPDATE devices SET last_seen_at = :now"
        " WHERE person_id = :person AND cookie_digest = :cookie AND revoked_at IS NULL RETURNING id",
    ),
    "UPDATE devices d SET last_seen_at = input.now FROM input"
    " WHERE d.person_id = input.person AND d.cookie_digest = input.cookie AND d.revoked_at IS NULL RETURNING n, d.id",
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
    """The device of a sign-in; `cookie` is what the browser must keep, or None where it keeps it already.

    `is_first`: the person never had another one.
    """

    id: bytes
    is_new: bool
    cookie: str | None = None
    is_first: bool = False


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
    now: datetime,
    origin: Origin = Origin(),
) -> SeenDevice:
    """The device of a sign-in that succeeded: the known one, marked as seen, or a new one.

    Its event goes to `told`, which the caller stores with the others of the sign-in.
    """
    cookie_digest = read_device(request, services)
    if cookie_digest is not None:
        known = await run(db, _SEE, (person_id, cookie_digest, to_micros(now)))
        if known is not None:
            return SeenDevice(cast(bytes, known[0]), is_new=False)
    cookie = None
    # Two people may share a browser, so a cookie of ours is kept. One that we never gave away is not: whoever planted
    # it would know it.
    if cookie_digest is None or not await _is_ours(db, cookie_digest):
        cookie = new_secret(COOKIE)
        cookie_digest = digest(cookie)
    is_first = await run(db, _FIND_ANY, (person_id,)) is None
    device_id = await _add(db, person_id, cookie_digest, told=told, now=now, origin=origin)
    return SeenDevice(device_id, is_new=True, cookie=cookie, is_first=is_first)


async def _is_ours(db: AsyncConnection, cookie_digest: bytes) -> bool:
    """Whether we gave this cookie away, and nobody revoked it since."""
    query = select(devices.c.revoked_at).where(devices.c.cookie_digest == cookie_digest)
    found = (await db.execute(query)).scalars().all()
    return bool(found) and not any(found)


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
    await store(db, _STORE, [tuple(values.get(column) for column in _STORE.columns)])
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
    device_id: bytes,
    *,
    told: list[Event],
    now: datetime,
    origin: Origin = Origin(),
) -> None:
    """From now on this browser stands in for a second factor, for as long as the deployment says."""
    until = now + services.settings.remember_device
    trusted = update(devices).where(devices.c.id == device_id, devices.c.person_id == person_id)
    await db.execute(trusted.values(trusted_until=until, version=devices.c.version + 1))
    actor = show_id(PERSON, person_id)
    told.append(
        Event(
            type=DEVICE_REMEMBERED,
            actor=actor,
            subject=actor,
            person=person_id,
            device_id=device_id,
            origin=origin,
            data={"until": to_seconds(until)},
        )
    )


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


def label_of(user_agent: str | None) -> str:
    """What a person recognises a browser by, such as `Firefox on Linux`; only ever shown, never decided upon."""
    return _label(user_agent[:_MAX_USER_AGENT]) if user_agent else "Unknown browser"


@lru_cache(maxsize=1024)
def _label(user_agent: str) -> str:
    from user_agents import parse

    parsed = parse(user_agent)
    return f"{parsed.browser.family} on {parsed.os.family}"[:_MAX_LABEL]
