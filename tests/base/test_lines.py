"""One JSON value stays on one line, whatever is in it."""

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.lines import to_line

JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=8,
)


@pytest.mark.parametrize("hostile", ["a\r\nb", "\x1b[2J", "\u2028", "\u2029", "\x85", "\x7f", "\u202e", "\x00"])
def test_what_moves_a_cursor_or_ends_a_line_is_escaped(hostile: str) -> None:
    """S46"""
    line = to_line({"name": hostile, hostile: "value"})
    assert line.decode().isprintable()
    assert json.loads(line) == {"name": hostile, hostile: "value"}


def test_bytes_of_a_command_line_that_are_no_text_are_escaped() -> None:
    assert to_line({"name": "a\udcffb"}) == b'{"name":"a\\udcffb"}'


@given(JSON_VALUES)
def test_every_value_survives_on_one_printable_line(value: object) -> None:
    line = to_line(value).decode()
    assert len(line.splitlines()) == 1
    assert line.isprintable()
    assert json.loads(line) == value
