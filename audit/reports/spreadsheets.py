"""The tables of a report as CSV and XLSX. No cell can become a formula, whoever chose its text (S46)."""

import csv
import io
import re
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from audit.reports.display import show_period
from audit.reports.model import Cell, Chart, Column, Report, Table
from audit.reports.words import Words

if TYPE_CHECKING:
    from xlsxwriter.format import Format
    from xlsxwriter.worksheet import Worksheet

# What spreadsheets take for the beginning of a formula, in its full-width forms too.
_FORMULA = re.compile(r"[\s\u200b\ufeff]*[=+\-@\t\r\n\uff1d\uff0b\uff0d\uff20\u2212\ufe62\ufe63\ufe66\ufe6b]")
_SHEET_NAME = re.compile(r"[\[\]:*?/\\']")
_FIRST_BYTES = "\ufeff"


def safe_cell(value: Cell) -> Cell:
    """The value so that a spreadsheet shows it and computes nothing: texts like formulas get an apostrophe."""
    if not isinstance(value, str):
        return value
    return f"'{value}" if _FORMULA.match(value) else value


def sheets(report: Report, words: Words) -> list[tuple[str, Table]]:
    """Every table by its name (`section-table`): figures first, then charts as numbers, then the tables."""
    found: list[tuple[str, Table]] = [("figures", _figures(report, words))]
    for section in report.sections:
        found += [(f"{section.key}-{chart.key}-chart", _of_chart(chart)) for chart in section.charts]
        found += [(f"{section.key}-{table.key}", table) for table in section.tables]
    return found


def _figures(report: Report, words: Words) -> Table:
    rows = [
        (section.title, figure.label, figure.value, figure.before)
        for section in report.sections
        for figure in section.figures
    ]
    columns = (
        Column("section", words.text("Section")),
        Column("figure", words.text("Figure")),
        Column("value", words.text("Value"), "number"),
        Column("before", words.text("Before"), "number"),
    )
    return Table(key="figures", title=words.text("Figures"), columns=columns, rows=tuple(rows), empty="")


def _of_chart(chart: Chart) -> Table:
    columns = (
        Column("label", chart.axis or chart.title),
        *(Column(f"series_{number}", each.name, "number") for number, each in enumerate(chart.series)),
    )
    values = zip(chart.labels, *(each.values for each in chart.series), strict=True)
    return Table(key=chart.key, title=chart.title, columns=columns, rows=tuple(values), empty="")


def write_csv(table: Table) -> bytes:
    """One table (RFC 4180, UTF-8 with a mark at its beginning, by which spreadsheets know it)."""
    text = io.StringIO(_FIRST_BYTES)
    text.seek(0, io.SEEK_END)
    rows = csv.writer(text, lineterminator="\r\n")
    rows.writerow([safe_cell(column.title) for column in table.columns])
    rows.writerows([safe_cell(cell) for cell in row] for row in table.rows)
    return text.getvalue().encode()


def write_csv_zip(report: Report, words: Words) -> bytes:
    """A file a table."""
    packed = io.BytesIO()
    made_at = report.made_at.astimezone(UTC).timetuple()[:6]
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, table in sheets(report, words):
            entry = zipfile.ZipInfo(f"{name}.csv", made_at)
            entry.external_attr = 0o644 << 16
            archive.writestr(entry, write_csv(table), zipfile.ZIP_DEFLATED)
    return packed.getvalue()


def write_xlsx(report: Report, words: Words) -> bytes:
    """A workbook with a sheet a table; texts are written as texts, whatever they look like."""
    # 40 ms that only a workbook needs.
    import xlsxwriter

    packed = io.BytesIO()
    as_texts = dict.fromkeys(("strings_to_formulas", "strings_to_urls", "strings_to_numbers"), False)
    with xlsxwriter.Workbook(packed, {"in_memory": True, **as_texts}) as book:
        title = f"{report.title} · {show_period(report, words)}"
        book.set_properties({"title": title, "author": report.deployment.service_name, "comments": report.id,
                             "created": report.made_at.astimezone(UTC).replace(tzinfo=None)})  # fmt: skip
        head = book.add_format({"bold": True, "bottom": 1, "text_wrap": True, "valign": "top"})
        formats = {
            "moment": book.add_format({"num_format": "yyyy-mm-dd hh:mm:ss"}),
            "share": book.add_format({"num_format": "0.0%"}),
            "number": book.add_format({"num_format": "#,##0.##"}),
        }
        names: set[str] = set()
        for name, table in sheets(report, words):
            sheet = book.add_worksheet(_sheet_name(name, names))
            sheet.freeze_panes(1, 0)
            for place, column in enumerate(table.columns):
                sheet.write_string(0, place, column.title, head)
                sheet.set_column(place, place, _width(table, place))
                for number, row in enumerate(table.rows, start=1):
                    _write(sheet, number, place, row[place], column, formats)
            if table.rows:
                sheet.autofilter(0, 0, len(table.rows), len(table.columns) - 1)
    return packed.getvalue()


def _write(
    sheet: "Worksheet", row: int, place: int, value: Cell, column: Column, formats: Mapping[str, "Format"]
) -> None:
    if value is None:
        return
    if isinstance(value, str) and column.kind == "moment":
        # Spreadsheets know no time zone; the column's moments are UTC.
        at = datetime.fromisoformat(value).astimezone(UTC).replace(tzinfo=None)
        sheet.write_datetime(row, place, at, formats["moment"])
    elif isinstance(value, str):
        sheet.write_string(row, place, value)
    else:
        sheet.write_number(row, place, value, formats.get(column.kind))


def _width(table: Table, place: int) -> int:
    lengths = [len(str(row[place])) for row in table.rows[:200]]
    return min(60, max(len(table.columns[place].title), *lengths, 8) + 2)


def _sheet_name(name: str, names: set[str]) -> str:
    """At most 31 characters, none that a sheet's name may not have, and each once."""
    short = _SHEET_NAME.sub(" ", name)[:31]
    number = 2
    while short.lower() in names:
        short, number = f"{short[:27]} {number}", number + 1
    names.add(short.lower())
    return short
