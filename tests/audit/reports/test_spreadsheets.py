"""CSV, XLSX and JSON: all rows of the one model, and no cell that computes."""

import csv
import io
import zipfile
from xml.etree.ElementTree import fromstring

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.reports.forms import Form, NoSuchTable, write_report
from audit.reports.model import Report, decode_report
from audit.reports.spreadsheets import safe_cell, sheets
from audit.reports.words import load_words
from tests.audit.reports.hostile import FORMULAS, hostile_report
from tests.audit.reports.small_log import make_small_log, opened_report, table_of
from tests.world import World

pytestmark = pytest.mark.anyio
_SHEET = "{http://schemas.openxmlformats.org/spreadsheetml/2006/main}"


def read_csv(body: bytes) -> list[list[str]]:
    """A file as a spreadsheet reads it."""
    return list(csv.reader(io.StringIO(body.decode("utf-8-sig"), newline="")))


def files_in(body: bytes) -> dict[str, bytes]:
    """A zip's files."""
    with zipfile.ZipFile(io.BytesIO(body)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


async def test_every_form_is_written_from_the_same_model(world: World) -> None:
    await make_small_log(world)
    report, words = await opened_report(world)
    lockouts = table_of(report, "lockouts", "lockouts")
    as_json = await write_report(report, words, Form.JSON)
    assert decode_report(msgspec.json.decode(as_json.body)) == report
    packed = files_in((await write_report(report, words, Form.CSV)).body)
    rows = read_csv(packed["lockouts-lockouts.csv"])
    assert rows[0] == [column.title for column in lockouts.columns]
    assert rows[1:] == [["" if cell is None else str(cell) for cell in row] for row in lockouts.rows]
    by_hour = read_csv(packed["signins-over_time-chart.csv"])
    assert by_hour[0] == ["hour, UTC", "Succeeded", "Failed"]
    assert by_hour[11] == ["10", "0", "11"]
    alone = await write_report(report, words, Form.CSV, table="lockouts-lockouts")
    assert (alone.name, alone.body) == (
        "ostiary-daily-2026-11-20-lockouts-lockouts.csv",
        packed["lockouts-lockouts.csv"],
    )
    page = (await write_report(report, words, Form.HTML)).body.decode()
    book = cells_of((await write_report(report, words, Form.XLSX)).body)
    for text in ("Ada Byron (ada@example.com)", str(lockouts.rows[0][2]), "203.0.113.0/24"):
        assert text in page
        assert text in book["lockouts-lockouts"]
    assert set(book) == {name[:31] for name, _ in sheets(report, words)} == {name[:-4][:31] for name in packed}


async def test_a_table_that_is_not_there_is_refused_with_those_that_are() -> None:
    report = hostile_report()
    with pytest.raises(NoSuchTable, match="expected one of figures, evil-a-chart, evil-b-chart, evil-evil, evil-many"):
        await write_report(report, load_words("en"), Form.CSV, table="none")


async def test_no_cell_of_a_csv_begins_a_formula() -> None:
    """S46"""
    report = hostile_report()
    for name, body in files_in((await write_report(report, load_words("en"), Form.CSV)).body).items():
        for row in read_csv(body):
            for cell in row:
                bare = cell.lstrip(" \t\r\n\u200b\ufeff")
                is_number = bare.removeprefix("-").replace(".", "").isdigit() and cell == bare
                assert is_number or not bare or bare[0] not in "=+-@\uff1d\uff0b\uff0d\uff20\u2212", (name, cell)
    texts = [
        row[0]
        for row in read_csv(files_in((await write_report(report, load_words("en"), Form.CSV)).body)["evil-evil.csv"])
    ]
    assert [f"'{formula}" for formula in FORMULAS] == texts[-len(FORMULAS) :]


@given(st.text())
def test_a_text_is_either_kept_or_put_behind_an_apostrophe(text: str) -> None:
    assert safe_cell(text) in (text, f"'{text}")
    assert safe_cell(f"={text}") == f"'={text}"


async def test_a_workbook_holds_texts_and_no_formula_and_no_link() -> None:
    """S46"""
    body = (await write_report(hostile_report(), load_words("en"), Form.XLSX)).body
    files = files_in(body)
    for name, content in files.items():
        assert b"<f>" not in content, name
        assert b"<f " not in content, name
        assert "sheet" not in name or b"hyperlink" not in content, name
    held = cells_of(body)["evil-evil"]
    assert [text for text in FORMULAS if text.strip() and text not in held and text.strip() not in held] == []


def cells_of(body: bytes) -> dict[str, set[str]]:
    """The texts in each sheet of a workbook, by the sheet's name."""
    files = files_in(body)
    shared = [
        "".join(part.text or "" for part in item.iter(f"{_SHEET}t"))
        for item in fromstring(files["xl/sharedStrings.xml"])
    ]
    names = [sheet.attrib["name"] for sheet in fromstring(files["xl/workbook.xml"]).iter(f"{_SHEET}sheet")]
    found = {}
    for number, name in enumerate(names, start=1):
        tree = fromstring(files[f"xl/worksheets/sheet{number}.xml"])
        cells = [cell for cell in tree.iter(f"{_SHEET}c") if cell.attrib.get("t") == "s"]
        found[name] = {shared[int(cell[0].text or 0)] for cell in cells}
    return found


def test_a_report_of_an_unknown_version_is_not_guessed_at() -> None:
    from audit.reports.model import UnreadableReport, encode_report

    stored = msgspec.json.decode(encode_report(hostile_report()))
    assert isinstance(decode_report(stored), Report)
    with pytest.raises(UnreadableReport, match="version 2"):
        decode_report({**stored, "version": 2})
    with pytest.raises(UnreadableReport):
        decode_report({**stored, "sections": "none"})
