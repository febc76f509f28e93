"""Browsers that a person signed in with before, recognised by a random cookie (S24, S33).

A device is evidence, never a credential: knowing one opens nothing, it only counts failures apart.
"""

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import lru_cache
from typing import cast

from sqlalchemy import update
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
    # Two people may share a browser. Whoever used it before may have copied its cookie, so it gets a new one, under
    # which the others stay known here; a cookie that we never gave away is planted, and leads to nobody.
    cookie, new_digest = await _renew_cookie(db, cookie_digest)
    is_first = await run(db, _FIND_ANY, (person_id,)) is None
    device_id = await _add(db, person_id, new_digest, told=told, now=now, origin=origin)
    return SeenDevice(device_id, is_new=True, cookie=cookie, is_first=is_first)


async def _renew_cookie(db: AsyncConnection, old: bytes | None) -> tuple[str, bytes]:
    """A new cookie with its digest; whoever was known by the old one is known by this one alone from now on."""
    cookie = new_secret(COOKIE)
    if old is not None:
        known = devices.c.cookie_digest == old, devices.c.revoked_at.is_(None)
        await db.execute(update(devices).where(*known).values(cookie_digest=digest(cookie)))
    return cookie, digest(cookie)


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

    It gets a new cookie, since another may have copied the one before (S33).
    """
    until = now + services.settings.remember_device
    trusted = update(devices).where(devices.c.id == device.id, devices.c.person_id == person_id)
    trusted = trusted.values(trusted_until=until, version=devices.c.version + 1)
    old = (await db.execute(trusted.returning(devices.c.cookie_digest))).scalar_one()
    cookie, _ = await _renew_cookie(db, old)
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
    return replace(device, cookie=cookie)


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
