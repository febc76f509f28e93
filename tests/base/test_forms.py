"""Urlencoded text, read once and in one way (S11, S48)."""

from contextlib import suppress
from urllib.parse import urlencode

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.forms import MAX_FIELDS, FormRefused, parse_form, printable


def test_fields_are_found_by_name_and_unescaped() -> None:
    form = parse_form(b"a=1&b=two+words&c=%C3%BC%26%3D")
    assert dict(form) == {"a": "1", "b": "two words", "c": "ü&="}
    assert (len(form), "a" in form, form.get("d")) == (3, True, None)


def test_an_empty_field_counts_as_absent() -> None:
    """S11"""
    assert dict(parse_form(b"a=&b=1&c&=x&&")) == {"b": "1", "": "x"}
    assert dict(parse_form(b"a=&a=1&a=")) == {"a": "1"}
    assert dict(parse_form(b"")) == {}


def test_a_repeated_field_is_refused_by_name_and_the_others_are_at_hand() -> None:
    """S11"""
    with pytest.raises(FormRefused, match="the parameter a is given more than once") as refused:
        parse_form(b"a=1&b=2&a=1")
    assert refused.value.repeated == {"a"}
    assert refused.value.rest is not None
    assert dict(refused.value.rest) == {"b": "2"}


def test_only_a_repeatable_field_may_come_several_times() -> None:
    """S11"""
    form = parse_form(b"resource=a&resource=b")
    assert form.all("resource") == ["a", "b"]
    assert form.all("other") == []
    with pytest.raises(FormRefused):
        parse_form(b"resource=a&resource=b", repeatable=frozenset())


@pytest.mark.parametrize("text", [b"a=%ff", b"%ff=a", "a=ü".encode(), b"a=\xff"])
def test_what_is_not_urlencoded_utf_8_is_refused(text: bytes) -> None:
    with pytest.raises(FormRefused, match="the form is not urlencoded UTF-8"):
        parse_form(text)


def test_more_fields_than_the_limit_are_refused() -> None:
    """S48"""
    assert len(parse_form(urlencode({f"f{n}": n for n in range(1, MAX_FIELDS + 1)}))) == MAX_FIELDS
    with pytest.raises(FormRefused, match=f"more than {MAX_FIELDS} fields"):
        parse_form(urlencode({f"f{n}": n for n in range(1, MAX_FIELDS + 2)}))


@given(st.dictionaries(st.text(min_size=1, max_size=8), st.text(min_size=1, max_size=20), max_size=8))
def test_what_was_encoded_is_read_back(fields: dict[str, str]) -> None:
    encodable = {name: value for name, value in fields.items() if _is_text(name) and _is_text(value)}
    assert dict(parse_form(urlencode(encodable).encode())) == encodable


@given(st.binary(max_size=200))
def test_any_bytes_are_read_or_refused(raw: bytes) -> None:
    """I4: nothing else may happen."""
    with suppress(FormRefused):
        assert all(parse_form(raw).values())


def test_input_in_an_error_text_is_printable_short_and_without_quotes() -> None:
    """S46, S49"""
    assert printable('a"b\\c\r\nd\x1b\u2028é') == "abcd"
    assert printable("x" * 100) == "x" * 64 + "..."


def _is_text(value: str) -> bool:
    return value.isprintable() or value.isascii()
