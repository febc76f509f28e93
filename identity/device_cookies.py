"""The life of a device cookie: each sign-in replaces it, and one that was replaced says something when it comes back.

An answer may be lost, so the one before is taken once more for a few minutes, in the same network, from the same
browser. Any other return means that two hold the cookie: it was copied (`identity.device_clones`).
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy.ext.asyncio import AsyncConnection

from base.clock import from_micros, to_micros
from base.statements import Row, Statement
from base.within import run, send
from identity.device_looks import Looks, is_same_browser, open_looks
from identity.services import Services
from risk.sighting import Sighting

# For how long after it was replaced a cookie may come back as that of a lost answer.
LOST_FOR = timedelta(minutes=10)

# Whoever is known by a cookie shares a browser, so all of them move on together.
_ROTATE = Statement(
    "rotate device cookie",
    (("old", "bytea"), ("new", "bytea"), ("now", "bigint")),
    (
        "UPDATE devices SET previous_digest = cookie_digest, cookie_digest = :new, rotated_at = :now"
        " WHERE cookie_digest = :old AND revoked_at IS NULL RETURNING id",
    ),
    "UPDATE devices d SET previous_digest = d.cookie_digest, cookie_digest = input.new, rotated_at = input.now"
    " FROM input WHERE d.cookie_digest = input.old AND d.revoked_at IS NULL RETURNING n",
)
_HAND_OUT_AGAIN = Statement(
    "hand out device cookie again",
    (("unseen", "bytea"), ("new", "bytea")),
    (
        "UPDATE devices SET stray_digest = cookie_digest, cookie_digest = :new"
        " WHERE cookie_digest = :unseen AND revoked_at IS NULL RETURNING id",
    ),
    "UPDATE devices d SET stray_digest = d.cookie_digest, cookie_digest = input.new"
    " FROM input WHERE d.cookie_digest = input.unseen AND d.revoked_at IS NULL RETURNING n",
)


def _returned(parameter: str) -> str:
    """What tells how a cookie comes back: of the device seen last, a live one before those that were revoked."""
    person, cookie = parameter.format("person"), parameter.format("cookie")
    return f"""
    SELECT d.id, d.cookie_digest, d.stray_digest = {cookie}, d.rotated_at, d.looks, d.revoked_at,
        (SELECT o.id FROM devices o
            WHERE o.person_id = {person} AND o.cookie_digest = d.cookie_digest AND o.revoked_at IS NULL)
    FROM devices d WHERE d.previous_digest = {cookie} OR d.stray_digest = {cookie}
    ORDER BY CASE WHEN d.revoked_at IS NULL THEN 0 ELSE 1 END, d.last_seen_at DESC, d.id LIMIT 1
    """


_FIND_RETURNED = Statement(
    "find returned cookie",
    (("person", "bytea"), ("cookie", "bytea")),
    (_returned(":{}"),),
    f"SELECT n, found.* FROM input, LATERAL ({_returned('input.{}')}) AS found(c0, c1, c2, c3, c4, c5, c6)",
)


@dataclass(frozen=True, slots=True)
class Returned:
    """A cookie that was replaced and came back: `current` is the digest of the one that took its place, and `own` the
    person's device that is known by it, where there is one."""

    current: bytes
    own: bytes | None
    looks: Looks | None
    rotated_at: datetime | None
    is_stray: bool
    is_revoked: bool

    def is_lost_answer(self, sighting: Sighting, now: datetime) -> bool:
        """Whether the browser that had it just never got the next one."""
        if self.is_stray or self.is_revoked or self.rotated_at is None or now - self.rotated_at > LOST_FOR:
            return False
        return is_same_browser(self.looks, sighting)


async def rotate_cookie(db: AsyncConnection, old: bytes, new: bytes, *, now: datetime) -> None:
    """Whoever was known by the cookie with the digest `old` is known by `new` from now on."""
    await send(db, _ROTATE, (old, new, to_micros(now)))


async def hand_out_again(db: AsyncConnection, unseen: bytes, new: bytes) -> None:
    """The same in place of a cookie that was never seen; the ten minutes since it was handed out go on."""
    await send(db, _HAND_OUT_AGAIN, (unseen, new))


async def find_returned(db: AsyncConnection, services: Services, person_id: bytes, cookie: bytes) -> Returned | None:
    """How a cookie that is nobody's any more was one, None where it never was one or was too long ago."""
    return _returned_of(services, await run(db, _FIND_RETURNED, (person_id, cookie)))


async def recognise(
    services: Services, person_id: bytes, sighting: Sighting, cookie: bytes, *, now: datetime
) -> Sighting:
    """The sighting of a browser whose cookie is none of the person's, with what the cookie says all the same."""
    returned = _returned_of(services, await services.database.find(_FIND_RETURNED, (person_id, cookie)))
    if returned is None:
        return sighting
    if not returned.is_lost_answer(sighting, now):
        return replace(sighting, is_cloned=True)
    return replace(sighting, device=returned.own.hex()) if returned.own else sighting


def _returned_of(services: Services, row: Row | None) -> Returned | None:
    if row is None:
        return None
    device_id, current, is_stray, rotated_at, looks, revoked_at, own = row
    return Returned(
        current=cast(bytes, current),
        own=cast(bytes | None, own),
        looks=open_looks(services.sealer, cast(bytes, device_id), cast(bytes | None, looks)),
        rotated_at=None if rotated_at is None else from_micros(cast(int, rotated_at)),
        is_stray=bool(is_stray),
        is_revoked=revoked_at is not None,
    )
