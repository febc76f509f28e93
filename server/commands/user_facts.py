"""What `ostiary user list|show` tell of people beside their names: factors, locked doors, sessions, dates."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import PERSON, parse_id, show_id
from identity import accounts
from identity.errors import Refused
from identity.names import login_key
from identity.person_values import Person
from identity.services import Services
from identity.tables import credentials, people, sessions
from identity.unlocking import find_locked

_CHUNK = 500


@dataclass(frozen=True, slots=True)
class Facts:
    """Of one person: the kinds of what proves them, live sessions, until when a door is closed, coming dates."""

    factors: tuple[str, ...]
    sessions: int
    locked_until: datetime | None
    enrol_due_at: datetime | None
    delete_at: datetime | None


async def load_person(db: AsyncConnection, who: str) -> Person:
    """The account that an id, a username or a mail address means; raises Refused where there is none."""
    person_id = parse_id(PERSON, who)
    if person_id is not None:
        found = await accounts.find_person(db, person_id)
    else:
        key = login_key(who)
        found = None if key is None else await accounts.find_person_by_login(db, key)
    if found is None:
        raise Refused("who", f"there is no account {who}")
    return found


async def load_facts(
    db: AsyncConnection, services: Services, found: Sequence[Person], *, now: datetime
) -> dict[bytes, Facts]:
    """The facts of these people by their ids."""
    facts: dict[bytes, Facts] = {}
    for start in range(0, len(found), _CHUNK):
        ids = [person.id for person in found[start : start + _CHUNK]]
        kinds, live, dates = await _load_kinds(db, ids), await _count_sessions(db, ids, now), await _load_dates(db, ids)
        locked = await find_locked(db, services, ids, now=now)
        for each in ids:
            facts[each] = Facts(
                tuple(sorted(kinds.get(each, ()))), live.get(each, 0), locked.get(each), *dates.get(each, (None, None))
            )
    return facts


async def _load_kinds(db: AsyncConnection, ids: Sequence[bytes]) -> Mapping[bytes, set[str]]:
    query = select(credentials.c.person_id, credentials.c.kind).where(credentials.c.person_id.in_(ids))
    kinds: dict[bytes, set[str]] = {}
    for person_id, kind in await db.execute(query):
        kinds.setdefault(bytes(person_id), set()).add(kind)
    return kinds


async def _count_sessions(db: AsyncConnection, ids: Sequence[bytes], now: datetime) -> Mapping[bytes, int]:
    is_live = (sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now, sessions.c.expires_at > now)
    query = select(sessions.c.person_id, func.count()).where(sessions.c.person_id.in_(ids), *is_live)
    rows = await db.execute(query.group_by(sessions.c.person_id))
    return {bytes(person_id): count for person_id, count in rows}


async def _load_dates(
    db: AsyncConnection, ids: Sequence[bytes]
) -> Mapping[bytes, tuple[datetime | None, datetime | None]]:
    query = select(people.c.id, people.c.enrol_due_at, people.c.delete_at).where(people.c.id.in_(ids))
    return {bytes(person_id): (due, delete) for person_id, due, delete in await db.execute(query)}


def shown(person: Person, facts: Facts) -> dict[str, object]:
    """The person as the command line shows them: no secret, and no hash."""
    return {
        "id": show_id(PERSON, person.id),
        "username": person.username,
        "state": person.state,
        "is_admin": person.is_admin,
        "emails": [
            {"address": email.address, "primary": email.is_primary, "verified": email.verified_at is not None}
            for email in person.emails
        ],
        "profile": dict(person.profile),
        "factors": list(facts.factors),
        "sessions": facts.sessions,
        "locked_until": _shown_date(facts.locked_until),
        "enrol_due_at": _shown_date(facts.enrol_due_at),
        "delete_at": _shown_date(facts.delete_at),
        "created_at": person.created_at.isoformat(),
    }


def _shown_date(at: datetime | None) -> str | None:
    return None if at is None else at.isoformat()
