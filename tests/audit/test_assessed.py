"""Events with a place and a score: the score is public, place and reasons are the person's (S44 to S47)."""

import io
import json

import msgspec
import pytest
from sqlalchemy import select, update

from audit.bundle.making import BundleRange, begin_bundle, bundle_events
from audit.bundle.verify import verify_bundle
from audit.catalogue import LOGIN_FAILED
from audit.reading import EventReader, StoredEvent, as_json
from audit.record import ASSESSED_VERSION, VERSION, Event, Origin, RiskNote
from audit.removal.erasure import erase_person
from audit.search.events import search_events
from audit.search.filter import EventFilter
from audit.search.of_person import list_person_events
from audit.tables import events
from audit.verification.verify import verify_log
from base.ids import EVENT, show_id
from identity.person_values import Person
from tests.audit.assessed import PLACE, REASONS, assessed
from tests.audit.reports.small_log import number_and_sign
from tests.audit.test_record import row_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def said(world: World, *told: Event) -> None:
    async with world.services.database.transaction() as db:
        await world.services.emitter.emit_all(db, told, now=world.clock())


async def found(world: World, filter_: EventFilter) -> list[StoredEvent]:
    async with world.services.database.reading() as db:
        page = await search_events(db, world.services.emitter.index, filter_, limit=100, after=None)
        return await EventReader(world.services.sealer).open_all(db, page.rows)


async def findings(world: World) -> list[str]:
    return [each.words for each in (await verify_log(world.services.audit)).findings]


async def erase(world: World, person: Person) -> None:
    async with world.services.database.transaction() as db:
        await erase_person(db, world.services.audit, person.id, now=world.clock(), actor="cli")


def test_an_event_without_score_and_place_is_written_as_ever() -> None:
    row = row_of(assessed(b"p" * 16, risk=None, place=None))
    assert (row["version"], row["risk_score"]) == (VERSION, None)
    assert '"v":1}' in str(row["body"])
    assert "risk" not in msgspec.json.decode(str(row["body"]))
    assert row_of(assessed(b"p" * 16, risk=None, place={}))["body"] == row["body"]


def test_the_body_holds_the_score_and_only_digests_of_place_and_reasons() -> None:
    row = row_of(assessed(b"p" * 16))
    body = msgspec.json.decode(str(row["body"]))
    assert (row["version"], row["risk_score"], row["place"], row["risk_reasons"]) == (ASSESSED_VERSION, 72, None, None)
    assert body["v"] == ASSESSED_VERSION
    assert body["risk"] == {"score": 72, "level": "high", "calibration": "shipped-1", "log_odds": 2.25}
    assert set(body["hidden"]) == {"address", "user_agent", "place", "risk_reasons"}
    assert not any(word in str(row["body"]) for word in ("Ankara", "64500", "device.new", "Lynx"))


def test_the_same_score_has_the_same_bytes_whatever_the_order_of_its_parts() -> None:
    other = assessed(b"p" * 16, place=dict(reversed(PLACE.items())))
    assert row_of(other)["body"] == row_of(assessed(b"p" * 16))["body"]


@pytest.mark.parametrize(("score", "log_odds"), [(-1, 0.0), (101, 0.0), (5, float("nan")), (5, float("inf"))])
def test_a_score_that_is_none_is_a_fault(score: int, log_odds: float) -> None:
    risk = RiskNote(score=score, level="low", calibration="x", log_odds=log_odds)
    with pytest.raises(ValueError, match=r"login\.succeeded has a risk that is none: expected a score of 0 to 100"):
        row_of(assessed(None, risk=risk))


async def test_place_and_reasons_are_given_out_beside_the_score(world: World) -> None:
    ada = await world.person(password=None)
    await said(world, assessed(ada.id))
    (event,) = await found(world, EventFilter(risk_min=72, risk_max=72))
    told = json.loads(json.dumps(as_json(event)))
    assert {name: value for name, value in told.items() if name in ("place",) or name.startswith("risk")} == {
        "place": PLACE, "risk_score": 72, "risk_level": "high", "risk_log_odds": 2.25,
        "risk_calibration": "shipped-1", "risk_reasons": list(REASONS),
    }  # fmt: skip
    assert told["personal"] == {"address": "203.0.113.9", "user_agent": "Lynx/2"}
    assert await found(world, EventFilter(risk_min=73)) == []
    services = world.services
    async with services.database.reading() as db:
        (own, _) = await list_person_events(db, services.emitter, services.sealer, ada.id, limit=9)
    assert (own.place, own.risk_score, own.risk_reasons) == (PLACE, 72, list(REASONS))
    assert own.personal == told["personal"]


async def test_an_erased_person_keeps_no_place_and_no_reasons_and_the_log_still_holds(world: World) -> None:
    """S47"""
    ada = await world.person(password=None)
    await said(world, assessed(ada.id), assessed(ada.id, risk=None), assessed(None, LOGIN_FAILED))
    await number_and_sign(world)
    assert await findings(world) == []
    await erase(world, ada)
    (nobody,) = await found(world, EventFilter(name="login.failed"))
    (first,) = await found(world, EventFilter(name="login.succeeded", risk_min=1))
    (placed,) = [each for each in await found(world, EventFilter(family="login")) if each.risk_score is None]
    assert (first.risk_score, first.risk_level, first.place, first.risk_reasons) == (72, "high", None, None)
    assert (placed.risk_score, placed.risk_level, placed.place, placed.personal) == (None, None, None, None)
    assert (nobody.place, nobody.risk_reasons) == (PLACE, list(REASONS))
    assert await findings(world) == []
    # What comes after the erasure has nothing to open, and keeps the score.
    await said(world, assessed(ada.id))
    (late,) = [each for each in await found(world, EventFilter(risk_min=1)) if each.seq is None]
    assert (late.risk_score, late.place, late.risk_reasons, late.personal) == (72, None, None, {})
    assert await findings(world) == []


