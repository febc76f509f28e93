"""What this room tells in reports: factors by person, keys without their secrets, and names of ids."""

import pytest
from sqlalchemy import insert

from audit.reports.model import Section
from base.ids import PERSON, new_id, show_id
from identity.report_sections import name_ids
from identity.tables import credentials, people
from tests.audit.reports.small_log import figures_of, opened_report, report_of, section_of, table_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def give(world: World, person_id: bytes, kind: str) -> None:
    """Gives a person a factor."""
    now = world.clock()
    async with world.services.database.transaction() as db:
        row = {"id": new_id(now), "person_id": person_id, "kind": kind, "label": kind, "attributes": {},
               "created_at": now, "version": 1}  # fmt: skip
        await db.execute(insert(credentials).values(row))


async def test_factors_are_counted_by_person_and_only_of_active_ones(world: World) -> None:
    ada, bob, cleo = [await world.person(name, admin=name != "ada") for name in ("ada", "bob", "cleo")]
    gone = await world.person("gone", admin=True)
    await give(world, ada.id, "totp")
    # Two passkeys and an app are one person with a second factor.
    for kind in ("passkey", "passkey_bound", "totp", "backup_codes"):
        await give(world, bob.id, kind)
    await give(world, gone.id, "totp")
    async with world.services.database.transaction() as db:
        await db.execute(people.update().where(people.c.id == gone.id).values(state="disabled"))
    report, _ = await opened_report(world)
    assert {key: value for key, (value, _) in figures_of(report, "factors").items()} == {
        "people": 3, "share": round(2 / 3, 4), "admins": 2, "bare_admins": 1,
    }  # fmt: skip
    section: Section = section_of(report, "factors")
    (chart,) = section.charts
    assert dict(zip(chart.labels, chart.series[0].values, strict=True)) == {
        "Passkey": 1, "Authenticator app": 2, "Backup codes": 1, "No second factor": 1,
    }  # fmt: skip
    assert section.summary == "2 of 3 active people have a second factor. 1 administrator has none."
    (bare,) = table_of(report, "factors", "bare_admins").rows
    assert bare[:2] == ("Ada Byron (cleo@example.com)", show_id(PERSON, cleo.id))


async def test_keys_are_told_with_their_states_and_nothing_secret(world: World) -> None:
    report = await report_of(world)
    rows = table_of(report, "keys", "keys").rows
    assert sorted((row[1], row[2]) for row in rows) == [
        ("ES256", "published, signs next"), ("ES256", "signs"), ("RS256", "published, signs next"), ("RS256", "signs"),
    ]  # fmt: skip
    assert figures_of(report, "keys")["active"] == (2, None)
    assert section_of(report, "keys").summary == "2 keys sign tokens."


async def test_ids_get_the_names_that_people_use_and_unknown_ones_get_none(world: World) -> None:
    ada, client = await world.person("ada"), await world.client(name="Orders")
    wanted = {show_id(PERSON, ada.id), client.client.client_id, "cli_none", "usr_" + "0" * 32, "anonymous", ""}
    async with world.services.database.reading() as db:
        assert await name_ids(db, wanted) == {
            show_id(PERSON, ada.id): "Ada Byron (ada@example.com)",
            client.client.client_id: "Orders",
        }
