"""The program that sets one report: JSON on standard input, a PDF on standard output.

A process of its own, run by its path: it imports nothing of ours, so it starts in 0.1 s, its memory is given back, and
what it may take is limited. `typst` is given texts as values in JSON, never as markup.
"""

import json
import resource
import sys
from pathlib import Path
from typing import Literal

import typst

TEMPLATE = Path(__file__).with_name("report.typ")
_MOST_BYTES = 2 << 30
_SECONDS = 60
# Its own fonts first, so that every machine sets the same page; then what the machine has for other letters.
_WAYS: tuple[tuple[bool, Literal["ua-1"] | None], ...] = ((True, "ua-1"), (False, "ua-1"), (False, None))


def main() -> None:
    """Sets what standard input holds. PDF/UA-1 where a font has every letter, else tagged without that claim."""
    resource.setrlimit(resource.RLIMIT_AS, (_MOST_BYTES, _MOST_BYTES))
    resource.setrlimit(resource.RLIMIT_CPU, (_SECONDS, _SECONDS))
    told = json.load(sys.stdin.buffer)
    document = json.dumps(told["document"])
    fault = ""
    for own_fonts, standards in _WAYS:
        try:
            pdf = typst.compile(
                TEMPLATE,
                ignore_system_fonts=own_fonts,
                sys_inputs={"report": document},
                pdf_standards=standards,
                timestamp=int(told["made_at"]),
            )
        except typst.TypstError as failure:
            fault = failure.diagnostic or str(failure)
            continue
        sys.stdout.buffer.write(pdf)
        return
    sys.exit(fault)


if __name__ == "__main__":
    main()
