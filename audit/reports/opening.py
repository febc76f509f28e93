"""Names and addresses for a report that is about to be shown, as far as they can still be opened (S47).

A stored report holds ids alone. Whoever was erased since then stays an id in every old report.
"""

from collections.abc import Mapping
from dataclasses import replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reading import BATCH, EventReader, StoredEvent
from audit.record import network_of
from audit.reports.model import Cell, Column, Report, Table
from audit.reports.scope import Sections
from audit.reports.words import Words, load_words
from audit.services import AuditServices
from audit.tables import events
from audit.word_lists import ACTOR_WORDS
from audit.words import place_word, translate
from base.ids import EVENT, parse_id

_NETWORK, _PLACE = "network", "place"


async def open_report(audit: AuditServices, sections: Sections, report: Report) -> Report:
    """The report with every `person` and `personal` cell as text; persons' ids stand in a column of their own."""
    words = load_words(report.language, sections.folders)
    people, refs = _wanted(report)
    async with audit.database.reading() as db:
        names = await sections.name_ids(db, people) if people else {}
        opened = await _open_events(db, EventReader(audit.sealer), refs)
    opener = _Opener(names, opened, words)
    return replace(
        report,
        sections=tuple(
            replace(section, tables=tuple(opener.table(table) for table in section.tables))
            for section in report.sections
        ),
    )


def hide_people(report: Report, words: Words) -> Report:
    """The report for who may not see personal data: people stand as their ids, what else is personal is left out."""
    note = words.text("Names, addresses, networks and devices are left out; people stand as their ids.")
    return replace(
        report,
        notes=(*report.notes, note),
        sections=tuple(
            replace(section, tables=tuple(_hidden(table, words) for table in section.tables))
            for section in report.sections
        ),
    )


def _hidden(table: Table, words: Words) -> Table:
    kept = [place for place, column in enumerate(table.columns) if column.kind != "personal"]
    columns = [table.columns[place] for place in kept]
    return replace(
        table,
        columns=tuple(replace(each, kind="id") if each.kind == "person" else each for each in columns),
        rows=tuple(
            tuple(_actor(row[place], words) if table.columns[place].kind == "person" else row[place] for place in kept)
            for row in table.rows
        ),
    )


def _actor(who: Cell, words: Words) -> Cell:
    """Who is nobody in particular in words, everybody else as the id."""
    return translate(ACTOR_WORDS[who], words.language) if isinstance(who, str) and who in ACTOR_WORDS else who


def _wanted(report: Report) -> tuple[set[str], set[str]]:
    """The ids of people and of events that the report's cells name."""
    people: set[str] = set()
    refs: set[str] = set()
    for _, table in report.tables():
        for place, column in enumerate(table.columns):
            target = {"person": people, "personal": refs}.get(column.kind)
            if target is not None:
                target.update(cell for row in table.rows if isinstance(cell := row[place], str))
    return {who for who in people if "_" in who}, refs


async def _open_events(db: AsyncConnection, reader: EventReader, refs: set[str]) -> Mapping[str, StoredEvent]:
    by_id = {event_id: ref for ref in refs if (event_id := parse_id(EVENT, ref)) is not None}
    ids, found = list(by_id), {}
    for start in range(0, len(ids), BATCH):
        query = select(events).where(events.c.id.in_(ids[start : start + BATCH]))
        for event in await reader.open_all(db, (await db.execute(query)).mappings().all()):
            found[by_id[bytes(event.id)]] = event
    return found


class _Opener:
    """Opens the tables of one report."""

    def __init__(self, names: Mapping[str, str], opened: Mapping[str, StoredEvent], words: Words) -> None:
        self._names = names
        self._events = opened
        self._words = words

    def table(self, table: Table) -> Table:
        """The table with texts in the place of references."""
        columns: list[Column] = []
        for column in table.columns:
            columns += self._columns(column)
        rows = tuple(
            tuple(cell for each, column in zip(row, table.columns, strict=True) for cell in self._cells(each, column))
            for row in table.rows
        )
        return replace(table, columns=tuple(columns), rows=rows)

    def _columns(self, column: Column) -> list[Column]:
        if column.kind == "person":
            beneath = Column(f"{column.key}_id", self._words.text("{what}: id", what=column.title), "id", "", True)
            return [replace(column, kind="text"), beneath]
        return [replace(column, kind="text", field="")] if column.kind == "personal" else [column]

    def _cells(self, cell: Cell, column: Column) -> list[Cell]:
        if column.kind == "person":
            return self._person(str(cell)) if cell is not None else [None, None]
        return [self._personal(cell, column.field)] if column.kind == "personal" else [cell]

    def _person(self, who: str) -> list[Cell]:
        if who in ACTOR_WORDS:
            return [translate(ACTOR_WORDS[who], self._words.language), None]
        return [self._names.get(who), who]

    def _personal(self, ref: Cell, field: str) -> str | None:
        event = self._events.get(str(ref))
        known = (event.personal if event else None) or {}
        if field == _NETWORK:
            address = known.get("address")
            return network_of(address) if isinstance(address, str) else None
        if field == _PLACE:
            return place_word(event.place) or None if event else None
        value = known.get(field)
        return value if isinstance(value, str) else None
