"""The access review: everybody and everything that can do something is in it, and what stands out is named."""

from __future__ import annotations

import csv
import io
import zipfile
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, insert, select, update

import identity.access_review
from audit.reports.forms import Form, write_report
from audit.reports.model import Report, Section, Table, encode_report
from audit.reports.opening import open_report
from audit.reports.words import load_words
from base.ids import PERSON, new_id, show_id
from identity.access_review.review_values import ClientAccess, Flag, PersonAccess, flags_of_client, flags_of_person
from identity.membership_tables import groups, role_members, roles
from identity.tables import clients, credentials, grants, people, sessions
from server.report_kinds import access_sections, compose_access
from tests.audit.reports.test_words import sentences, translated
from tests.world import World

pytestmark = pytest.mark.anyio


NOW = datetime(2026, 11, 22, 20, 0, tzinfo=UTC)
PERSON_ROW = PersonAccess(
    id=bytes(16), state="active", is_admin=False, created_at=NOW, factors=frozenset(), has_password=True,
    last_seen_at=NOW, memberships=(), applications=(), live=0, has_strong=True,
)  # fmt: skip
CLIENT = ClientAccess(
    client_id="cli_1", name="Orders", auth_method="none", grants=(), scopes=(), apis=(), is_disabled=False,
    created_at=NOW, last_used_at=NOW, secret_at=NOW, secrets=1, live=0,
)  # fmt: skip


async def review(world: World, *, language: str = "en") -> Report:
    return await compose_access(world.services, language=language, made_by="cli", now=world.clock())


def section(report: Report, key: str) -> Section:
    return next(each for each in report.sections if each.key == key)


def rows(report: Report, key: str, name: str) -> dict[str, dict[str, object]]:
    """A table's rows by their first cell, each as a mapping."""
    table: Table = next(each for each in section(report, key).tables if each.key == name)
    names = [column.key for column in table.columns]
    return {str(row[0]): dict(zip(names, row, strict=True)) for row in table.rows}


async def add_factor(world: World, person_id: bytes, kind: str) -> None:
    now = world.clock()
    row = {"id": new_id(now), "person_id": person_id, "kind": kind, "attributes": {}, "created_at": now, "version": 1}
    async with world.services.database.transaction() as db:
        await db.execute(insert(credentials).values(row))


async def test_every_account_is_in_it_with_what_it_has(world: World) -> None:
    ada, bob = await world.person("ada", admin=True), await world.person("bob")
    await add_factor(world, ada.id, "totp")
    client = await world.client(first_party=False)
    now = world.clock()
    async with world.services.database.transaction() as db:
        role = {"id": new_id(now), "name": "auditor", "description": "", "created_at": now, "version": 1}
        await db.execute(insert(roles).values(role))
        await db.execute(insert(role_members).values(role_id=role["id"], person_id=bob.id, created_at=now))
    async with world.browser() as browser:
        await world.sign_in(browser, ada)
    found = rows(await review(world), "people", "people")
    assert found.keys() == {show_id(PERSON, ada.id), show_id(PERSON, bob.id)}
    mine, his = found[show_id(PERSON, ada.id)], found[show_id(PERSON, bob.id)]
    assert (mine["state"], mine["role"], mine["factors"]) == ("active", "administrator", "authenticator app")
    assert (mine["seen"], mine["days"], mine["flags"]) == (f"{now:%Y-%m-%d}", "0 days ago", None)
    assert (his["role"], his["factors"], his["access"], his["seen"]) == (None, "no second factor", "auditor", "never")
    # What is filled in by hand is left free.
    assert {(each["keep"], each["remove"], each["remarks"]) for each in found.values()} == {(" ", " ", " ")}
    apps = rows(await review(world), "applications", "applications")
    mine = apps[client.client.client_id]
    assert (mine["state"], mine["method"], mine["secret"]) == ("active", "client_secret_basic", "0 days")
    assert "https://api.example.com: orders:read orders:write" in str(mine["scopes"])
    assert (await review(world)).is_signed_off


async def test_administrators_without_a_second_factor_stand_out(world: World) -> None:
    ada, bob = await world.person("ada", admin=True), await world.person("bob", admin=True)
    await add_factor(world, bob.id, "passkey_bound")
    report = await review(world)
    assert rows(report, "overview", "flags")[show_id(PERSON, ada.id)]["what"] == "administrator without a second factor"
    assert show_id(PERSON, bob.id) not in rows(report, "overview", "flags")
    figures = {each.key: each.value for each in section(report, "overview").figures}
    assert (figures["admins"], figures["bare"], figures["flags"]) == (2, 1, 1)
    # Backup codes alone are no second factor.
    await add_factor(world, ada.id, "backup_codes")
    assert rows(await review(world), "people", "people")[show_id(PERSON, ada.id)]["flags"] is not None


async def test_what_was_not_used_for_90_days_stands_out_and_a_day_less_does_not(world: World) -> None:
    used, unused = await world.person("used"), await world.person("unused")
    service = await world.client(grants=("client_credentials",), redirect_uris=(), post_logout_redirect_uris=())
    world.clock.move(days=89)
    assert rows(await review(world), "overview", "flags") == {}
    async with world.browser() as browser:
        await world.sign_in(browser, used)
    world.clock.move(days=2)
    found = rows(await review(world), "overview", "flags")
    assert found.keys() == {show_id(PERSON, unused.id), service.client.client_id}
    # A token is a use.
    assert (await world.token(service, grant_type="client_credentials")).status_code == 200
    found = rows(await review(world), "overview", "flags")
    assert found.keys() == {show_id(PERSON, unused.id)}
    assert rows(await review(world), "applications", "applications")[service.client.client_id]["days"] == "0 days ago"


