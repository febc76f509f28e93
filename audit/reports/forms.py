"""The forms in which a report is handed out, all written from the one opened model."""

import asyncio
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from audit.reports.model import Report, encode_report
from audit.reports.page import write_page
from audit.reports.pdf import write_pdf
from audit.reports.spreadsheets import sheets, write_csv, write_csv_zip, write_xlsx
from audit.reports.words import Words


class Form(StrEnum):
    """What a report can be written as."""

    PDF = "pdf"
    HTML = "html"
    CSV = "csv"
    JSON = "json"
    XLSX = "xlsx"


_MEDIA = {
    Form.PDF: ("pdf", "application/pdf"),
    Form.HTML: ("html", "text/html; charset=utf-8"),
    Form.CSV: ("zip", "application/zip"),
    Form.JSON: ("json", "application/json"),
    Form.XLSX: ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
}


@dataclass(frozen=True, slots=True)
class Written:
    """A file to hand out."""

    name: str
    media_type: str
    body: bytes


class NoSuchTable(Exception):
    """The report has no table of this name; the message names those that it has."""


async def write_report(report: Report, words: Words, form: Form, *, table: str | None = None) -> Written:
    """An opened report in one form; of CSV all tables in a zip, or the one asked for.

    Raises PdfFailed and NoSuchTable.
    """
    if table is not None:
        named = dict(sheets(report, words))
        if table not in named:
            raise NoSuchTable(f"expected one of {', '.join(named)}")
        return Written(f"{_stem(report)}-{table}.csv", "text/csv; charset=utf-8", write_csv(named[table]))
    ending, media_type = _MEDIA[form]
    return Written(f"{_stem(report)}.{ending}", media_type, await _write(report, words, form))


async def _write(report: Report, words: Words, form: Form) -> bytes:
    match form:
        case Form.PDF:
            return await write_pdf(report, words)
        case Form.HTML:
            return await asyncio.to_thread(write_page, report, words)
        case Form.CSV:
            return await asyncio.to_thread(write_csv_zip, report, words)
        case Form.XLSX:
            return await asyncio.to_thread(write_xlsx, report, words)
        case Form.JSON:
            return msgspec.json.format(encode_report(report), indent=1) + b"\n"


def _stem(report: Report) -> str:
    """The beginning of a file's name: what it is and about when."""
    return f"ostiary-{report.kind}-{report.period.from_at:%Y-%m-%d}"
