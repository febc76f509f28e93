"""Files of people, entry by entry: JSON lines, CSV and JSON documents, with the numbers that a person would count."""

from __future__ import annotations

import io
import json
import tracemalloc

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.errors import Refused
from identity.import_files import MAX_LINE_BYTES, Entry, RefusedLine, read_entries
from tests.identity.exported_people import keycloak_user


def read(content: bytes) -> list[Entry | RefusedLine]:
    """All entries of a file."""
    return list(read_entries(io.BytesIO(content)))


def test_json_lines_are_numbered_as_an_editor_does() -> None:
    content = b'\xef\xbb\xbf\n{"email": "a@b.com"}\r\n\n[1]\n{"email": \n\xff\n"x"\n{"username": "d"}'
    assert read(content) == [
        Entry(2, {"email": "a@b.com"}),
        RefusedLine(4, "line", "must be one JSON object, in UTF-8"),
        RefusedLine(5, "line", "must be one JSON object, in UTF-8"),
        RefusedLine(6, "line", "must be one JSON object, in UTF-8"),
        RefusedLine(7, "line", "must be one JSON object, in UTF-8"),
        Entry(8, {"username": "d"}),
    ]


def test_a_first_line_that_is_broken_is_one_bad_line() -> None:
    for first in (b'{"email": "a@b.com"', b'{"email": }', b"{", b'{"users": '):
        found = read(first + b'\n{"username": "b2"}\n{"username": "c2"}\n')
        assert found == [
            RefusedLine(1, "line", "must be one JSON object, in UTF-8"),
            Entry(2, {"username": "b2"}),
            Entry(3, {"username": "c2"}),
        ]


@pytest.mark.parametrize("indent", [None, 2])
@pytest.mark.parametrize("wrapped", [True, False])
def test_a_json_document_is_counted_by_people(indent: int | None, wrapped: bool) -> None:
    """A realm export as Keycloak writes it, and a plain list."""
    users = [keycloak_user(username=f"user{number}") for number in range(3)] + ["no user"]
    content = json.dumps({"realm": "example", "users": users} if wrapped else users, indent=indent).encode()
    found = read(content)
    assert [entry.line for entry in found] == [1, 2, 3, 4]
    assert [entry.fields["username"] for entry in found[:3] if isinstance(entry, Entry)] == ["user0", "user1", "user2"]
    assert found[3] == RefusedLine(4, "line", "must be a JSON object")


def test_a_single_person_may_be_pretty_printed() -> None:
    assert read(json.dumps({"username": "ada"}, indent=1).encode()) == [Entry(1, {"username": "ada"})]


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_csv_comes_in_the_dialects_that_spreadsheets_write(delimiter: str) -> None:
    lines = ["email,name,username", '"a@b.com","Ada ""the"" one",', "", 'b@b.com,"two\nlines",b2', "c@b.com,C,c2"]
    content = "\ufeff" + "\r\n".join(line.replace(",", delimiter) for line in lines)
    assert read(content.encode()) == [
        Entry(2, {"email": "a@b.com", "name": 'Ada "the" one'}),
        Entry(4, {"email": "b@b.com", "name": "two\nlines", "username": "b2"}),
        Entry(6, {"email": "c@b.com", "name": "C", "username": "c2"}),
    ]


def test_a_bad_row_of_csv_is_named_and_the_next_one_is_read() -> None:
    content = b'email,name\na@b.com\nb@b.com,B,x\nc@b.com,\xff\nd@b.com,"D"d\ne@b.com,E\nf@b.com,"open\ng@b.com,G\n'
    assert read(content) == [
        RefusedLine(2, "line", "must have 2 fields, as the header has; it has 1"),
        RefusedLine(3, "line", "must have 2 fields, as the header has; it has 3"),
        RefusedLine(4, "line", f"must be in UTF-8, with at most {MAX_LINE_BYTES} bytes"),
        RefusedLine(5, "line", "cannot be read as CSV up to line 5: a quote is missing or stands out of place"),
        Entry(6, {"email": "e@b.com", "name": "E"}),
        RefusedLine(7, "line", "cannot be read as CSV up to line 8: a quote is missing or stands out of place"),
    ]


@pytest.mark.parametrize("head", [b"email\n", b'{"email":"a@b.com"}\n'])
def test_a_line_without_end_costs_one_refusal_and_no_memory(head: bytes) -> None:
    """S46: a file of one endless line must not fill the machine."""
    content = head + b"x" * (20 * MAX_LINE_BYTES) + (b"\nlast@b.com\n" if b"{" not in head else b'\n{"email":"l"}\n')
    stream = io.BytesIO(content)
    tracemalloc.start()
    found = list(read_entries(stream))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert [(type(entry), entry.line) for entry in found[-2:]] == [(RefusedLine, found[-2].line), (Entry, 3)]
    assert found[-2].line == 2
    assert peak < 8 * MAX_LINE_BYTES


@pytest.mark.parametrize("head", [b"", b'{"email":"a@b.com"}\n'])
def test_a_line_nested_without_end_is_one_bad_line(head: bytes) -> None:
    deep = b'{"a":' * 60_000 + b"1" + b"}" * 60_000
    bad = 2 if head else 1
    found = read(head + deep + b'\n{"email":"last@b.com"}\n')
    assert found[-2:] == [
        RefusedLine(bad, "line", "must be one JSON object, in UTF-8"),
        Entry(bad + 1, {"email": "last@b.com"}),
    ]


@pytest.mark.parametrize(
    ("content", "field", "words"),
    [
        (b"", "file", "must begin with a header line"),
        (b"\n\n", "file", "must begin with a header line"),
        (b"email,pasword_hash\na@b.com,x\n", "pasword_hash", "is an unknown column"),
        (b"email,password\na@b.com,hunter2\n", "password", "in plain text"),
        (b'"email\na@b.com\n', "file", "must begin with a header line"),
        (b"a@b.com,Ada\n", "a@b.com", "is an unknown column"),
        (b"PK\x03\x04", "PK??", "is an unknown column"),
        ("email\n".encode("utf-16"), "file", "must be in UTF-8; this is UTF-16"),
    ],
)
def test_what_is_no_file_of_people_is_refused_as_a_whole(content: bytes, field: str, words: str) -> None:
    with pytest.raises(Refused) as refused:
        read_entries(io.BytesIO(content))
    assert (refused.value.field, words in refused.value.message) == (field, True), str(refused.value)
    assert "hunter2" not in str(refused.value)


@given(st.sampled_from([b"email,name\n", b'{"email":"a@b.com"}\n', b""]), st.binary(max_size=200))
def test_no_bytes_raise_anything_but_a_refusal(head: bytes, rest: bytes) -> None:
    try:
        found = read(head + rest)
    except Refused:
        return
    lines = (head + rest).count(b"\n") + 1
    assert all(1 <= entry.line <= lines for entry in found)
    assert [entry.line for entry in found] == sorted({entry.line for entry in found}), "each line at most once"
