"""A report as PDF: tagged, set by `typst` in a process of its own, so that nothing else waits or grows."""

import asyncio
import sys
from pathlib import Path
from typing import cast

import msgspec

from audit.reports.display import show_report
from audit.reports.model import Report
from audit.reports.words import Words

PROGRAM = Path(__file__).with_name("typeset.py")
SECONDS = 90.0
_LONGEST_WORD, _PIECE, _LONGEST_TITLE, _HALF_ADDRESS = 26, 12, 10, 20
_MANY_COLUMNS, _LONGEST_WORD_OF_MANY = 7, 18
# Where a line may be broken, unseen.
_BREAK = "\u200b"


class PdfFailed(Exception):
    """The PDF could not be set."""


async def write_pdf(report: Report, words: Words) -> bytes:
    """The PDF; raises PdfFailed."""
    document = show_report(report, words)
    _soften(cast(list[dict[str, object]], document["sections"]))
    told = msgspec.json.encode({"document": document, "made_at": int(report.made_at.timestamp())})
    # Isolated, and without our environment: it holds secrets, and no letter of it is needed.
    program = await asyncio.create_subprocess_exec(
        sys.executable, "-I", str(PROGRAM), env={"PATH": ""},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    try:
        pdf, fault = await asyncio.wait_for(program.communicate(told), SECONDS)
    except TimeoutError:
        raise PdfFailed(f"it took more than {SECONDS:g} s") from None
    finally:
        if program.returncode is None:
            program.kill()
            await program.wait()
    if program.returncode or not pdf.startswith(b"%PDF"):
        raise PdfFailed(" ".join(fault.decode(errors="replace").split())[-500:] or f"exit code {program.returncode}")
    return pdf


def _soften(sections: list[dict[str, object]]) -> None:
    """Lets words break that are longer than a column: paper has no room to scroll."""
    for section in sections:
        for table in cast(list[dict[str, object]], section["tables"]):
            columns = cast(list[dict[str, object]], table["columns"])
            rows = cast(list[list[dict[str, str]]], table["rows"])
            longest = _LONGEST_WORD if len(columns) < _MANY_COLUMNS else _LONGEST_WORD_OF_MANY
            _break_titles(columns, rows)
            for cell in (cell for row in rows for cell in row):
                cell["text"] = _softened(cell["text"], longest)


def _break_titles(columns: list[dict[str, object]], rows: list[list[dict[str, str]]]) -> None:
    """Gives a title two lines where its column would be wider than what stands in it only for the title."""
    for place, column in enumerate(columns):
        title = str(column["title"])
        widest = max((len(row[place]["text"]) for row in rows), default=0)
        if column["weight"] == 0 and " " in title and len(title) > max(widest, _LONGEST_TITLE):
            middle = min((at for at, char in enumerate(title) if char == " "), key=lambda at: abs(at - len(title) // 2))
            column["title"] = f"{title[:middle]}\n{title[middle + 1 :]}"


def _softened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return " ".join(word if len(word) <= longest else _BREAK.join(_pieces(word)) for word in text.split(" "))


def _pieces(word: str) -> list[str]:
    """The parts of a word that is too long: a mail address breaks behind its sign where that is enough."""
    name, sign, domain = word.partition("@")
    if name and domain and max(len(name), len(domain)) < _HALF_ADDRESS:
        return [name + sign, domain]
    return [word[start : start + _PIECE] for start in range(0, len(word), _PIECE)]
