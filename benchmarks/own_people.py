"""People whom the rows of a person's pages are about: some with authenticator apps, one with many sessions."""

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta

from starlette.requests import Request

from audit.record import Event, Origin
from base.cookies import cookie_name
from identity.accounts import create_person, load_person
from identity.devices import see_device
from identity.factors.totp import code_at, step_of
from identity.factors.totp_store import confirm_pending, load_pending
from identity.passwords import set_password
from identity.person_values import NewPerson, Person
from identity.services import Services
from identity.sessions import start_session
from identity.values import Proof, Standing

APPS = 60
SESSIONS = 50
_BROWSERS = (
    "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0",
    "Mozilla/5.0 (iPhone; CPU iPhone OS 18_5 like Mac OS X) AppleWebKit/605.1.15 Version/18.5 Mobile Safari/604.1",
)


@dataclass(frozen=True, slots=True)
class OwnPeople:
    """Secrets of authenticator apps by username, and the cookies of one of a person's `SESSIONS` browsers."""

    apps: Mapping[str, bytes] = field(default_factory=dict)
    cookies: Mapping[str, str] = field(default_factory=dict)


async def add_own_people(services: Services, password_hash: str) -> OwnPeople:
    """Makes them."""
    apps = {}
    for number in range(APPS):
        person = await _add(services, f"app{number}", password_hash)
        apps[f"app{number}"] = await _give_app(services, person)
    traveller = await _add(services, "traveller", password_hash)
    cookies: dict[str, str] = {}
    for number in range(SESSIONS):
        cookies = await _open_session(services, traveller, _BROWSERS[number % 2])
    return OwnPeople(apps, cookies)


async def _add(services: Services, username: str, password_hash: str) -> Person:
    now = services.clock()
    new = NewPerson(username=username, email=f"{username}@example.com", name="Ada Byron")
    async with services.database.transaction() as db:
        person_id = await create_person(db, services, new, now=now, actor="cli", via="cli")
        await set_password(db, services, person_id, password_hash, why="created", now=now, actor="cli")
        return await load_person(db, person_id)


async def _give_app(services: Services, person: Person) -> bytes:
    # Long ago, so that no step of today is used up.
    now = services.clock() - timedelta(hours=1)
    async with services.database.transaction() as db:
        pending = await load_pending(db, services, person.id, secrets.token_bytes(32), now=now)
        code = code_at(pending.secret, pending.parameters, step_of(now, pending.parameters))
        await confirm_pending(db, services, person.id, pending, code, label="Phone", now=now, origin=Origin())
    return pending.secret


async def _open_session(services: Services, person: Person, user_agent: str) -> dict[str, str]:
    now, told = services.clock(), list[Event]()
    origin = Origin(address="198.51.100.7", user_agent=user_agent)
    standing = Standing(person.id, person.sub, person.state, factors=frozenset({"pwd"}))
    async with services.database.transaction() as db:
        device = await see_device(db, services, person.id, _request(), told=told, now=now, origin=origin)
        opened = await start_session(
            db,
            services,
            standing,
            device_id=device.id,
            proofs=[Proof("pwd", now)],
            told=told,
            now=now,
            origin=origin,
        )
        await services.emitter.emit_all(db, told, now=now)
    return {cookie_name(services.settings, "session"): opened.cookie}


def _request() -> Request:
    return Request({"type": "http", "headers": []})
