"""A report as it is read: every value written out, charts drawn, rows shared out; page and PDF are set from this."""

from collections.abc import Iterator, Sequence
from datetime import datetime, timedelta

from audit.reports.charts import draw_chart, printable
from audit.reports.model import Cell, Chart, Column, Figure, Passage, Period, Report, Section, Table
from audit.reports.words import DASH, Words

MOST_SHOWN = 300
# Up to so many letters a column takes what it needs, and of more it asks for no more room than for so many.
_NARROW, _WIDEST = 16, 44
_NUMBERS = ("number", "share", "duration")
Shown = dict[str, object]


def show_report(report: Report, words: Words, *, most_rows: int = MOST_SHOWN) -> Shown:
    """The report as texts. At most `most_rows` rows are shown over all tables; each says what it leaves out."""
    tables = [table for _, table in report.tables()]
    shares = iter(share_rows([len(table.rows) for table in tables], most_rows))
    period = show_period(report, words)
    return {
        "language": report.language,
        "id": report.id,
        "title": printable(report.title),
        "service": printable(report.deployment.service_name),
        "issuer": printable(report.deployment.issuer),
        "period": period,
        "made_at_iso": report.made_at.isoformat(),
        "facts": [
            [words.text("Period"), f"{period} (UTC)"],
            [words.text("Issuer"), report.deployment.issuer],
            [words.text("Made at"), f"{words.moment(report.made_at)} UTC"],
            [words.text("Made by"), _maker(report, words)],
            [words.text("Report"), report.id],
            [words.text("Clock"), _times(report, words)],
        ],
        "key_figures": [_figure(figure, words) for figure in report.key_figures],
        "sections": [_section(section, words, shares, report) for section in report.sections],
        "notes": [printable(note) for note in report.notes],
        "sign_off": _sign_off(words) if report.is_signed_off else None,
        "labels": _labels(words, is_compared=any(each.before is not None for each in report.key_figures)),
    }  # fmt: skip


def _times(report: Report, words: Words) -> str:
    if _is_day(report.period):
        return words.text("UTC; a time without a date is on the day of the report")
    return words.text("UTC")


def _maker(report: Report, words: Words) -> str:
    makers = {
        "cli": words.text("an operator, at the command line"),
        "system": words.text("the server, by its schedule"),
    }
    return makers.get(report.made_by, printable(report.made_by))


def show_period(report: Report, words: Words) -> str:
    """The period in words: a day where it is one."""
    period = report.period
    if _is_day(period):
        return words.day(period.from_at.date())
    first, last = (words.moment(at, seconds=False) for at in (period.from_at, period.until_at))
    return words.text("{first} to {last}", first=first, last=last)


def _is_day(period: Period) -> bool:
    """Whether the period is one whole day."""
    return period.length == timedelta(days=1) and period.from_at.hour == period.from_at.minute == 0


