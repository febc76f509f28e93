"""What other services may send: every fault named by place and field, whatever arrives."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from uuid import uuid4

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from audit.intake.schema import (
    EXPECTED,
    MAX_EVENTS,
    WHOLE,
    NoBatch,
    SentEvent,
    WrongEvents,
    parse_batch,
    plain_address,
)
from audit.intake.taking import event_id_of
from base.ids import new_id

NOW = datetime(2026, 11, 22, 20, tzinfo=UTC)
OWN = frozenset({"login.failed"})


def event(**parts: object) -> dict[str, object]:
    return {"id": str(uuid4()), "at": NOW.isoformat(), "name": "order.made", "severity": "LOW", **parts}


def parsed(*events: object) -> list[SentEvent]:
    return parse_batch(msgspec.json.encode({"events": events}), now=NOW, own_names=OWN)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "0193A1C2-5B7E-7C3A-9D2F-1A2B3C4D5E6F"),
        ("id", "0193a1c25b7e7c3a9d2f1a2b3c4d5e6f"),
        ("id", 5),
        ("at", "2026-11-22T20:00:00"),
        ("at", "2026-11-22"),
        ("at", 1795380000),
        ("at", (NOW + timedelta(minutes=5, seconds=1)).isoformat()),
        ("at", (NOW - timedelta(days=30, seconds=1)).isoformat()),
        ("at", "0001-01-01T00:00:00+14:00"),
        ("at", "9999-12-31T23:59:59-14:00"),
        ("name", "order"),
        ("name", "Order.made"),
        ("name", "order.made\n"),
        ("name", "order.made.twice"),
        ("name", "a" * 32 + ".b"),
        ("name", "login.failed"),
        ("name", "admin.made_up"),
        ("actor", "cli"),
        ("severity", "low"),
        ("severity", None),
        ("outcome", "maybe"),
        ("message", ""),
        ("message", "x" * 501),
        ("sub", "two words"),
        ("sub", ""),
        ("actor", "x" * 129),
        ("actor", "a\x00b"),
        ("client_id", "x" * 65),
        ("session", "ses_5"),
        ("session", "usr_" + "0" * 32),
        ("address", "203.0.113"),
        ("address", "fe80::1%eth0"),
        ("address", "203.0.113.0/24"),
        ("data", []),
        ("data", {"Order": 1}),
        ("data", {"order": {"number": 1}}),
        ("data", {"order": [1]}),
        ("data", {"order": 2**53 + 1}),
        ("data", {"order": "x" * 1001}),
        ("data", {"message": "reserved"}),
        ("data", {"sender_id": "reserved"}),
        ("data", {f"k{number}": 1 for number in range(33)}),
        ("data", {f"k{number}": "x" * 1000 for number in range(9)}),
        ("personal", {"name": 5}),
        ("personal", {"salt": "x"}),
        ("personal", {"address": "x"}),
        ("personal", {"person_index": "x"}),
        ("personal", {f"k{number}": "x" for number in range(9)}),
        ("personal", {f"k{number}": "x" * 1000 for number in range(3)}),
    ],
)
def test_a_wrong_field_is_named_with_what_was_expected(field: str, value: object) -> None:
    with pytest.raises(WrongEvents) as refused:
        parsed(event(), event(**{field: value}), event())
    (fault,) = refused.value.faults
    assert (fault.index, fault.field, fault.expected) == (1, field, EXPECTED[field])


@pytest.mark.parametrize("missing", ["id", "at", "name", "severity"])
def test_a_missing_field_is_named(missing: str) -> None:
    sent = event()
    del sent[missing]
    with pytest.raises(WrongEvents) as refused:
        parsed(sent)
    assert [fault.field for fault in refused.value.faults] == [missing]


@pytest.mark.parametrize("name", ["source", "seq", "risk_score", "x" * 500, "a`b"])
def test_an_unknown_field_is_refused(name: str) -> None:
    with pytest.raises(WrongEvents) as refused:
        parsed(event(**{name: 1}))
    (fault,) = refused.value.faults
    assert "no such field" in fault.expected
    assert len(fault.field) <= 64


def test_every_wrong_event_is_named_once_and_in_order() -> None:
    wrong = {"severity": "x", "name": "x", "data": []}
    with pytest.raises(WrongEvents) as refused:
        parsed(*(event(**wrong) if number % 2 else event() for number in range(MAX_EVENTS)))
    assert [fault.index for fault in refused.value.faults] == list(range(1, MAX_EVENTS, 2))


@pytest.mark.parametrize("count", [0, MAX_EVENTS + 1])
def test_a_batch_has_one_to_a_thousand_events(count: int) -> None:
    with pytest.raises(NoBatch, match=f"got {count}"):
        parsed(*[event()] * count)


@pytest.mark.parametrize(
    "body",
    [
        b"", b"null", b"[]", b"{}", b'{"events": {}}', b'{"events": [], "more": 1}', b"\xff", b'{"events": [' * 20_000,
        b'{"events": [{"data":' + b'{"a":' * 50_000 + b"1" + b"}" * 50_000 + b"}]}", b'{"events": [NaN]}',
        b'{"events": [{"id": "\\ud800"}]}',
    ],
)  # fmt: skip
def test_what_is_no_batch_is_told_so(body: bytes) -> None:
    """S38"""
    with pytest.raises((NoBatch, WrongEvents)):
        parse_batch(body, now=NOW, own_names=OWN)


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=9), inner, max_size=4),
    max_leaves=12,
)


@given(parts=st.dictionaries(st.sampled_from([*EXPECTED, "source"]), _JSON, max_size=6), other=_JSON)
def test_nothing_but_a_named_fault_comes_of_any_json(parts: dict[str, object], other: object) -> None:
    for body in ({"events": [event(**parts), other]}, other, {"events": other}):
        assert refused_fields(msgspec.json.encode(body)) <= {*EXPECTED, "source", ""}


def refused_fields(body: bytes) -> set[str]:
    """The fields at fault; none where the batch is right, or is no batch. Anything else that is raised is a defect."""
    try:
        sent = parse_batch(body, now=NOW, own_names=OWN)
    except NoBatch:
        return set()
    except WrongEvents as refused:
        # What has an unknown name is told by that name, whatever it is.
        return {fault.field for fault in refused.faults if "no such field" not in fault.expected}
    return {"taken"} if any(each.name in OWN for each in sent) else set()


@given(st.binary(max_size=300))
def test_no_bytes_break_the_reader(body: bytes) -> None:
    with pytest.raises((NoBatch, WrongEvents)):
        parse_batch(body, now=NOW, own_names=OWN)


def test_addresses_are_written_as_the_server_writes_them() -> None:
    assert plain_address("2001:DB8:0::1") == "2001:db8::1"
    assert plain_address("::ffff:203.0.113.7") == "203.0.113.7"
    assert plain_address("203.0.113.07") is None


def test_an_events_id_is_the_same_each_time_and_nobody_elses() -> None:
    one = event_id_of("cli_a", "0193a1c2-5b7e-7c3a-9d2f-1a2b3c4d5e6f")
    assert one == event_id_of("cli_a", "0193a1c2-5b7e-7c3a-9d2f-1a2b3c4d5e6f")
    assert one != event_id_of("cli_b", "0193a1c2-5b7e-7c3a-9d2f-1a2b3c4d5e6f")
    assert (one[6] >> 4, one[8] >> 6) == (8, 2)
    assert new_id(NOW)[6] >> 4 == 7


@pytest.mark.parametrize(
    ("inside", "field"),
    [
        (b'"data": {"note": "\\udc00"}', "data"),
        (b'"data": {"\\ud800": 1}', "data"),
        (b'"personal": {"name": "a\\ud83d"}', "personal"),
        (b'"sub": "\\ud800"', "sub"),
        (b'"\\ud800": 1', ""),
    ],
)
def test_half_a_character_is_named_with_its_place(inside: bytes, field: str) -> None:
    whole = msgspec.json.encode(event())
    body = b'{"events": [' + whole + b"," + whole[:-1] + b"," + inside + b"}," + whole + b"]}"
    with pytest.raises(WrongEvents) as refused:
        parse_batch(body, now=NOW, own_names=OWN)
    assert [(each.index, each.field, each.expected) for each in refused.value.faults] == [(1, field, WHOLE)]


def test_a_whole_character_in_two_halves_is_text() -> None:
    whole = msgspec.json.encode(event(message="half")).replace(b"half", b"\\ud83d\\ude00")
    (sent,) = parse_batch(b'{"events": [' + whole + b"]}", now=NOW, own_names=OWN)
    assert sent.message == "\U0001f600"