async def test_a_secret_that_is_older_than_a_year_stands_out(world: World) -> None:
    client = await world.client()
    world.clock.move(days=366)
    flags = rows(await review(world), "applications", "applications")[client.client.client_id]["flags"]
    assert flags == "a secret older than a year; not used for 90 days"
    world.clock.move(days=-2)
    flags = rows(await review(world), "applications", "applications")[client.client.client_id]["flags"]
    assert flags == "not used for 90 days"


async def test_a_closed_account_with_something_that_still_lives_stands_out(world: World) -> None:
    ada, client = await world.person("ada"), await world.client(first_party=False)
    await world.tokens(await world.client(name="Mail"), ada, scope="openid offline_access")
    async with world.services.database.transaction() as db:
        # As no command of ours would leave it: those end sessions and grants themselves.
        await db.execute(update(people).where(people.c.id == ada.id).values(state="disabled"))
        await db.execute(update(clients).where(clients.c.name == "Mail").values(disabled_at=world.clock()))
    report = await review(world)
    found = rows(report, "overview", "flags")
    assert found[show_id(PERSON, ada.id)]["what"] == "closed, but sessions or grants still live"
    assert len(found) == 2
    assert client.client.client_id not in found
    assert rows(report, "people", "people")[show_id(PERSON, ada.id)]["access"] == "Mail"
    async with world.services.database.transaction() as db:
        await db.execute(update(sessions).values(ended_at=world.clock()))
        await db.execute(update(grants).values(ended_at=world.clock()))
    assert rows(await review(world), "overview", "flags") == {}


async def test_those_that_stand_out_come_first_and_deleted_people_not_at_all(world: World) -> None:
    for name in ("one", "two"):
        await world.person(name)
    gone, admin = await world.person("gone"), await world.person("zoe", admin=True)
    async with world.services.database.transaction() as db:
        await db.execute(update(people).where(people.c.id == gone.id).values(state="deleted"))
    found = rows(await review(world), "people", "people")
    assert next(iter(found)) == show_id(PERSON, admin.id)
    assert show_id(PERSON, gone.id) not in found
    assert len(found) == 3


async def test_names_are_opened_when_it_is_shown_and_stored_nowhere(world: World) -> None:
    """S47"""
    await world.person("ada")
    report, sections = await review(world), access_sections()
    assert b"ada@example.com" not in encode_report(report)
    opened = await open_report(world.services.audit, sections, report)
    written = await write_report(opened, load_words("en", sections.folders), Form.CSV)
    with zipfile.ZipFile(io.BytesIO(written.body)) as archive:
        table = list(csv.reader(io.TextIOWrapper(archive.open("people-people.csv"), "utf-8-sig")))
    assert table[0][-3:] == ["Keep", "Remove", "Remarks"]
    assert "ada@example.com" in table[1][0]


async def test_a_name_that_looks_like_a_formula_computes_nothing(world: World) -> None:
    """S46"""
    await world.client(name="=HYPERLINK(1)")
    async with world.services.database.transaction() as db:
        now = world.clock()
        await db.execute(insert(groups).values(id=new_id(now), name="+1", created_at=now, version=1))
        assert (await db.execute(select(func.count()).select_from(groups))).scalar_one() == 1
    report, sections = await review(world), access_sections()
    opened = await open_report(world.services.audit, sections, report)
    written = await write_report(opened, load_words("en", sections.folders), Form.CSV)
    with zipfile.ZipFile(io.BytesIO(written.body)) as archive:
        assert "'=HYPERLINK(1)" in archive.read("applications-applications.csv").decode("utf-8-sig")


def test_every_text_is_translated_to_turkish_and_none_is_left_over() -> None:
    room = Path(str(identity.access_review.__file__)).parent
    said = {each[0] for each in sentences(sorted(room.glob("*.py")))} | {"Access review"}
    told = translated(room / "locale" / "tr.po")
    assert set(told) - {""} == said
    assert [key for key, texts in told.items() if key and not all(texts)] == []


def test_the_rules_of_what_stands_out() -> None:
    old = NOW - timedelta(days=91)
    assert flags_of_person(PERSON_ROW, NOW) == ()
    assert flags_of_person(replace(PERSON_ROW, last_seen_at=old), NOW) == (Flag.UNUSED,)
    assert flags_of_person(replace(PERSON_ROW, last_seen_at=None, created_at=old), NOW) == (Flag.UNUSED,)
    # A closed account needs not be used.
    assert flags_of_person(replace(PERSON_ROW, last_seen_at=old, state="suspended"), NOW) == ()
    assert flags_of_person(replace(PERSON_ROW, state="suspended", live=1), NOW) == (Flag.CLOSED_BUT_LIVE,)
    assert flags_of_person(replace(PERSON_ROW, is_admin=True, has_strong=False), NOW) == (Flag.BARE_ADMIN,)
    assert flags_of_client(CLIENT, NOW) == ()
    assert flags_of_client(replace(CLIENT, last_used_at=old), NOW) == (Flag.UNUSED,)
    assert flags_of_client(replace(CLIENT, is_disabled=True, live=2), NOW) == (Flag.CLOSED_BUT_LIVE,)
    assert flags_of_client(replace(CLIENT, secret_at=NOW - timedelta(days=366)), NOW) == (Flag.OLD_SECRET,)
