"""The PDF: tagged, complete, and made of what it was told as text alone."""

import ctypes
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pypdfium2
import pytest
from pypdfium2 import raw

from audit.reports import pdf
from audit.reports.display import MOST_SHOWN, share_rows
from audit.reports.model import Report
from audit.reports.pdf import PdfFailed, write_pdf
from audit.reports.words import load_words
from tests.audit.reports.hostile import MARKUP, SCRIPT, hostile_report
from tests.audit.reports.small_log import make_small_log, number_and_sign, opened_report
from tests.world import World

pytestmark = pytest.mark.anyio


@contextmanager
def opened(file: bytes) -> Iterator[pypdfium2.PdfDocument]:
    """The PDF as a reader opens it."""
    document = pypdfium2.PdfDocument(file)
    try:
        yield document
    finally:
        document.close()


def words_of(document: pypdfium2.PdfDocument) -> str:
    """All text of all pages, as somebody who copies it gets it, without where lines and words were broken."""
    text = "".join(page.get_textpage().get_text_range() for page in document)
    return squeezed(text)


def squeezed(text: str) -> str:
    """A text without white space and invisible breaks; of two hyphens the reader sometimes takes one for the other."""
    kept = [
        char for char in unicodedata.normalize("NFC", text) if not char.isspace() and char not in "\u200b\ufffe\x02"
    ]
    return "".join(kept).replace("--", "-")


async def set_of(report: Report) -> bytes:
    """The PDF of a report whose names were opened."""
    return await write_pdf(report, load_words(report.language))


@pytest.mark.parametrize("language", ["en", "tr"])
async def test_the_paper_tells_everything_and_can_be_read_aloud(world: World, language: str) -> None:
    """Tagged as PDF/UA-1, with its language and its title; charts have words."""
    await make_small_log(world)
    await number_and_sign(world)
    report, words = await opened_report(world, language=language)
    file = await write_pdf(report, words)
    assert b"pdfuaid" in file
    with opened(file) as document:
        assert raw.FPDFCatalog_IsTagged(document.raw)
        assert document.get_metadata_value("Title").startswith(report.title)
        assert struct_types(document) >= {"H1", "H2", "Table", "TH", "TD", "Figure"}
        text = words_of(document)
        assert len(document) > 1
    lang = f"/Lang({language})".encode()
    assert lang in file.replace(b"/Lang (", b"/Lang(")
    for section in report.sections:
        assert squeezed(section.summary) in text, section.key
    for passage in (passage for section in report.sections for passage in section.passages):
        assert squeezed(passage.text) in text
    assert squeezed("Ada Byron (ada@example.com)") in text
    assert squeezed(world.services.audit.key.vkey) in text
    assert {"tr": "İmza", "en": "Signature"}[language] in text


async def test_what_others_wrote_is_text_and_never_markup() -> None:
    """S46: a name can hold Typst's own markup; it is set letter by letter and does nothing."""
    file = await set_of(hostile_report())
    with opened(file) as document:
        text = words_of(document)
    assert squeezed(MARKUP) in text
    assert squeezed(SCRIPT) in text
    assert squeezed("Ελληνικά Кириллица Ağrı") in text
    assert b"/JavaScript" not in file
    assert b"/URI" not in file


async def test_a_long_report_shows_three_hundred_rows_and_says_where_the_rest_is() -> None:
    report = hostile_report(rows=2000)
    with opened(await set_of(report)) as document:
        text = words_of(document)
    shown = sum(f"usr_{number:032x}" in text for number in range(2000))
    evil = len(report.tables()[0][1].rows)
    assert shown == MOST_SHOWN - evil
    assert squeezed(f"{shown} of 20,000 rows are shown.") in text
    assert squeezed(f"ostiary report show {report.id} --format csv") in text
    assert squeezed("The other 18,000 are in the audit log") in text


async def test_a_page_that_takes_too_long_is_given_up_and_its_process_ended(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(pdf, "SECONDS", 0.001)
    with pytest.raises(PdfFailed, match="it took more than"):
        await set_of(hostile_report())
    monkeypatch.undo()
    assert (await set_of(hostile_report())).startswith(b"%PDF-")


async def test_the_process_that_sets_the_page_is_told_nothing_of_ours(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """S46: the master key may stand in our environment."""
    spy = tmp_path / "spy.py"
    spy.write_text("import os, sys\nsys.exit(str(sorted(os.environ)))\n")
    monkeypatch.setenv("OSTIARY_MASTER_KEY", "canary")
    monkeypatch.setattr(pdf, "PROGRAM", spy)
    with pytest.raises(PdfFailed) as failed:
        await set_of(hostile_report())
    assert "OSTIARY" not in str(failed.value)
    assert "PATH" in str(failed.value)


@pytest.mark.parametrize(
    ("counts", "most", "shares"),
    [
        ([], 300, []),
        ([5, 7], 300, [5, 7]),
        ([400], 300, [300]),
        ([10, 1000, 1000], 300, [10, 145, 145]),
        ([1000, 10, 0, 1000], 301, [145, 10, 0, 146]),
        ([3, 3, 3], 2, [0, 1, 1]),
    ],
)
def test_rows_are_shared_out_so_that_small_tables_stay_whole(counts: list[int], most: int, shares: list[int]) -> None:
    assert share_rows(counts, most) == shares


def struct_types(document: pypdfium2.PdfDocument) -> set[str]:
    """The kinds of elements in the structure of all pages."""
    found: set[str] = set()
    for page in document:
        tree = raw.FPDF_StructTree_GetForPage(page.raw)
        for number in range(raw.FPDF_StructTree_CountChildren(tree)):
            _collect(raw.FPDF_StructTree_GetChildAtIndex(tree, number), found)
        raw.FPDF_StructTree_Close(tree)
    return found


def _collect(element: object, found: set[str]) -> None:
    if not element:
        return
    size = raw.FPDF_StructElement_GetType(element, None, 0)
    buffer = ctypes.create_string_buffer(size)
    raw.FPDF_StructElement_GetType(element, buffer, size)
    found.add(buffer.raw.decode("utf-16-le").rstrip("\x00"))
    for number in range(raw.FPDF_StructElement_CountChildren(element)):
        _collect(raw.FPDF_StructElement_GetChildAtIndex(element, number), found)
