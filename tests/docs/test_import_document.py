"""The examples of docs/import.md, taken from the document and imported; and what it says of fields and limits."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from identity.import_fields import PLAIN_FIELDS
from identity.import_files import MAX_DOCUMENT_BYTES
from identity.import_people import BATCH, MAX_SHOWN
from identity.imported_hashes import MAX_MEMORY_BYTES
from server.commands.user_import import EVERY
from tests.docs.examples import blocks, commands, write_files
from tests.server.process import ROOT, environment, run

DOCUMENT = ROOT / "docs" / "import.md"
FILES = [block.file for block in blocks(DOCUMENT) if block.file]


@pytest.mark.parametrize(
    ("file", "made"),
    [("people.csv", 2), ("people.jsonl", 2), ("keycloak.jsonl", 1), ("auth0.jsonl", 1), ("django.jsonl", 1)],
)
def test_each_example_comes_in_whole_and_is_known_the_second_time(file: str, made: int, tmp_path: Path) -> None:
    write_files(DOCUMENT, tmp_path)
    environ = environment(tmp_path)
    for expected in ({"made": made, "known": 0}, {"made": 0, "known": made}):
        ended = run(environ, "user", "import", str(tmp_path / file), "--json")
        assert ended.returncode == 0, ended.stderr
        told = json.loads(ended.stdout)
        assert {name: told[name] for name in expected} == expected
    assert file in FILES


def test_the_commands_are_as_written_and_answer_as_written(tmp_path: Path) -> None:
    write_files(DOCUMENT, tmp_path)
    environ = environment(tmp_path)
    answers = []
    for command in commands(DOCUMENT, "ostiary"):
        ended = run(environ, *(word.replace("people.csv", str(tmp_path / "people.csv")) for word in command), "--json")
        assert ended.returncode == 0, ended.stderr
        answers.append(json.loads(ended.stdout))
    assert [(answer["made"], answer["dry_run"]) for answer in answers] == [(2, True), (2, False)]
    [written] = [json.loads(block.text) for block in blocks(DOCUMENT) if block.language == "json" and not block.file]
    assert written.keys() == answers[1].keys()
    assert {**written, "seconds": 0} == {**answers[1], "seconds": 0}


def test_every_field_is_in_the_document_and_no_other() -> None:
    table = DOCUMENT.read_text().partition("| field |")[2].partition("\n\n")[0]
    told = {name for line in table.splitlines()[2:] for name in re.findall(r"`(\w+)`", line.split("|")[1])}
    assert told == set(PLAIN_FIELDS)


def test_the_numbers_are_those_of_the_code() -> None:
    text = DOCUMENT.read_text()
    for words in (
        f"first {MAX_SHOWN:,} lines",
        f"up to {MAX_DOCUMENT_BYTES // 1024**2} MiB",
        f"or {MAX_MEMORY_BYTES // 1024**2} MiB to compare",
        f"transactions of {BATCH},",
        f"every {EVERY:,} people",
    ):
        assert words in text
