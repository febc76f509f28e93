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
_LONGEST_WORD, _PIECE = 26, 12
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
            longest = (
                _LONGEST_WORD if len(cast(list[object], table["columns"])) < _MANY_COLUMNS else _LONGEST_WORD_OF_MANY
            )
            for row in cast(list[list[dict[str, str]]], table["rows"]):
                for cell in row:
                    cell["text"] = _softened(cell["text"], longest)


def _softened(text: str, longest: int) -> str:
    if len(text) <= longest:
        return text
    return " ".join(
        word if len(word) <= longest
        else _BREAK.join(word[start : start + _PIECE] for start in range(0, len(word), _PIECE))
        for word in text.split(" ")
    )  # fmt: skip
