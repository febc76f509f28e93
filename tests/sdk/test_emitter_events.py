"""What `emit` refuses, by which words; and the place where a program's own tests look at events."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from enum import Enum, IntEnum, StrEnum
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.testing import RecordedEvents

SESSION = "ses_" + "a" * 32
WRONG: tuple[tuple[dict[str, object], str], ...] = (
    ({"name": "refunded"}, "name must be family.action in lower case, as in order.refunded"),
    ({"name": "Order.refunded"}, "name must be"),
    ({"name": "order.refunded\n"}, "name must be"),
    ({"name": "order.refunded.twice"}, "name must be"),
    ({"name": "a" * 32 + ".b"}, "name must be"),
    ({"name": None}, "name must be"),
    ({"name": "admin.privileges_granted"}, "not of the server's own: admin.*, lockout.*, policy.*, recovery.*"),
    ({"actor": "system"}, "and not anonymous, cli, system"),
    ({"severity": "low"}, "severity must be LOW, MEDIUM or HIGH"),
    ({"severity": ["LOW"]}, "severity must be"),
    ({"outcome": "ok"}, "outcome must be success, failure or denied"),
    ({"message": ""}, "message must be text of 1 to 500 characters"),
    ({"message": "x" * 501}, "message must be"),
    ({"message": "\ud800"}, "message must be"),
    ({"sub": "a b"}, "sub must be 1 to 128 visible ASCII characters"),
    ({"sub": ""}, "sub must be"),
    ({"actor": "x" * 129}, "actor must be"),
    ({"client_id": "x" * 65}, "client_id must be 1 to 64 visible ASCII characters"),
    ({"session": "a" * 32}, "session must be the sid of an access token: ses_ and 32 hexadecimal digits"),
    ({"address": "localhost"}, "address must be an IPv4 or IPv6 address"),
    ({"address": "fe80::1%eth0"}, "address must be"),
    ({"address": 2130706433}, "address must be"),
    ({"at": datetime(2026, 1, 1)}, "at must be a datetime with a time zone"),  # noqa: DTZ001 - that it has none
    ({"at": datetime.max.replace(tzinfo=timezone(timedelta(hours=-14)))}, "at must be a time of the years 1 to 9999"),
    ({"at": datetime.min.replace(tzinfo=timezone(timedelta(hours=14)))}, "at must be a time of the years 1 to 9999"),
    ({"data": ["x"]}, "data must be a mapping of at most 32 keys"),
    ({"data": {f"k{number}": 1 for number in range(33)}}, "data must be a mapping of at most 32 keys"),
    ({"data": {"Order": 1}}, "data has the key 'Order'; keys must be lower_case words"),
    ({"data": {1: 1}}, "data has the key '1'"),
    ({"data": {"sender_id": "x"}}, "none of message, sender_id"),
    ({"data": {"inner": {"a": 1}}}, "data.inner must be text of at most 1000 characters, a whole number"),
    ({"data": {"list": [1]}}, "data.list must be"),
    ({"data": {"amount": float("nan")}}, "data.amount must be"),
    ({"data": {"amount": float("inf")}}, "data.amount must be"),
    ({"data": {"amount": 2**53 + 1}}, "data.amount must be"),
    ({"data": {"when": datetime(2026, 1, 1, tzinfo=UTC)}}, "data.when must be"),
    ({"data": {"raw": b"x"}}, "data.raw must be"),
    ({"data": {"text": "x" * 1_001}}, "data.text must be"),
    ({"data": {f"k{number}": "x" * 1_000 for number in range(9)}}, "data must be at most 8192 bytes of JSON"),
    ({"personal": {"email": 1}}, "personal.email must be text of at most 1000 characters"),
    ({"personal": {"address": "x"}}, "personal has the key 'address'"),
    ({"personal": {f"k{number}": "x" for number in range(9)}}, "personal must be a mapping of at most 8 keys"),
    ({"personal": {f"k{number}": "x" * 1_000 for number in range(3)}}, "personal must be at most 2048 bytes of JSON"),
)


@pytest.fixture
def recorded() -> RecordedEvents:
    return RecordedEvents()


@pytest.mark.parametrize(("given", "words"), WRONG, ids=[f"{number}" for number in range(len(WRONG))])
def test_a_mistake_of_the_program_is_named_where_it_is_made(
    recorded: RecordedEvents, given: dict[str, object], words: str
) -> None:
    """And nothing of the event is kept."""
    emit: Callable[..., str] = recorded.emit
    with pytest.raises(ValueError, match=r".+") as caught:
        emit(**{"name": "order.refunded", **given})
    assert words in str(caught.value)
    assert recorded.events == []


def test_every_event_has_an_id_and_a_time_of_its_own(recorded: RecordedEvents) -> None:
    before = datetime.now(UTC)
    ids = [recorded.emit("order.placed"), recorded.emit("order.placed")]
    assert [event["id"] for event in recorded.events] == ids
    assert [UUID(each).version for each in ids] == [4, 4]
    assert ids[0] != ids[1]
    times = [datetime.fromisoformat(str(event["at"])) for event in recorded.events]
    assert before <= times[0] <= times[1] <= datetime.now(UTC)


def test_a_time_is_told_in_utc(recorded: RecordedEvents) -> None:
    recorded.emit("order.placed", at=datetime(2026, 1, 1, 3, tzinfo=timezone(timedelta(hours=3))))
    assert recorded.events[0]["at"] == "2026-01-01T00:00:00+00:00"


def test_what_is_not_said_is_not_sent(recorded: RecordedEvents) -> None:
    recorded.emit("order.placed")
    assert recorded.events[0].keys() == {"id", "at", "name", "severity", "outcome"}


class Word(str):
    """As a framework's own texts are."""

    __slots__ = ()


