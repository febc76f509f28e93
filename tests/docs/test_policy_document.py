"""The program of docs/policy.md runs as it stands there, and prints what stands there."""

import subprocess
import sys
from pathlib import Path

from ostiary.policy.annotations import KNOWN
from tests.docs.examples import blocks, write_files
from tests.docs.tables import DOCS

DOCUMENT = DOCS / "policy.md"


def test_the_program_prints_what_the_document_says(tmp_path: Path) -> None:
    write_files(DOCUMENT, tmp_path)
    done = subprocess.run(
        [sys.executable, "may_they.py"], cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    told = [block.text for block in blocks(DOCUMENT) if block.language == "text"]
    assert (done.stderr, [done.stdout]) == ("", told)


def test_every_annotation_is_in_the_document() -> None:
    text = DOCUMENT.read_text()
    assert {name for name in KNOWN if f'`@{name}("' not in text} == set()
