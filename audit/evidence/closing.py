"""A report inside an evidence bundle: without what is personal, and what it states of its events (pure)."""

from dataclasses import replace

from audit.reports.model import Cell, Column, Report, Table


def close_report(report: Report) -> Report:
    """The report as it may be handed out without personal data; it needs no opening."""
    return replace(
        report,
        sections=tuple(
            replace(section, tables=tuple(_closed(table) for table in section.tables)) for section in report.sections
        ),
    )


def _closed(table: Table) -> Table:
    kept = [place for place, column in enumerate(table.columns) if column.kind != "personal"]
    return replace(
        table,
        columns=tuple(_column(table.columns[place]) for place in kept),
        rows=tuple(_row(row, kept) for row in table.rows),
    )


def _column(column: Column) -> Column:
    return replace(column, kind="id") if column.kind == "person" else column


def _row(row: tuple[Cell, ...], kept: list[int]) -> tuple[Cell, ...]:
    return tuple(row[place] for place in kept)


def stated_count(report: Report) -> int | None:
    """How many events of its period a report states, where it does."""
    for section in report.sections:
        for figure in section.figures:
            if (section.key, figure.key) == ("proof", "in_period") and isinstance(figure.value, int):
                return figure.value
    return None
