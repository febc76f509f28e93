"""The lease: fresh under 5 s, stale under 60 s, lost after; measured by monotonic clocks alone."""

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ostiary.feed_lease import Lease, LeaseState
from ostiary.feed_lines import FeedHead
from tests.sdk.feed_model import BEGAN

DAY_MS = 86_400_000


def head(up_s: float, *, boot: str = "a", at_ms: int = BEGAN * 1000) -> FeedHead:
    return FeedHead("ab" * 16, 1, bytes(32), at_ms, round(up_s * 1000), boot)


@pytest.mark.parametrize(
    ("age_s", "state"),
    [
        (0.0, LeaseState.FRESH),
        (4.999, LeaseState.FRESH),
        (5.0, LeaseState.STALE),
        (59.999, LeaseState.STALE),
        (60.0, LeaseState.LOST),
        (1e9, LeaseState.LOST),
    ],
)
def test_the_state_follows_the_age_to_the_millisecond(age_s: float, state: LeaseState) -> None:
    """Issue 4's words: fresh under 5 s, then stale, lost after 60 s; counted from when the question was sent."""
    lease = Lease()
    lease.connection(1000.0)
    lease.heard(head(7.0), 1000.0)
    assert lease.state(1000.0 + age_s) is state


def test_who_never_heard_a_head_has_lost_the_feed() -> None:
    lease = Lease()
    assert lease.state(0.0) is LeaseState.LOST
    lease.connection(0.0)
    assert lease.state(0.1) is LeaseState.LOST


def test_a_slow_answer_counts_from_the_question() -> None:
    """The server read its log somewhen after the question; nobody knows when, so the earliest moment counts."""
    lease = Lease()
    lease.connection(100.0)
    lease.heard(head(50.0), 104.0)
    assert lease.age_s(104.0) == 4.0
    lease.heard(head(51.0), 105.0)
    assert lease.age_s(105.0) == 4.0


def test_heads_held_up_for_thirty_seconds_and_delivered_at_once_are_old() -> None:
    """A proxy buffers a minute of heartbeats: their number and freshness at the door prove nothing."""
    lease = Lease()
    lease.connection(0.0)
    lease.heard(head(500.0), 0.0)
    for second in range(1, 31):
        # All of the first thirty seconds arrive together at the sixtieth.
        lease.heard(head(500.0 + second), 60.0)
    assert lease.age_s(60.0) == 30.0
    assert lease.state(60.0) is LeaseState.STALE
    lease.heard(head(556.0), 60.1)
    assert lease.state(60.1) is LeaseState.FRESH


def test_wall_clocks_that_jump_a_day_change_nothing() -> None:
    """F6: neither the server's clock, which heads tell, nor our own, which nobody asks, is part of the rule."""
    lease = Lease()
    lease.connection(0.0)
    for second, jump_ms in enumerate([0, DAY_MS, -DAY_MS, 0]):
        lease.heard(head(9.0 + second, at_ms=BEGAN * 1000 + jump_ms), second + 0.01)
        assert lease.age_s(second + 0.01) == pytest.approx(0.01)


def test_no_head_is_younger_than_its_receipt() -> None:
    """A server whose monotonic clock runs away cannot vouch for the future."""
    lease = Lease()
    lease.connection(0.0)
    lease.heard(head(10.0), 0.5)
    lease.heard(head(10_000.0), 1.0)
    assert lease.age_s(1.0) == 0.0
    assert lease.age_s(6.0) == 5.0


def test_a_head_that_does_not_agree_vouches_for_nothing_and_sets_the_measure() -> None:
    lease = Lease()
    lease.connection(10.0)
    lease.heard(head(3.0), 10.1, agrees=False)
    assert lease.state(10.1) is LeaseState.LOST
    lease.heard(head(5.0), 12.1)
    assert lease.age_s(12.1) == pytest.approx(0.1)


def test_another_process_on_the_same_connection_cannot_be_measured() -> None:
    lease = Lease()
    lease.connection(0.0)
    lease.heard(head(100.0), 0.0)
    lease.heard(head(9_000.0, boot="b"), 3.0)
    assert lease.age_s(3.0) == 3.0
    lease.connection(3.0)
    lease.heard(head(9_001.0, boot="b"), 4.0)
    assert lease.age_s(4.0) == 1.0


def test_an_answer_kept_by_a_cache_is_not_taken_for_a_new_one() -> None:
    """The same process cannot have read its log earlier than in a head that we know already."""
    lease = Lease()
    lease.connection(0.0)
    lease.heard(head(100.0), 0.0)
    lease.connection(50.0)
    lease.heard(head(100.0), 50.1)
    lease.heard(replace(head(99.0), seq=2), 50.2)
    assert lease.age_s(50.2) == pytest.approx(50.2)


def test_two_connections_are_measured_each_by_itself() -> None:
    """A delta asked beside the stream must not lend the stream its own, younger, question."""
    lease = Lease()
    stream = lease.connection(0.0)
    stream.heard(head(100.0), 0.1)
    delta = lease.connection(20.0)
    stream.heard(head(105.0), 20.1)
    assert lease.age_s(20.1) == pytest.approx(15.1)
    delta.heard(head(120.0), 20.2)
    assert lease.age_s(20.2) == pytest.approx(0.2)


def test_a_late_head_of_an_old_connection_makes_nothing_older() -> None:
    lease = Lease()
    old = lease.connection(0.0)
    old.heard(head(100.0), 0.1)
    lease.connection(50.0).heard(head(7.0, boot="b"), 50.1)
    old.heard(head(101.0), 50.2)
    assert lease.age_s(50.2) == pytest.approx(0.2)


@given(
    steps=st.lists(st.tuples(st.floats(0.001, 3), st.floats(0, 40), st.booleans()), min_size=1, max_size=40),
    asked=st.floats(0, 1e6),
    boot_s=st.floats(0, 1e6),
)
def test_knowledge_is_never_younger_than_it_is(
    steps: list[tuple[float, float, bool]], asked: float, boot_s: float
) -> None:
    """Whatever the delays on the way: the true moment of the last reading that agreed lies before the lease's."""
    lease, read_at, now, newest = Lease(), asked, asked, float("-inf")
    lease.connection(asked)
    for gap_s, delay_s, agrees in steps:
        read_at += gap_s
        now = max(now, read_at + delay_s)
        said = head(boot_s + read_at - asked)
        lease.heard(said, now, agrees=agrees)
        newest = max(newest, read_at) if agrees else newest
        assert lease.age_s(now) >= now - newest - 0.002
