"""What answers mean and how long to wait; and which events make room in memory."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.emitter_buffer import EventBuffer
from ostiary.emitter_client import server_time
from ostiary.emitter_rules import Outcome, Refusal, batch_body, batch_key, is_ahead, judge, pause_s
from ostiary.spool_segment import Lane

ANSWERS = (
    (200, b'{"received": 2, "stored": 1, "repeated": 1}', Outcome.STORED),
    (200, b'{"received": 1, "stored": 1, "repeated": 0}', Outcome.NOT_NOW),
    (200, b"<html>Please log in</html>", Outcome.NOT_NOW),
    (200, b"", Outcome.NOT_NOW),
    (200, b"{}", Outcome.NOT_NOW),
    (200, b"2", Outcome.NOT_NOW),
    (200, b'{"received": "2"}', Outcome.NOT_NOW),
    (200, b"[" * 100_000, Outcome.NOT_NOW),
    (202, b'{"received": 2}', Outcome.NOT_NOW),
    (204, b"", Outcome.NOT_NOW),
    (400, b"{}", Outcome.NO_BATCH),
    (401, b"", Outcome.TOKEN_REFUSED),
    (403, b"not json", Outcome.NOT_LIKE_THIS),
    (404, b"", Outcome.NOT_LIKE_THIS),
    (301, b"", Outcome.NOT_LIKE_THIS),
    (413, b"", Outcome.TOO_LARGE),
    (422, b'{"errors": [{"index": 1, "field": "at", "expected": "newer"}]}', Outcome.SOME_REFUSED),
    (422, b'{"errors": [{"index": 2}]}', Outcome.NO_BATCH),
    (422, b'{"errors": [{"index": -1}]}', Outcome.NO_BATCH),
    (422, b'{"errors": [{"field": "Idempotency-Key", "expected": "a new key"}]}', Outcome.NO_BATCH),
    (422, b'{"errors": "many"}', Outcome.NO_BATCH),
    (422, b"[" * 100_000, Outcome.NO_BATCH),
    (429, b"", Outcome.NOT_NOW),
    (500, b"", Outcome.NOT_NOW),
    (503, b"", Outcome.NOT_NOW),
)


@pytest.mark.parametrize(("status", "body", "outcome"), ANSWERS)
def test_each_answer_has_one_meaning(status: int, body: bytes, outcome: Outcome) -> None:
    """A batch of two; an index beyond it means nothing."""
    assert judge(status, body, retry_after="", count=2).outcome is outcome


def test_refused_events_come_with_the_servers_words() -> None:
    body = b'{"errors": [{"index": 0, "field": "at", "expected": "newer"}, {"index": 1, "field": "name"}]}'
    verdict = judge(422, body, retry_after="", count=2)
    assert verdict.refusals == (Refusal(0, "at", "at must be newer"), Refusal(1, "name", "name must be "))


@pytest.mark.parametrize(
    ("text", "wait_s"),
    [
        ("", None),
        ("0", 0),
        ("7", 7),
        ("86400", 3600),
        ("-1", None),
        ("Wed, 21 Oct 2026 07:28:00 GMT", None),
        ("٣", None),
    ],
)
def test_the_servers_wish_to_wait_is_read_strictly_and_bounded(text: str, wait_s: float | None) -> None:
    assert judge(503, b"", retry_after=text, count=1).retry_after_s == wait_s


NOW = datetime(2026, 10, 21, 7, 28, tzinfo=UTC)


def test_an_event_is_ahead_by_the_servers_clock_and_by_the_programs_only_without_it() -> None:
    """A month too old is for good, whatever this machine's clock says."""
    at = b'{"at":"2026-10-21T07:34:00+00:00"}'
    assert is_ahead(at, of=server_time("Wed, 21 Oct 2026 07:28:00 GMT", now=NOW + timedelta(days=90)))
    assert not is_ahead(at, of=server_time("Wed, 25 Nov 2026 07:28:00 GMT", now=NOW - timedelta(days=90)))
    for nothing in ("", "yesterday", "Wed, 21 Oct 99999999999999999999 07:28:00 GMT"):
        assert is_ahead(at, of=server_time(nothing, now=NOW))
        assert not is_ahead(at, of=server_time(nothing, now=NOW + timedelta(days=31)))
    assert not is_ahead(b"not json", of=NOW)
    assert not is_ahead(b'{"at":"2026-10-21T07:34:00"}', of=NOW)


@given(st.text(max_size=40))
def test_no_date_of_a_server_breaks_the_sender(date: str) -> None:
    assert server_time(date, now=NOW).tzinfo is not None


@given(st.integers(min_value=1, max_value=10**6), st.floats(min_value=0, max_value=1))
def test_pauses_grow_to_a_minute_and_differ(failures: int, chance: float) -> None:
    longest = min(0.5 * 2 ** min(failures - 1, 20), 60)
    assert longest / 2 <= pause_s(failures, chance=chance) <= longest


def test_the_key_is_the_bodys_own() -> None:
    """So that no crash can lose it, and no other batch can have it."""
    one, two = batch_body([b'{"id":1}', b'{"id":2}']), batch_body([b'{"id":2}'])
    assert one == b'{"events":[{"id":1},{"id":2}]}'
    assert batch_key(one) == batch_key(bytes(one))
    assert batch_key(one) != batch_key(two)
    assert len(batch_key(one)) == 64


def test_a_full_buffer_drops_the_oldest_low_event_and_others_only_for_want_of_one() -> None:
    buffer = EventBuffer(max_events=3, max_bytes=1_000)
    for name in (b"low-1", b"low-2"):
        buffer.put(Lane.LOW, name)
    for name in (b"high-1", b"high-2"):
        buffer.put(Lane.RAISED, name)
    taken = buffer.take()
    assert (taken.lanes, taken.dropped) == ({Lane.RAISED: [b"high-1", b"high-2"], Lane.LOW: [b"low-2"]}, 1)
    for number in range(5):
        buffer.put(Lane.RAISED, b"%d" % number)
    buffer.put(Lane.LOW, b"low-3")
    taken = buffer.take()
    assert (taken.lanes, taken.dropped) == ({Lane.RAISED: [b"2", b"3", b"4"], Lane.LOW: []}, 3)


@given(st.lists(st.tuples(st.sampled_from(Lane), st.integers(min_value=1, max_value=40))))
def test_a_buffer_never_holds_more_than_it_may_and_counts_the_rest(puts: list[tuple[Lane, int]]) -> None:
    buffer = EventBuffer(max_events=10, max_bytes=100)
    for lane, size in puts:
        buffer.put(lane, bytes(size))
        assert len(buffer) <= 10
    taken = buffer.take()
    kept = [*taken.lanes[Lane.LOW], *taken.lanes[Lane.RAISED]]
    assert sum(map(len, kept)) <= 100
    assert len(kept) + taken.dropped == len(puts)
    assert buffer.take().dropped == 0
