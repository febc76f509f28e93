"""An import makes people as single commands would: once, with their events, and with passwords that sign them in."""

from __future__ import annotations

import asyncio
import io
import json
from collections.abc import Iterable, Iterator

import pytest
from sqlalchemy import func, select, text

from audit.tables import events, subject_keys
from identity.accounts import create_person, find_person_by_login, set_person_state
from identity.import_files import Entry, RefusedLine, read_entries
from identity.import_people import BATCH, MAX_SHOWN, Tally, Watch, import_people
from identity.person_values import NewPerson, Person
from identity.tables import credentials, emails, people
from tests.identity.exported_people import (
    DJANGO,
    DJANGO_PASSWORD,
    KEYCLOAK,
    auth0_user,
    django_record,
    keycloak_user,
)
from tests.identity.forms import sign_in
from tests.world import World

pytestmark = pytest.mark.anyio

Lines = Iterable[Entry | RefusedLine]


class Seen:
    """What an import told on the way."""

    def __init__(self) -> None:
        self.refused: list[RefusedLine] = []
        self.read: list[int] = []

    @property
    def watch(self) -> Watch:
        return Watch(refused=self.refused.append, progress=lambda tally: self.read.append(tally.read))


async def bring_in(
    world: World, lines: Lines, *, dry_run: bool = False, emails_verified: bool = False, seen: Seen | None = None
) -> Tally:
    """One import."""
    return await import_people(
        world.services,
        lines,
        emails_verified=emails_verified,
        dry_run=dry_run,
        actor="cli",
        watch=(seen or Seen()).watch,
    )


def entries(*told: dict[str, object]) -> list[Entry | RefusedLine]:
    """Entries as a file would give them."""
    return list(read_entries(io.BytesIO("\n".join(map(json.dumps, told)).encode())))


def crowd(number: int) -> Iterator[Entry | RefusedLine]:
    """So many people."""
    for place in range(number):
        yield Entry(place + 1, {"username": f"person{place}", "email": f"person{place}@example.com"})


async def find(world: World, login: str) -> Person | None:
    async with world.services.database.reading() as db:
        return await find_person_by_login(db, login)


async def count(world: World) -> dict[str, int]:
    """How many rows of each kind there are."""
    tables = (people, emails, credentials, subject_keys, events)
    async with world.services.database.reading() as db:
        return {
            table.name: (await db.execute(select(func.count()).select_from(table))).scalar_one() for table in tables
        }


async def test_everyone_gets_what_a_single_command_would_give_them(world: World) -> None:
    """S44: the rows and the events are the same, whichever way somebody came in."""
    new = {"username": "Ada", "email": "Ada@Example.com", "name": "Ada Byron"}
    async with world.services.database.transaction() as db:
        single = NewPerson(**new, password_hash=DJANGO["argon2"].removeprefix("argon2"))  # type: ignore[arg-type]
        await create_person(db, world.services, single, now=world.clock(), actor="cli", via="import")
    before = await count(world)
    tally = await bring_in(
        world,
        entries({"username": "Eve", "email": "Eve@Example.com", "name": "Eve", "password_hash": DJANGO["argon2"]}),
    )
    assert (tally.made, tally.known, tally.refused) == (1, 0, 0)
    after = await count(world)
    assert {name: after[name] - before[name] for name in after} == {
        "people": 1, "emails": 1, "credentials": 1, "subject_keys": 1, "events": 3,
    }  # fmt: skip
    ada, eve = await find(world, "ada@example.com"), await find(world, "eve")
    assert ada is not None
    assert eve is not None
    assert eve.sub != ada.sub
    assert (eve.username, eve.state, eve.is_admin, eve.version) == ("Eve", "active", False, 1)
    assert eve.profile == {"name": "Eve"}
    assert [(email.address, email.is_primary) for email in eve.emails] == [("Eve@example.com", True)]
    for name in ("admin.person_created", "password.set"):
        one, many = await world.events(name)
        assert one["data"] == many["data"]
        assert {key for key in one if one[key] is not None} == {key for key in many if many[key] is not None}
    [summary] = await world.events("admin.people_imported")
    assert (summary["actor"], summary["data"]) == ("cli", {"made": 1, "known": 0, "refused": 0})


