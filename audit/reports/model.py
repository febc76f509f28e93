"""What a report is made of: frozen values, computed once, stored as JSON, and written in every form from there.

Texts are already in the report's language; numbers, moments and durations are raw, and each form shows them.
Nothing about a person stands in it but ids: names and addresses are opened anew whenever a report is shown
(`audit.reports.opening`), so that an erased person is erased from old reports too (S47).
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Literal

import msgspec

REPORT = "rpt_"
VERSION = 1
# Rows of one table that a report keeps; the log has the rest.
MOST_ROWS = 2000

# `moment`: RFC 3339 in UTC. `duration`: seconds. `share`: 0 to 1. `id` and `code` are shown as they are, to be copied.
# Two are opened before a report is shown: `person` is a public id (`usr_…`, `cli_…`, or who else acted), `personal` the
# id of an event of which the column's `field` is shown (`network`: the one around its address; `place`: where that is).
Kind = Literal["text", "number", "share", "duration", "moment", "id", "code", "person", "personal"]
Cell = str | int | float | None
Tone = Literal["good", "bad", "warn", "calm"]
Shape = Literal["stacked", "line", "ranked"]


@dataclass(frozen=True, slots=True)
class Period:
    """From (inclusive) until (exclusive), both aware UTC. A day is 24 hours: UTC knows no summer time."""

    from_at: datetime
    until_at: datetime

    @property
    def before(self) -> "Period":
        """The equally long period that ends where this one begins."""
        return Period(self.from_at - self.length, self.from_at)

    @property
    def length(self) -> timedelta:
        return self.until_at - self.from_at


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One number with its label. `before`: the same of the period before, None where that says nothing.

    `rising` tells what more of it means; `is_key` puts it on the first page and into the letter.
    """

    key: str
    label: str
    value: Cell
    kind: Kind = "number"
    before: int | float | None = None
    rising: Literal["good", "bad", "neither"] = "neither"
    is_key: bool = False


@dataclass(frozen=True, slots=True)
class Series:
    """One row of values of a chart, as many as it has labels."""

    name: str
    values: tuple[int | float, ...]
    tone: Tone = "calm"


@dataclass(frozen=True, slots=True, kw_only=True)
class Chart:
    """Values over labels: bars upon each other, lines, or lying bars under each other (`ranked`, of one series).

    `says` tells in a sentence what there is to see, for who cannot see it.
    """

    key: str
    title: str
    shape: Shape
    labels: tuple[str, ...]
    series: tuple[Series, ...]
    axis: str = ""
    says: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of a table. `is_beneath`: page and PDF show it small under the column before it."""

    key: str
    title: str
    kind: Kind = "text"
    field: str = ""
    is_beneath: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Table:
    """Rows of cells. `total` is how many there are where that is more than the rows kept here.

    `empty` is what is said where there are none.
    """

    key: str
    title: str
    columns: tuple[Column, ...]
    rows: tuple[tuple[Cell, ...], ...]
    empty: str
    total: int = 0


@dataclass(frozen=True, slots=True)
class Passage:
    """A paragraph, or text to be copied to the letter."""

    text: str
    is_code: bool = False
    title: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of a report. `summary` says in plain words what the rest shows, or that there was nothing."""

    key: str
    title: str
    summary: str
    figures: tuple[Figure, ...] = ()
    charts: tuple[Chart, ...] = ()
    tables: tuple[Table, ...] = ()
    passages: tuple[Passage, ...] = ()


@dataclass(frozen=True, slots=True)
class Deployment:
    """Whose report it is."""

    issuer: str
    service_name: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """A whole report. `id` is its public id (`rpt_…`); `is_signed_off`: it ends with lines for names and signatures."""

    id: str
    kind: str
    title: str
    period: Period
    language: str
    made_at: datetime
    made_by: str
    deployment: Deployment
    sections: tuple[Section, ...]
    is_signed_off: bool = True
    version: int = VERSION
    notes: tuple[str, ...] = field(default=())

    @property
    def key_figures(self) -> tuple[Figure, ...]:
        """The figures for the first page, in the order of the sections."""
        return tuple(figure for section in self.sections for figure in section.figures if figure.is_key)

    def tables(self) -> list[tuple[Section, Table]]:
        """Every table with the section that it stands in."""
        return [(section, table) for section in self.sections for table in section.tables]


class UnreadableReport(Exception):
    """A stored report is not of a form that this version knows."""


def encode_report(report: Report) -> bytes:
    """The report as JSON, as it is stored and handed out."""
    return msgspec.json.encode(report)


def decode_report(stored: object) -> Report:
    """The report in JSON's own kinds; raises UnreadableReport."""
    try:
        report = msgspec.convert(stored, Report)
    except msgspec.ValidationError as fault:
        raise UnreadableReport(str(fault)) from fault
    if report.version != VERSION:
        raise UnreadableReport(f"version {report.version}")
    return report


def keep_rows(rows: Sequence[tuple[Cell, ...]]) -> tuple[tuple[Cell, ...], ...]:
    """The rows that a report keeps of so many."""
    return tuple(rows[:MOST_ROWS])
