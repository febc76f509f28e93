"""Identifiers and random credentials: exact forms, nothing else passes (S16)."""

from datetime import UTC, datetime, timedelta
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.ids import PERSON, new_id, parse_id, show_id
from base.secret_values import CODE, LINK, digest, find_digest, new_secret

NOW = datetime(2026, 1, 2, 3, 4, 5, 678000, tzinfo=UTC)


def test_an_id_is_a_uuid_of_version_7_that_sorts_by_time() -> None:
    made = new_id(NOW)
    parsed = UUID(bytes=made)
    assert (parsed.version, parsed.variant) == (7, "specified in RFC 4122")
    assert int.from_bytes(made[:6], "big") == int(NOW.timestamp() * 1000)
    assert new_id(NOW) != made
    assert new_id(NOW + timedelta(milliseconds=1)) > made


def test_an_id_goes_to_text_and_back() -> None:
    made = new_id(NOW)
    assert parse_id(PERSON, show_id(PERSON, made)) == made


@given(st.text(max_size=60))
def test_no_other_text_is_an_id(text: str) -> None:
    found = parse_id(PERSON, text)
    assert found is None or show_id(PERSON, found) == text


def test_an_id_of_another_kind_is_none() -> None:
    assert parse_id("ses_", show_id(PERSON, new_id(NOW))) is None


def test_a_credential_is_found_by_its_exact_text() -> None:
    text = new_secret(CODE)
    assert find_digest(CODE, text) == digest(text)
    assert len(text) == len(CODE) + 43


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:-1],
        lambda text: text + "=",
        lambda text: text + " ",
        lambda text: " " + text,
        lambda text: text + "\n",
        lambda text: text.replace(CODE, LINK),
        lambda text: text.replace(CODE, CODE.upper()),
        lambda text: text[:10] + "+" + text[11:],
        lambda text: text[:10] + "\u0430" + text[11:],
        lambda text: "",
    ],
)
def test_a_credential_in_any_other_form_is_none(change: object) -> None:
    """S16"""
    assert find_digest(CODE, change(new_secret(CODE))) is None  # type: ignore[operator]
    assert find_digest(CODE, None) is None


@given(st.integers(min_value=4, max_value=46))
def test_a_case_changed_credential_has_another_digest(position: int) -> None:
    """S16"""
    text = new_secret(CODE)
    changed = text[:position] + text[position].swapcase() + text[position + 1 :]
    assert changed == text or find_digest(CODE, changed) != digest(text)