def share_rows(counts: Sequence[int], most: int) -> list[int]:
    """How many rows each table shows so that all together show at most `most`: small ones whole, big ones alike."""
    shares, left = [0] * len(counts), most
    by_size = sorted(range(len(counts)), key=lambda place: counts[place])
    for number, place in enumerate(by_size):
        shares[place] = min(counts[place], left // (len(counts) - number))
        left -= shares[place]
    return shares


def change_of(figure: Figure, words: Words) -> tuple[str, str]:
    """How a figure changed since the period before, in words, and whether that is good, bad or neither."""
    value, before = figure.value, figure.before
    if before is None or not isinstance(value, int | float):
        return "", "neither"
    if value == before:
        return words.text("unchanged"), "neither"
    opposite = {"good": "bad", "bad": "good", "neither": "neither"}
    tone = figure.rising if value > before else opposite[figure.rising]
    sign = "+" if value > before else "−"
    if figure.kind == "share":
        points = words.number(round(abs(value - before) * 100, 1))
        return words.text("{sign}{points} points", sign=sign, points=points), tone
    known = words.cell(before, figure.kind)
    if before == 0 or max(value, before) / max(min(value, before), 1) >= 10:
        return words.text("before: {value}", value=known), tone
    percent = words.share(abs(value - before) / before)
    return words.text("{sign}{percent} (before: {value})", sign=sign, percent=percent, value=known), tone


def _figure(figure: Figure, words: Words) -> Shown:
    change, tone = change_of(figure, words)
    value = printable(words.cell(figure.value, figure.kind))
    return {"label": printable(figure.label), "value": value, "change": change, "tone": tone}


def _section(section: Section, words: Words, shares: Iterator[int], report: Report) -> Shown:
    return {
        "key": section.key,
        "title": printable(section.title),
        "summary": printable(section.summary),
        "figures": [_figure(figure, words) for figure in section.figures],
        "charts": [_chart(chart, words) for chart in section.charts],
        "tables": [_table(table, words, next(shares), report) for table in section.tables],
        "passages": [_passage(passage) for passage in section.passages],
    }


def _chart(chart: Chart, words: Words) -> Shown:
    show = words.share if chart.axis == "%" else words.number
    return {"title": printable(chart.title), "says": printable(chart.says), "svg": draw_chart(chart, show)}


def _table(table: Table, words: Words, most: int, report: Report) -> Shown:
    rows = [_cells(row, table.columns, words, report) for row in table.rows[:most]]
    shown = [column for column in table.columns if not column.is_beneath]
    return {
        "title": printable(table.title),
        "columns": [
            {"title": printable(column.title), "kind": column.kind, "right": column.kind in _NUMBERS, "weight": weight}
            for column, weight in zip(shown, _weights(shown, rows), strict=True)
        ],
        "rows": rows,
        "empty": printable(table.empty),
        "note": _left_out(table, len(rows), words, report.id),
    }


def _weights(columns: Sequence[Column], rows: Sequence[Sequence[dict[str, str]]]) -> list[int]:
    """How much of the width that is left each column gets; 0 for one that takes what its content needs."""
    weights = []
    for place, column in enumerate(columns):
        lengths = [max(len(row[place]["text"]), len(row[place]["beneath"]) * 2 // 3) for row in rows]
        longest = max(lengths, default=0)
        grows = column.kind in ("text", "code") and longest > _NARROW
        weights.append(min(longest, _WIDEST) if grows else 0)
    if not any(weights) and weights:
        # The rules of a table reach from edge to edge.
        weights[0] = 1
    return weights


def _cells(row: tuple[Cell, ...], columns: tuple[Column, ...], words: Words, report: Report) -> list[dict[str, str]]:
    """A row's cells; an id that belongs beneath the cell before it stands in its `beneath`, also where it is alone."""
    cells: list[dict[str, str]] = []
    for value, column in zip(row, columns, strict=True):
        text = printable(_cell(value, column, words, report)) or DASH
        if not column.is_beneath:
            cells.append({"text": text, "beneath": ""})
        elif text != DASH:
            above, beside = ("" if cells[-1]["text"] == DASH else cells[-1]["text"]), cells[-1]["beneath"]
            cells[-1] = {"text": above, "beneath": f"{beside} · {text}" if beside else text}
    return cells


def _cell(value: Cell, column: Column, words: Words, report: Report) -> str:
    """A moment of the day that a report is about needs no day."""
    if column.kind == "moment" and isinstance(value, str) and _is_day(report.period):
        at = datetime.fromisoformat(value)
        if report.period.from_at <= at < report.period.until_at:
            return words.time(at)
    return words.cell(value, column.kind)


def _left_out(table: Table, shown: int, words: Words, report_id: str) -> str:
    kept, total = len(table.rows), max(table.total, len(table.rows))
    if shown == total:
        return ""
    told = [words.text("{shown} of {total} rows are shown.", shown=words.number(shown), total=words.number(total))]
    if kept > shown:
        told.append(words.text(
            "{more} more are in the CSV, XLSX and JSON of this report: ostiary report show {id} --format csv",
            more=words.number(kept - shown), id=report_id,
        ))  # fmt: skip
    if total > kept:
        told.append(
            words.text("The other {more} are in the audit log: ostiary audit export", more=words.number(total - kept))
        )
    return " ".join(told)


def _passage(passage: Passage) -> Shown:
    text = "\n".join(printable(line) for line in passage.text.split("\n"))
    return {"title": printable(passage.title), "text": text, "is_code": passage.is_code}


def _sign_off(words: Words) -> Shown:
    roles = (words.text("Prepared by"), words.text("Reviewed by"))
    fields = (words.text("Name"), words.text("Date"), words.text("Signature"))
    return {
        "title": words.text("Sign-off"),
        "summary": words.text(
            "By signing, I confirm that I have read this report, and that what it shows was followed up or needs no"
            " action."
        ),
        "remarks": words.text("Remarks and follow-up"),
        "roles": list(roles),
        "fields": list(fields),
    }


def _labels(words: Words, *, is_compared: bool) -> Shown:
    return {
        "at_a_glance": words.text("At a glance"),
        "contents": words.text("Contents"),
        "page_of": words.text("Page {page} of {pages}"),
        "nothing": words.text("There is nothing to report."),
        "compared": words.text("Changes compare with the equally long period before.") if is_compared else "",
    }
