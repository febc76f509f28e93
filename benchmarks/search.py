"""Search over a million events: the usual filters as an administrator clicks them, on both databases.

`python -m benchmarks.search seed URL COUNT` fills a migrated database for trying it by hand.
"""

import asyncio
import random
import sqlite3
import statistics
import sys
import time
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from itertools import islice
from pathlib import Path

import psycopg

from audit.record import INSERT_EVENT, network_of
from audit.search.events import search_events
from audit.search.filter import EventFilter, Place
from audit.tables import events
from base.database import Database
from base.statements import Row, insert_into
from benchmarks.deployment import DatabaseKind
from benchmarks.figures import Figure
from benchmarks.postgres import start_postgres
from benchmarks.search_events import DAYS, KINDS, NEWEST, Company, make_rows
from migrations.run import upgrade

SEARCHED, QUICK_SEARCHED = 1_000_000, 50_000
MEDIAN_LIMIT_MS, P95_LIMIT_MS, HARDEST_LIMIT_MS = 20.0, 100.0, 1000.0
PAGE = 50
_BATCH = 5_000
_EACH = 25
_NUMBERED = insert_into(events, leave_out=[])
_COLUMNS = ("seq", *INSERT_EVENT.columns)
_KEY = bytes(32)


def measure_search(kind: DatabaseKind, folder: Path, count: int, say: Callable[[str], None]) -> list[Figure]:
    """Fills a new database with `count` events and asks the usual questions of it."""
    folder.mkdir(parents=True, exist_ok=True)
    if kind == "sqlite":
        url = f"sqlite:///{folder / 'search.db'}"
        return _measured(kind, url, count, say)
    postgres, url = start_postgres(folder / "cluster")
    try:
        return _measured(kind, url, count, say)
    finally:
        postgres.stop()


def _measured(kind: DatabaseKind, url: str, count: int, say: Callable[[str], None]) -> list[Figure]:
    company = seed(url, count, say)
    times = asyncio.run(_ask(url, company))
    usual = sorted(each for name, row in times.items() if not name.startswith("hard") for each in row)
    hardest = max(each for name, row in times.items() if name.startswith("hard") for each in row)
    slowest = {name: round(max(row), 1) for name, row in times.items()}
    say("  " + ", ".join(f"{name} {statistics.median(row):.1f}/{max(row):.1f}" for name, row in times.items()) + " ms")
    what = f"of {count} events"
    return [
        Figure(
            row="search", database=kind, what=f"median of the usual filters {what}", value=statistics.median(usual),
            unit=" ms", sense="at most", limit=MEDIAN_LIMIT_MS, details={"searches": len(usual)},
        ),
        Figure(
            row="search", database=kind, what=f"p95 of the usual filters {what}", unit=" ms", sense="at most",
            value=usual[int(len(usual) * 0.95)], limit=P95_LIMIT_MS, details={"slowest_ms": slowest},
        ),
        Figure(
            row="search", database=kind, what=f"slowest page of what finds nothing {what}", value=hardest, unit=" ms",
            sense="at most", limit=HARDEST_LIMIT_MS,
        ),
    ]  # fmt: skip


def seed(url: str, count: int, say: Callable[[str], None]) -> Company:
    """Migrates the database at `url`, if need be, and fills it."""
    upgrade(url)
    company = Company(_KEY)
    began = time.perf_counter()
    if url.startswith("sqlite"):
        _fill_sqlite(url.removeprefix("sqlite:///"), make_rows(company, count))
    else:
        _fill_postgres(url, make_rows(company, count))
    say(f"  {count} events stored in {time.perf_counter() - began:.0f} s")
    return company


def _fill_sqlite(path: str, rows: Iterator[Row]) -> None:
    db = sqlite3.connect(path)
    order = [_COLUMNS.index(name) for name in _NUMBERED.columns]
    while batch := list(islice(rows, _BATCH)):
        db.executemany(_NUMBERED.sqlite, [[row[place] for place in order] for row in batch])
        db.commit()
    db.close()


def _fill_postgres(url: str, rows: Iterator[Row]) -> None:
    with psycopg.connect(url) as db, db.cursor() as cursor:
        with cursor.copy(f"COPY events ({', '.join(_COLUMNS)}) FROM STDIN") as copy:
            for row in rows:
                copy.write_row(row)
        db.commit()
        db.autocommit = True
        # What its own housekeeping does to a table that grew.
        cursor.execute("VACUUM ANALYZE events")


async def _ask(url: str, company: Company) -> Mapping[str, list[float]]:
    database = Database(url)
    times: dict[str, list[float]] = {}
    try:
        for round_ in range(_EACH):
            for name, asked in questions(company, random.Random(round_)).items():
                times.setdefault(name, []).extend([each async for each in _pages(database, company, asked)])
    finally:
        await database.close()
    return times


async def _pages(database: Database, company: Company, asked: EventFilter) -> AsyncIterator[float]:
    """Milliseconds of the first page and the next."""
    after: Place | None = None
    for _ in range(2):
        began = time.perf_counter()
        async with database.reading() as db:
            page = await search_events(db, company.index, asked, limit=PAGE, after=after)
        yield (time.perf_counter() - began) * 1000
        after = page.next
        if after is None:
            return


def questions(company: Company, some: random.Random) -> Mapping[str, EventFilter]:
    """One question of each kind."""
    person, address = some.choice(company.people), some.choice(company.addresses)
    busy, client = company.people[some.randrange(20)], some.choice(company.clients)
    day = NEWEST - timedelta(days=some.randrange(1, DAYS - 1))
    within = EventFilter(from_at=day, until_at=day + timedelta(days=1))
    name = some.choice([kind[0] for kind in KINDS])
    return {
        "newest": EventFilter(),
        "a day": within,
        "person": EventFilter(person=person),
        "busy person": EventFilter(person=busy),
        "person, a day": replace(within, person=person),
        "person, failures": EventFilter(person=busy, outcome="failure"),
        "client": EventFilter(client_id=client),
        "client, name": EventFilter(client_id=client, name="token.refused"),
        "address": EventFilter(address=address),
        "network": EventFilter(network=network_of(address)),
        "network, family": EventFilter(network=network_of(company.addresses[0]), family="login"),
        "family": EventFilter(family=name.partition(".")[0]),
        "rare family": EventFilter(family="policy"),
        "name": EventFilter(name=name),
        "name, a day": replace(within, name=name),
        "high": EventFilter(severity="HIGH"),
        "medium, a day": replace(within, severity="MEDIUM"),
        "failures": EventFilter(outcome="failure"),
        "family, denied": EventFilter(family="login", outcome="denied"),
        "risk": EventFilter(risk_min=70),
        "risk, a day": replace(within, risk_min=50, risk_max=60),
        "source": EventFilter(source="auth-service"),
        "text": EventFilter(text="wrong password"),
        "text, name": EventFilter(text=f"A-{some.randrange(1000):03d}", name="order.refunded"),
        "hard: text that is nowhere": EventFilter(text="no such words anywhere"),
        "hard: two that never meet": EventFilter(family="token", outcome="failure", client_id=client, risk_min=1),
        "hard: a source that is nowhere": EventFilter(source="nobody", family="token"),
    }


if __name__ == "__main__" and sys.argv[1:2] == ["seed"]:
    seed(sys.argv[2], int(sys.argv[3]), print)