def changed(change: str, body: str) -> dict[str, object]:
    """The columns of a row of which one part was changed, so that they fit each other as far as they can."""
    stated = msgspec.json.decode(body)
    values: dict[str, object] = {}
    match change:
        case "score":
            stated["risk"]["score"] = values["risk_score"] = 1
        case "level":
            stated["risk"]["level"] = "low"
        case "to version 1":
            del stated["risk"]
            stated["v"] = values["version"] = 1
            values["risk_score"] = None
        case _:
            stated["risk"] = {"score": 1, "level": "low", "calibration": "x", "log_odds": 0.5}
            stated["v"] = values["version"] = 2
            values["risk_score"] = 1
    return {**values, "body": msgspec.json.encode(stated, order="sorted").decode()}


@pytest.mark.parametrize("is_numbered", [True, False])
@pytest.mark.parametrize("change", ["score", "level", "to version 1", "to version 2"])
async def test_no_score_can_be_changed_in_a_body(world: World, change: str, is_numbered: bool) -> None:
    """S45: of an event that waits for its number no hash is kept yet; its sealed part opens under its body alone."""
    ada = await world.person(password=None)
    if not is_numbered:
        await number_and_sign(world)
    await said(world, assessed(ada.id, risk=None, place=None) if change == "to version 2" else assessed(ada.id))
    if is_numbered:
        await number_and_sign(world)
    async with world.services.database.transaction() as db:
        wanted = events.c.name == "login.succeeded"
        row = (await db.execute(select(events.c.id, events.c.seq, events.c.body).where(wanted))).one()
        values = changed(change, row.body)
        assert values["body"] != row.body
        await db.execute(update(events).where(wanted).values(values))
    waiting = f"the event {show_id(EVENT, row.id)}, which has no number yet: its personal fields do not open"
    expected = f"event {row.seq}: its body does not give its hash" if is_numbered else waiting
    assert [each.startswith(expected) for each in await findings(world)] == [True]


@pytest.mark.parametrize(
    "values",
    [{"risk_score": None}, {"risk_score": 1}, {"place": "{}"}, {"risk_reasons": "[]"}, {"version": 1}],
)
async def test_a_column_that_says_something_else_than_the_body_is_told(world: World, values: dict[str, object]) -> None:
    """S45"""
    ada = await world.person(password=None)
    await said(world, assessed(ada.id))
    await number_and_sign(world)
    async with world.services.database.transaction() as db:
        wanted = events.c.name == "login.succeeded"
        seq = (await db.execute(select(events.c.seq).where(wanted))).scalar_one()
        await db.execute(update(events).where(wanted).values(values))
    (name,) = values
    told = {"version": "v"}.get(name, name)
    assert await findings(world) == [f"event {seq}: {told} in its columns and in its body differ"]
    # What somebody puts there breaks no list and reaches nobody.
    (event,) = await found(world, EventFilter(family="login"))
    assert (event.risk_score, event.place) == (values.get("risk_score", 72), None if name == "version" else PLACE)


@pytest.mark.parametrize(
    "risk",
    [None, {"score": 1}, {"score": "1", "level": "x", "calibration": "x", "log_odds": 0.5}, [], {"more": 1}],
)
async def test_a_body_of_a_version_that_it_is_not_of_is_told(world: World, risk: object) -> None:
    """S45"""
    await said(world, assessed(None, risk=None, place=None))
    async with world.services.database.transaction() as db:
        wanted = events.c.name == "login.succeeded"
        stated = msgspec.json.decode((await db.execute(select(events.c.body).where(wanted))).scalar_one())
        body = msgspec.json.encode({**stated, "risk": risk}, order="sorted").decode()
        await db.execute(update(events).where(wanted).values(body=body))
    (words,) = await findings(world)
    assert words.endswith("its body is not one of a version that this program knows")


async def test_an_outsider_proves_place_and_reasons_by_a_bundle(world: World) -> None:
    """S45"""
    ada = await world.person(password=None)
    await said(world, assessed(ada.id))
    await number_and_sign(world)
    audit, asked = world.services.audit, BundleRange()
    header = await begin_bundle(audit, asked, against=(), with_personal=True, now=world.clock(), actor="cli")
    handed = [each async for each in bundle_events(audit, header.first, header.count, with_personal=True)]
    (signed_in,) = [each for each in handed if each.opened and "place" in each.opened]
    assert signed_in.opened
    assert msgspec.json.decode(signed_in.opened["risk_reasons"]) == list(REASONS)
    whole = b"".join(msgspec.json.encode(each) + b"\n" for each in (header, *handed))
    assert verify_bundle(io.BytesIO(whole), vkey=audit.key.vkey).findings == ()
    (other,) = verify_bundle(io.BytesIO(whole.replace(b"Ankara", b"Izmir!")), vkey=audit.key.vkey).findings
    assert other.words == f"event {signed_in.seq}: place and the digests in its body differ"


async def test_a_field_of_another_service_that_is_called_place_stays_its_own(world: World) -> None:
    kind = LOGIN_FAILED.__class__("orders.sent", LOGIN_FAILED.severity, "", personal=frozenset({"place"}))
    await said(world, Event(type=kind, actor="cli_x", origin=Origin(source="cli_x"), personal={"place": "Shelf 4"}))
    (event,) = await found(world, EventFilter(family="orders"))
    assert (event.place, event.personal) == (None, {"place": "Shelf 4"})
