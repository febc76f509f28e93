"""An event's row: fixed at birth, personal fields sealed, digests that keep after erasure (architecture, S46)."""

import os
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256

import msgspec
import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.catalogue import LOGIN_FAILED, LOGIN_SUCCEEDED
from audit.ledger.merkle import leaf_hash
from audit.record import INSERT_EVENT, Event, Indexes, Origin, make_row, network_of, salted_digest, sealed_aad
from base.ids import PERSON, show_id
from base.sealing import SealBroken, unseal_under

AT = datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC)
WHO = b"p" * 16
KEY = AESGCM(bytes(range(32)))
EVENT = Event(
    type=LOGIN_SUCCEEDED,
    actor=show_id(PERSON, WHO),
    person=WHO,
    session_id=b"s" * 16,
    origin=Origin("203.0.113.9", "Firefox", "request-1"),
    data={"methods": ["pwd"], "new_device": True},
)


NO_INDEXES = Indexes()


def row_of(event: Event, indexes: Indexes = NO_INDEXES) -> dict[str, object]:
    """The row by column names."""
    values = make_row(event, event_id=b"e" * 16, at=AT, salt=b"salt" * 4, subject_key=KEY, indexes=indexes)
    return dict(zip(INSERT_EVENT.columns, values, strict=True))


def test_the_same_event_has_the_same_bytes() -> None:
    """S44"""
    assert row_of(EVENT)["body"] == row_of(EVENT)["body"]


def test_the_body_holds_public_fields_and_only_digests_of_personal_ones() -> None:
    body = str(row_of(EVENT)["body"])
    assert '"methods":["pwd"]' in body
    assert "203.0.113.9" not in body
    assert "Firefox" not in body
    hidden = msgspec.json.decode(body)["hidden"]
    assert hidden["address"] == sha256(b"salt" * 4 + b"address\0" + b'"203.0.113.9"').hexdigest()
    assert set(hidden) == {"address", "user_agent"}


def test_personal_fields_open_under_their_key_and_nowhere_else() -> None:
    row = row_of(EVENT)
    sealed = bytes(row["sealed"])  # type: ignore[call-overload]
    leaf = leaf_hash(str(row["body"]).encode())
    opened = msgspec.json.decode(unseal_under(KEY, sealed, sealed_aad(b"e" * 16, leaf)))
    assert opened == {"salt": (b"salt" * 4).hex(), "address": "203.0.113.9", "user_agent": "Firefox"}
    with pytest.raises(SealBroken):
        unseal_under(KEY, sealed, sealed_aad(b"f" * 16, leaf))
    with pytest.raises(SealBroken):
        unseal_under(AESGCM(os.urandom(32)), sealed, sealed_aad(b"e" * 16, leaf))


def test_personal_fields_do_not_open_under_another_body() -> None:
    """S45"""
    row = row_of(EVENT)
    sealed = bytes(row["sealed"])  # type: ignore[call-overload]
    changed = str(row["body"]).replace('"success"', '"failure"')
    with pytest.raises(SealBroken):
        unseal_under(KEY, sealed, sealed_aad(b"e" * 16, leaf_hash(changed.encode())))


def test_index_values_stand_in_the_row_and_as_digests_in_the_body() -> None:
    row = row_of(EVENT, Indexes(b"1" * 32, b"2" * 32, b"3" * 32))
    assert (row["person_index"], row["address_index"], row["network_index"]) == (b"1" * 32, b"2" * 32, b"3" * 32)
    body = str(row["body"])
    assert (b"1" * 32).hex() not in body
    hidden = msgspec.json.decode(body)["hidden"]
    assert hidden["person_index"] == salted_digest(b"salt" * 4, "person_index", (b"1" * 32).hex())


def test_the_body_is_one_line_of_json_whatever_stands_in_a_field() -> None:
    """S46"""
    event = Event(type=LOGIN_FAILED, actor="x\r\n\x1b[31m\u2028", data={"reason": "a\r\nb\u2028c\x00"})
    body = str(row_of(event)["body"])
    assert not set("\r\n\x1b\x00") & set(body)
    assert msgspec.json.decode(body)["data"]["reason"] == "a\r\nb\u2028c\x00"


def test_a_field_that_the_type_does_not_declare_is_a_fault() -> None:
    with pytest.raises(ValueError, match=r"login\.failed does not declare \['password'\]"):
        row_of(Event(type=LOGIN_FAILED, actor="anonymous", data={"password": "x"}))
    with pytest.raises(ValueError, match="does not declare"):
        row_of(Event(type=LOGIN_FAILED, actor="anonymous", personal={"reason": "x"}))


def test_an_event_about_a_person_has_that_person_as_its_subject() -> None:
    """S45: the body commits to whose the personal fields are, also once the key and the salt are destroyed."""
    row = row_of(EVENT)
    assert row["subject"] == msgspec.json.decode(str(row["body"]))["subject"] == show_id(PERSON, WHO)
    with pytest.raises(ValueError, match=r"login\.succeeded is about a person and has another subject"):
        row_of(replace(EVENT, subject="cli_shop"))


@pytest.mark.parametrize(
    ("address", "network"),
    [
        ("203.0.113.77", "203.0.113.0/24"),
        ("2001:db8:1:2::3", "2001:db8:1::/48"),
        ("::ffff:203.0.113.77", "203.0.113.0/24"),
        ("not an address", None),
        ("", None),
    ],
)
def test_the_network_of_an_address(address: str, network: str | None) -> None:
    assert network_of(address) == network