@pytest.mark.parametrize(
    ("entry", "login", "password"),
    [
        (keycloak_user(), "ada", "password"),
        (keycloak_user(credentials=[KEYCLOAK["user1"]]), "ada@example.com", "user1"),
        (auth0_user(), "ada@example.com", "correct horse"),
        (django_record(), "ada", DJANGO_PASSWORD),
        ({"email": "ada@example.com", "password_hash": DJANGO["bcrypt_sha256"]}, "ada@example.com", DJANGO_PASSWORD),
    ],
    ids=["Keycloak", "Keycloak before 9", "Auth0", "Django scrypt", "Django bcrypt over SHA-256"],
)
async def test_an_imported_person_signs_in_with_the_old_password_which_is_then_hashed_anew(
    world: World, entry: dict[str, object], login: str, password: str
) -> None:
    """S21"""
    assert (await bring_in(world, entries(entry))).made == 1
    async with world.browser() as browser:
        assert (await sign_in(browser, login, password + "x")).status_code != 303
        assert (await sign_in(browser, login, password)).status_code == 303
    async with world.services.database.reading() as db:
        stored = (await db.execute(select(credentials.c.hash))).scalar_one()
    assert not world.services.hashes.needs_renewal(str(stored))
    assert len(await world.events("password.hash_renewed")) == 1
    async with world.browser() as again:
        assert (await sign_in(again, login, password)).status_code == 303


async def test_an_argon2_hash_that_is_no_weaker_than_ours_is_kept(world: World) -> None:
    """The tests' own parameters are the cheapest there are."""
    await bring_in(world, entries(keycloak_user(credentials=[KEYCLOAK["secret"]])))
    async with world.browser() as browser:
        assert (await sign_in(browser, "ada", "secret")).status_code == 303
    assert await world.events("password.hash_renewed") == []


async def test_a_disabled_person_stays_out_and_the_event_says_so(world: World) -> None:
    """S18: nobody comes in by an import whom the old system kept out."""
    await bring_in(world, entries(keycloak_user(enabled=False)))
    person = await find(world, "ada")
    assert person is not None
    assert person.state == "disabled"
    async with world.browser() as browser:
        assert (await sign_in(browser, "ada", "password")).status_code != 303
    [created] = await world.events("admin.person_created")
    assert created["data"] == {"is_admin": False, "via": "import", "state": "disabled"}


async def test_a_second_run_changes_nothing(world: World) -> None:
    lines = entries(
        {"username": "ada", "name": "Ada"},
        {"email": "eve@example.com"},
        {"username": "bob", "email": "b@b.com", "email_verified": False},
    )
    assert (await bring_in(world, lines)).made == 3
    before = await count(world)
    again = await bring_in(world, lines)
    assert (again.made, again.known, again.refused) == (0, 3, 0)
    assert await count(world) == before, "no row and no event: nothing happened"


@pytest.mark.parametrize(
    "entry",
    [
        {"username": "ADA", "email": "new@example.com"},
        {"username": "new", "email": "ADA@EXAMPLE.COM"},
        {"email": "ada@example.com", "password_hash": DJANGO["scrypt"]},
        {"username": "\uff41da"},
    ],
)
async def test_whoever_has_the_name_or_the_address_is_left_as_they_are(world: World, entry: dict[str, object]) -> None:
    async with world.services.database.transaction() as db:
        new = NewPerson(username="ada", email="ada@example.com", name="Ada")
        await create_person(db, world.services, new, now=world.clock(), actor="cli", via="cli")
    before, known = await count(world), await find(world, "ada")
    tally = await bring_in(world, entries(entry))
    assert (tally.made, tally.known) == (0, 1)
    assert (await count(world), await find(world, "ada")) == (before, known)


async def test_somebody_else_s_unverified_claim_keeps_nobody_out(world: World) -> None:
    async with world.services.database.transaction() as db:
        squatter = NewPerson(username="eve", email="ada@example.com", email_verified=False)
        await create_person(db, world.services, squatter, now=world.clock(), actor="cli", via="cli")
    assert (await bring_in(world, entries({"email": "ada@example.com"}))).made == 1
    owner = await find(world, "ada@example.com")
    assert owner is not None
    assert owner.username is None


async def test_the_same_person_twice_in_a_file_is_made_once_wherever_they_stand(world: World) -> None:
    far_apart = [*crowd(BATCH), *crowd(1), *entries({"email": "PERSON1@example.com"}, {"username": "Person2"})]
    dry = await bring_in(world, far_apart, dry_run=True)
    tally = await bring_in(world, far_apart)
    assert (tally.made, tally.known) == (dry.made, dry.known) == (BATCH, 3)
    assert (await count(world))["people"] == BATCH