class Part(float):
    """As numpy's numbers are."""


class Number(int):
    """As an ORM's are."""


class Level(StrEnum):
    HIGH = "HIGH"


class Rank(IntEnum):
    FIRST = 1


class Kind(str, Enum):  # noqa: UP042 - as older programs write it
    GIFT = "gift"


def test_texts_and_numbers_of_other_classes_are_what_they_stand_for(recorded: RecordedEvents) -> None:
    """A program that passes an enum's member must not find out in production."""
    recorded.emit(
        Word("order.placed"),
        severity=Level.HIGH,
        message=Word("Placed."),
        sub=Word("s-1"),
        data={Word("w"): Word("x"), "p": Part(1.5), "n": Number(3), "k": Kind.GIFT, "i": Rank.FIRST},
        personal={"email": Word("ada@example.com")},
    )
    (event,) = recorded.events
    assert (event["name"], event["severity"], event["message"]) == ("order.placed", "HIGH", "Placed.")
    assert event["sub"] == "s-1"
    assert event["data"] == {"w": "x", "p": 1.5, "n": 3, "k": "gift", "i": 1}
    assert event["personal"] == {"email": "ada@example.com"}
    for value in (Part("nan"), Number(2**60), Word("\ud800")):
        with pytest.raises(ValueError, match=r"data\.k must be"):
            recorded.emit("order.placed", data={"k": value})


def test_what_changes_afterwards_changes_nothing(recorded: RecordedEvents) -> None:
    data: dict[str, object] = {"order": "A-1"}
    recorded.emit("order.placed", data=data)
    data["order"] = "A-2"
    assert recorded.events[0]["data"] == {"order": "A-1"}


@given(
    st.dictionaries(
        st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True).filter(lambda key: key not in {"message", "sender_id"}),
        st.none()
        | st.booleans()
        | st.integers(-(2**53), 2**53)
        | st.floats(allow_nan=False, allow_infinity=False)
        | st.text(max_size=40).filter(lambda text: text.isprintable()),
        max_size=8,
    )
)
def test_data_arrives_as_it_was_given(data: dict[str, object]) -> None:
    recorded = RecordedEvents()
    recorded.emit("order.placed", data=data)
    assert recorded.events[0].get("data", {}) == data


def test_control_characters_stay_inside_one_line_of_json(recorded: RecordedEvents) -> None:
    """S46."""
    recorded.emit("order.placed", message="a\r\nb\x1b[31m\u2028", sub="s-1")
    assert recorded.events[0]["message"] == "a\r\nb\x1b[31m\u2028"
    assert "\n" not in json.dumps(recorded.events[0])


def test_a_users_test_asks_for_the_event_that_it_means(recorded: RecordedEvents) -> None:
    recorded.emit("order.refunded", sub="s-1", data={"order": "A-1", "amount": 12})
    recorded.emit("order.refunded", sub="s-2", data={"order": "A-2", "amount": 12})
    assert recorded.assert_emitted("order.refunded", sub="s-2", data={"order": "A-2"})["outcome"] == "success"
    assert len(recorded.named("order.refunded")) == 2
    with pytest.raises(AssertionError, match=r"0 events order\.refunded with {'sub': 's-3'}"):
        recorded.assert_emitted("order.refunded", sub="s-3")
    with pytest.raises(AssertionError, match=r"2 events order\.refunded"):
        recorded.assert_emitted("order.refunded", data={"amount": 12})
    with pytest.raises(AssertionError, match=r"0 events order\.lost"):
        recorded.assert_emitted("order.lost")
