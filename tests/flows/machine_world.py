"""The deployment that the sign-in machine plays with: cheap to open afresh, its time moved by hand."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import cast

from sqlalchemy import select, text

from base.tables import outbox
from identity.accounts import create_person, load_person
from identity.mail.letter_values import Letter
from identity.mail.outbox import open_letter
from identity.passwords import set_password
from identity.person_values import NewPerson, Person
from policy.assurance import AAL2
from policy.values import Decision, SigninFacts, SigninRules
from tests.signin_policy import decide
from tests.world import CreatedClient, MovableClock, World, open_world

START = datetime(2031, 5, 14, 9, 0, 0, tzinfo=UTC)
FIRST_PASSWORDS = {"ada": "seven herons cross the weir 1", "bela": "nine lanterns over wet slate 2"}
NAMES = {"ada": "Ada Quillfeather", "bela": "Bela Stonebrook"}
# What a refused form must leave as it was; `last_seen_at` and counters of failures are no part of that.
_GUARDED = (
    "SELECT hex(id), hex(digest), hex(person_id), hex(device_id), ended_at, auth_time, expires_at FROM sessions",
    "SELECT hex(session_id), method, at FROM session_proofs",
    "SELECT hex(id), hex(person_id), kind, hash, label, sign_count, attributes FROM credentials",
    "SELECT hex(digest), used_at FROM backup_codes",
    "SELECT hex(id), state, not_before, enrol_due_at FROM people",
    "SELECT hex(person_id), hex(cookie_digest), trusted_until, revoked_at FROM devices",
    "SELECT hex(person_id), client_id, audience, scope FROM consents",
    "SELECT hex(id), ended_at FROM grants",
    "SELECT hex(digest), used_at FROM single_use WHERE used_at IS NOT NULL",
)


@dataclass
class TickingClock(MovableClock):
    """A clock that goes on by a millisecond whenever it is read, and otherwise only by being moved."""

    ticks: int = 0

    def __call__(self) -> datetime:
        self.ticks += 1
        return self.now

    @property
    def now(self) -> datetime:
        """The time; looking at it this way does not let it go on."""
        return START + self.shift + timedelta(milliseconds=self.ticks)


@dataclass
class Rule:
    """The built-in policy with a demand of the deployment that can be turned on and off while it runs."""

    required: bool = False

    def __call__(self, facts: SigninFacts) -> Decision:
        return decide(facts, SigninRules(mfa_required=self.required))


@dataclass(frozen=True)
class Ground:
    """A database with two people and three applications in it, to be copied for each example."""

    template: Path
    people: dict[str, Person]
    clients: dict[str, CreatedClient]


async def make_ground(migrated_url: str, folder: Path) -> Ground:
    """Fills a migrated database once."""
    async with open_world(migrated_url, folder, clock=TickingClock()) as world:
        people = {login: await _make_person(world, login) for login in NAMES}
        clients = {
            "plain": await world.client(name="Plain"),
            "asking": await world.client(name="Asking", first_party=False),
            "strong": await world.client(name="Strong", required_acr=AAL2),
        }
    path = Path(migrated_url.removeprefix("sqlite:///"))
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    return Ground(path, people, clients)


async def _make_person(world: World, login: str) -> Person:
    new = NewPerson(username=login, email=f"{login}@example.com", name=NAMES[login])
    hashed = await world.services.hashes.hash(FIRST_PASSWORDS[login])
    async with world.services.database.transaction() as db:
        now = world.clock()
        person_id = await create_person(db, world.services, new, now=now, actor="cli", via="cli")
        await set_password(db, world.services, person_id, hashed, why="created", now=now, actor="cli")
        return await load_person(db, person_id)


@dataclass
class Scene:
    """One deployment over a copy of the ground, and what is looked up in its database."""

    world: World
    clock: TickingClock
    rule: Rule
    read_letters: int = 0
    # How long the next form lies open before it is sent.
    pause: timedelta = timedelta()

    def let_lie(self) -> None:
        """The form that is sent next was left open for a while."""
        self.clock.shift += self.pause
        self.pause = timedelta()

    async def new_letters(self) -> list[Letter]:
        """The letters that were promised since this was last asked, oldest first."""
        query = select(outbox).order_by(outbox.c.created_at, outbox.c.id).offset(self.read_letters)
        async with self.world.services.database.reading() as db:
            rows = (await db.execute(query)).all()
        self.read_letters += len(rows)
        return [open_letter(self.world.services.sealer, row.id, row.sealed) for row in rows]

    async def guarded(self) -> list[list[tuple[object, ...]]]:
        """All that only an accepted form may change."""
        async with self.world.services.database.reading() as db:
            return [sorted(map(tuple, (await db.execute(text(query))).all()), key=repr) for query in _GUARDED]

    async def outcomes_after(self, at: datetime) -> list[tuple[str, str]]:
        """The names and outcomes of the events after then."""
        query = text("SELECT name, outcome FROM events WHERE at > :at ORDER BY at, id")
        async with self.world.services.database.reading() as db:
            rows = await db.execute(query, {"at": int(at.timestamp() * 1_000_000)})
            return [(str(row.name), str(row.outcome)) for row in rows]

    async def newest_app(self) -> str:
        """The id, as pages show it, of the authenticator app that was added last."""
        rows = await self._ids("SELECT id FROM credentials WHERE kind = 'totp' ORDER BY created_at DESC, id DESC")
        return f"fac_{rows[0].hex()}"

    async def ended_sessions(self) -> set[bytes]:
        """The digests of the cookies of sessions that ended."""
        return set(await self._ids("SELECT digest FROM sessions WHERE ended_at IS NOT NULL"))

    async def remembering_devices(self) -> set[bytes]:
        """The digests of the cookies of browsers that stand in for a second factor."""
        return set(await self._ids("SELECT cookie_digest FROM devices WHERE trusted_until IS NOT NULL"))

    async def revoked_devices(self) -> set[bytes]:
        """The digests of the cookies of browsers that are nobody's any more."""
        return set(await self._ids("SELECT cookie_digest FROM devices WHERE revoked_at IS NOT NULL"))

    async def _ids(self, query: str) -> list[bytes]:
        async with self.world.services.database.reading() as db:
            return [bytes(cast(bytes, row[0])) for row in await db.execute(text(query))]


@asynccontextmanager
async def open_scene(ground: Ground, folder: Path, *, required: bool) -> AsyncIterator[Scene]:
    """A fresh deployment; `required`: it demands a second factor of everybody."""
    path = folder / "scene.sqlite"
    for old in folder.glob("scene.sqlite*"):
        old.unlink()
    shutil.copyfile(ground.template, path)
    clock, rule = TickingClock(timedelta(minutes=1)), Rule(required)
    url = f"sqlite:///{path}"
    async with open_world(url, folder, clock=clock, policy=rule, refusal_deadline=timedelta()) as world:
        yield Scene(world, clock, rule)