async def test_a_dry_run_writes_nothing_and_says_what_would_be(world: World) -> None:
    await bring_in(world, entries({"username": "ada"}))
    before = await count(world)
    tally = await bring_in(world, entries({"username": "ada"}, {"username": "eve"}, {"username": "a b"}), dry_run=True)
    assert (tally.made, tally.known, tally.refused) == (1, 1, 1)
    assert await count(world) == before


async def test_bad_lines_are_named_and_the_others_come_in(world: World) -> None:
    seen = Seen()
    lines = entries(
        {"username": "ada"}, {"username": "a b"}, {"username": "eve", "password": "hunter2"}, {"username": "bob"}
    )
    tally = await bring_in(world, lines, seen=seen)
    assert (tally.made, tally.refused) == (2, 2)
    assert [(line.line, line.field) for line in seen.refused] == [(2, "username"), (3, "password")]
    assert tally.shown == seen.refused
    assert "hunter2" not in str(seen.refused)
    [summary] = await world.events("admin.people_imported")
    assert summary["data"] == {"made": 2, "known": 0, "refused": 2}


async def test_the_list_of_bad_lines_ends_but_each_is_told(world: World) -> None:
    seen = Seen()
    lines = [RefusedLine(number, "line", "is bad") for number in range(1, MAX_SHOWN + 50)]
    tally = await bring_in(world, lines, seen=seen)
    assert (tally.refused, len(tally.shown), len(seen.refused)) == (MAX_SHOWN + 49, MAX_SHOWN, MAX_SHOWN + 49)
    assert await world.events("admin.people_imported") == [], "nothing was made, so nothing happened"


async def test_an_import_that_was_stopped_goes_on_where_it_was(world: World) -> None:
    """Each batch is there whole or not at all: no person without key, address and events."""

    class Stopped(Exception):
        pass

    def broken_off() -> Iterator[Entry | RefusedLine]:
        yield from crowd(2 * BATCH + 7)
        raise Stopped

    before = await count(world)
    with pytest.raises(Stopped):
        await bring_in(world, broken_off())
    after = await count(world)
    made = {name: after[name] - before[name] for name in after}
    assert made.pop("credentials") == 0
    assert made == dict.fromkeys(("people", "emails", "subject_keys", "events"), 2 * BATCH)
    seen = Seen()
    tally = await bring_in(world, crowd(2 * BATCH + 7), seen=seen)
    assert (tally.made, tally.known) == (7, 2 * BATCH)
    assert seen.read == [BATCH, 2 * BATCH, 2 * BATCH + 7]


async def test_two_imports_at_once_make_nobody_twice(world: World) -> None:
    """S44: on PostgreSQL one meets the other's names only at the insert."""
    one, other = await asyncio.gather(bring_in(world, crowd(BATCH)), bring_in(world, crowd(BATCH)))
    assert one.made + other.made == BATCH
    assert one.known + other.known == BATCH
    assert one.refused + other.refused == 0
    made = await count(world)
    assert (made["people"], made["emails"]) == (BATCH, BATCH)
    assert len(await world.events("admin.person_created")) == BATCH


async def test_whoever_was_disabled_here_is_not_opened_again_by_a_second_run(world: World) -> None:
    """S18"""
    await bring_in(world, entries({"username": "ada"}))
    person = await find(world, "ada")
    assert person is not None
    async with world.services.database.transaction() as db:
        await set_person_state(db, world.services, person.id, "disabled", now=world.clock(), actor="cli")
    assert (await bring_in(world, entries({"username": "ada"}))).known == 1
    after = await find(world, "ada")
    assert after is not None
    assert after.state == "disabled"


async def test_a_row_that_the_database_refuses_costs_one_line_and_not_the_batch(world: World) -> None:
    """A rule of the database's own stands for whatever our rules overlook."""
    rule = (
        "CREATE TRIGGER no_ada BEFORE INSERT ON people WHEN NEW.username_key = 'ada' "
        "BEGIN SELECT RAISE(ABORT, 'no ada'); END"
        if world.services.database.is_sqlite
        else "ALTER TABLE people ADD CHECK (username_key <> 'ada')"
    )
    async with world.services.database.transaction() as db:
        await db.execute(text(rule))
    seen = Seen()
    tally = await bring_in(world, entries({"username": "eve"}, {"username": "ada"}, {"username": "bob"}), seen=seen)
    assert (tally.made, tally.known, tally.refused) == (2, 0, 1)
    assert seen.refused == [RefusedLine(2, "line", "was refused by the database")]
    assert (await count(world))["subject_keys"] == 3, "two people and nobody: of the refused one nothing is left"
