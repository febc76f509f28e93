"""Search itself: it finds what a plain look at every event finds, in bounded steps, and by an index each time."""

from __future__ import annotations

import random
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import RowMapping, select, update
from sqlalchemy import event as listen

from audit.catalogue import EventType, Severity
from audit.emit import Born
from audit.record import INSERT_EVENT, Event, Origin
from audit.search import events as searching
from audit.search.events import search_events
from audit.search.filter import EventFilter, Place, parse_cursor, show_cursor
from audit.tables import events
from base.within import store
from tests.world import World

pytestmark = pytest.mark.anyio
START = datetime(2026, 1, 1, tzinfo=UTC)
ADDRESSES = ("203.0.113.1", "203.0.113.2", "198.51.100.1", "2001:db8::1")


def _some(number: int, some: random.Random) -> Born:
    name = some.choice(("order.made", "order.lost", "parcel.sent"))
    severity = some.choice(list(Severity))
    event = Event(
        type=EventType(name, severity, "", frozenset({"note"})),
        actor="orders",
        outcome=some.choice(("success", "failure", "denied")),
        client_id=some.choice(("cli_a", "cli_b", None)),
        origin=Origin(some.choice((*ADDRESSES, None)), source=some.choice(("auth-service", "cli_a Orders"))),
        data={"note": some.choice(("Green Tea", "coffee", 'a "quoted" word'))},
    )
    # Several share an instant.
    return Born(some.randbytes(16), START + timedelta(minutes=number // 3), event)


async def fill(world: World, count: int) -> None:
    some = random.Random(5)
    born = [_some(number, some) for number in range(count)]
    rows = await world.services.emitter.rows_of(born)
    async with world.services.database.transaction() as db:
        await store(db, INSERT_EVENT, rows)
        for each in born[::4]:
            await db.execute(update(events).where(events.c.id == each.id).values(risk_score=some.randrange(101)))


def fits(row: RowMapping, asked: EventFilter, world: World) -> bool:
    """The filters, told the plainest way."""
    index = world.services.emitter.index
    keyed = {"address_index": asked.address, "network_index": asked.network}
    equal = ("client_id", "family", "name", "severity", "outcome")
    text = str(row["body"]).partition('"hidden"')[0].lower()
    return (
        (asked.from_at is None or row["at"] >= asked.from_at)
        and (asked.until_at is None or row["at"] < asked.until_at)
        and all(getattr(asked, name) in (None, row[name]) for name in equal)
        and all(
            value is None or row[name] == index(name.partition("_")[0], value) for name, value in keyed.items()
        )
        and (asked.risk_min is None or (row["risk_score"] is not None and row["risk_score"] >= asked.risk_min))
        and (asked.risk_max is None or (row["risk_score"] is not None and row["risk_score"] <= asked.risk_max))
        and (asked.source is None or str(row["source"]).split(" ")[0] == asked.source)
        and (asked.text is None or asked.text.lower().replace('"', '\\"') in text)
    )  # fmt: skip


def some_filter(some: random.Random) -> EventFilter:
    """One with each filter in it now and then."""
    choices: Mapping[str, tuple[object, ...]] = {
        "from_at": (START + timedelta(minutes=20),), "until_at": (START + timedelta(minutes=60),),
        "address": ADDRESSES, "network": ("203.0.113.0/24", "2001:db8::/48"), "family": ("order", "parcel"),
        "name": ("order.made", "parcel.sent"), "severity": tuple(Severity), "outcome": ("success", "failure", "denied"),
        "client_id": ("cli_a", "cli_b"), "risk_min": (1, 40, 50, 70), "risk_max": (30, 90),
        "source": ("auth-service", "cli_a", "nobody"), "text": ("green tea", 'A "Quoted"', "nowhere at all"),
    }  # fmt: skip
    picked = {name: some.choice(values) for name, values in choices.items() if some.random() < 0.2}
    return replace(EventFilter(), **picked)  # type: ignore[arg-type]


async def test_every_filter_finds_what_a_look_at_every_event_finds(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With steps so small that most searches take several pages, some of them empty."""
    monkeypatch.setattr(searching, "STEPS", (5, 20))
    monkeypatch.setattr(searching, "_LOOK", 10)
    await fill(world, 300)
    database, some = world.services.database, random.Random(11)
    async with database.reading() as db:
        whole = (await db.execute(select(events).order_by(events.c.at.desc(), events.c.id.desc()))).mappings().all()
    for _ in range(120):
        asked, limit = some_filter(some), some.choice((1, 7, 50))
        found, after, pages = [], None, 0
        async with database.reading() as db:
            while pages == 0 or after is not None:
                page = await search_events(db, world.services.emitter.index, asked, limit=limit, after=after)
                found += [bytes(row["id"]) for row in page.rows]
                assert len(page.rows) <= limit
                assert (page.scanned_until is None) or page.next is not None
                after, pages = page.next, pages + 1
                assert pages < 400
        assert found == [bytes(row["id"]) for row in whole if fits(row, asked, world)], asked


async def test_a_page_reads_no_more_than_its_steps_whatever_is_asked(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S50: a search that finds nothing goes on from where it came to, and says how far that is."""
    monkeypatch.setattr(searching, "STEPS", (10, 40))
    await fill(world, 200)
    asked = EventFilter(text="nowhere at all")
    async with world.services.database.reading() as db:
        page = await search_events(db, world.services.emitter.index, asked, limit=50, after=None)
        newest = (
            await db.execute(select(events.c.at, events.c.id).order_by(events.c.at.desc(), events.c.id.desc()))
        ).all()
    assert page.rows == []
    fiftieth = newest[49]
    assert page.next == Place(fiftieth.at, bytes(fiftieth.id))
    assert page.scanned_until == fiftieth.at


@pytest.mark.parametrize(
    ("asked", "index"),
    [
        (EventFilter(), "ix_events_at_id"),
        (EventFilter(person=bytes(16)), "ix_events_person_index_at_id"),
        (EventFilter(address="203.0.113.1"), "ix_events_network_index_at_id"),
        (EventFilter(network="203.0.113.0/24"), "ix_events_network_index_at_id"),
        (EventFilter(client_id="cli_a"), "ix_events_client_id_at_id"),
        (EventFilter(name="order.made"), "ix_events_name_at_id"),
        (EventFilter(family="order"), "ix_events_family_at_id"),
        (EventFilter(severity="HIGH"), "ix_events_raised"),
        (EventFilter(outcome="failure"), "ix_events_not_a_success"),
        (EventFilter(risk_min=70), "ix_events_at_risk"),
        (EventFilter(text="nowhere at all"), "ix_events_at_id"),
        (EventFilter(source="nobody"), "ix_events_at_id"),
        (EventFilter(severity="LOW", outcome="success"), "ix_events_at_id"),
    ],
)
async def test_each_search_walks_along_one_index_and_sorts_nothing(
    world: World, asked: EventFilter, index: str
) -> None:
    """The statements of the first page, explained by the database itself."""
    plans: list[str] = []
    database = world.services.database
    head = "EXPLAIN QUERY PLAN " if database.is_sqlite else "EXPLAIN "
    async with database.reading() as db:
        if not database.is_sqlite:
            # So few rows would be read as a whole.
            await db.exec_driver_sql("SET LOCAL enable_seqscan = off")
            await db.exec_driver_sql("SET LOCAL enable_bitmapscan = off")
        raw: list[tuple[str, object]] = []

        def note(_c: object, _cursor: object, statement: str, parameters: object, *_: object) -> None:
            raw.append((statement, parameters))

        assert db.sync_connection is not None
        listen.listen(db.sync_connection, "before_cursor_execute", note)
        await search_events(db, world.services.emitter.index, replace(asked, until_at=START), limit=5, after=None)
        listen.remove(db.sync_connection, "before_cursor_execute", note)
        for statement, parameters in raw:
            rows = await db.exec_driver_sql(head + statement, parameters)  # type: ignore[arg-type]
            plans += [str(row[-1]) for row in rows]
    whole = "\n".join(plans)
    assert index in whole, whole
    # Those few that were kept of a step may be sorted; what the index gives is not.
    by_time = index == "ix_events_at_id" and asked != EventFilter()
    is_filtered = index == "ix_events_at_risk" or asked.address is not None or by_time
    assert is_filtered or "USE TEMP B-TREE" not in whole
    assert "Sort" not in whole, whole


@given(at=st.datetimes(timezones=st.just(UTC)), id_=st.binary(min_size=16, max_size=16), text=st.text(max_size=80))
def test_only_the_cursor_that_was_given_out_is_one(at: datetime, id_: bytes, text: str) -> None:
    def index(kind: str, value: str) -> bytes:
        return (kind + value).encode()[-32:].rjust(32, b"\0")

    asked, place = EventFilter(family="order"), Place(at, id_)
    cursor = show_cursor(place, asked, index)
    assert parse_cursor(cursor, asked, index) == place
    assert parse_cursor(text, asked, index) is None
    for other in (cursor + "=", cursor[:-1], " " + cursor, cursor + "A"):
        assert parse_cursor(other, asked, index) is None
