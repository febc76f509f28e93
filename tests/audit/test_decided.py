"""Events that follow from a decision of the policies say the revision of their set, in a body of version 3 (S45)."""

from dataclasses import replace

import msgspec
import pytest
from sqlalchemy import select, update

from audit.reading import EventReader, as_json
from audit.record import ASSESSED_VERSION, DECIDED_VERSION, Event
from audit.removal.erasure import erase_person
from audit.tables import events
from audit.verification.verify import verify_log
from tests.audit.assessed import PLACE, assessed
from tests.audit.reports.small_log import number_and_sign
from tests.audit.test_record import row_of
from tests.world import World

pytestmark = pytest.mark.anyio
SIGNED_IN = events.c.name == "login.succeeded"


def decided(person: bytes | None, **parts: object) -> Event:
    return replace(assessed(person), policy_revision=5, **parts)  # type: ignore[arg-type]


async def said(world: World, *told: Event) -> None:
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, told, now=world.clock())
    await number_and_sign(world)


async def findings(world: World) -> list[str]:
    return [each.words for each in (await verify_log(world.services.audit)).findings]


def test_the_body_holds_the_revision_beside_the_score() -> None:
    row = row_of(decided(b"p" * 16))
    body = msgspec.json.decode(str(row["body"]))
    assert (row["version"], row["risk_score"], row["policy_revision"]) == (DECIDED_VERSION, 72, 5)
    assert (body["v"], body["policy"], body["risk"]["score"]) == (DECIDED_VERSION, 5, 72)
    bare = msgspec.json.decode(str(row_of(decided(b"p" * 16, risk=None, place=None))["body"]))
    assert (bare["v"], bare["policy"], bare["risk"]) == (DECIDED_VERSION, 5, None)
    assert row_of(assessed(b"p" * 16))["version"] == ASSESSED_VERSION


async def test_the_revision_is_given_out_also_after_the_person_was_erased(world: World) -> None:
    """S47"""
    ada = await world.person(password=None)
    await said(world, decided(ada.id), decided(ada.id, risk=None, place=None))
    for place in (PLACE, None):
        async with world.services.database.reading() as db:
            rows = (await db.execute(select(events).where(SIGNED_IN))).mappings().all()
            told = [as_json(each) for each in await EventReader(world.services.sealer).open_all(db, rows)]
        told.sort(key=lambda each: each["risk_score"] is None)
        assert [(each["policy_revision"], each["risk_score"]) for each in told] == [(5, 72), (5, None)]
        assert told[0]["place"] == place
        assert await findings(world) == []
        async with world.services.database.transaction() as db:
            await erase_person(db, world.services.audit, ada.id, now=world.clock(), actor="cli")


@pytest.mark.parametrize("revision", [None, 6])
async def test_a_column_that_says_another_revision_than_the_body_is_told(world: World, revision: int | None) -> None:
    await said(world, decided(None))
    async with world.services.database.transaction() as db:
        seq = (await db.execute(select(events.c.seq).where(SIGNED_IN))).scalar_one()
        await db.execute(update(events).where(SIGNED_IN).values(policy_revision=revision))
    assert await findings(world) == [f"event {seq}: policy_revision in its columns and in its body differ"]


@pytest.mark.parametrize("change", [{"policy": 6}, {"policy": "5"}, {"v": 2}, {"policy": None}])
async def test_no_revision_can_be_changed_in_a_body(world: World, change: dict[str, object]) -> None:
    await said(world, decided(None))
    async with world.services.database.transaction() as db:
        row = (await db.execute(select(events.c.seq, events.c.body).where(SIGNED_IN))).one()
        body = msgspec.json.encode({**msgspec.json.decode(row.body), **change}, order="sorted").decode()
        await db.execute(update(events).where(SIGNED_IN).values(body=body, policy_revision=6))
    (words,) = await findings(world)
    assert words.startswith(f"event {row.seq}: its body does not give its hash")
