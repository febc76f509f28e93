"""When to come back: many who were told "not now" at the same moment must not come back at the same moment."""

from __future__ import annotations

import pytest

from ostiary.backoff import Backoff, spread_s
from ostiary.bearer import refusal_for, response_parts
from ostiary.errors import FeedUnavailable
from ostiary.failure_policy import FailurePolicy

ALMOST_ONE = 1 - 2**-53


@pytest.mark.parametrize(("least_s", "most_s"), [(1, 2), (2, 3), (5, 8), (3600, 5400)])
def test_who_is_told_to_come_back_is_told_so_at_least_and_half_of_it_more_at_most(least_s: int, most_s: int) -> None:
    assert spread_s(least_s, random=lambda: 0.0) == least_s
    assert spread_s(least_s, random=lambda: ALMOST_ONE) == most_s


def test_each_answer_of_503_draws_its_own_time() -> None:
    """A guard that refuses a thousand callers in a second gets them back over several."""
    refusal = refusal_for(FeedUnavailable(retry_after_s=FailurePolicy().retry_after_s, reason="the feed is cut off"))

    assert dict(response_parts(refusal, realm="api", chance=lambda: 0.0)[0])[b"retry-after"] == b"5"
    told = {dict(response_parts(refusal, realm="api")[0])[b"retry-after"] for _ in range(300)}
    assert told == {b"5", b"6", b"7", b"8"}


def test_a_pause_that_a_server_asked_for_is_spread_as_well() -> None:
    """Followers of a server that starts anew hear the same number, all of them."""
    assert Backoff(0.1, 5, random=lambda: 0.0).next_pause_s(at_least_s=2) == 2
    assert Backoff(0.1, 5, random=lambda: 0.5).next_pause_s(at_least_s=2) == 2.5
    assert Backoff(0.1, 5, random=lambda: 1.0).next_pause_s(at_least_s=9000) == 7.5
    assert Backoff(4, 5, random=lambda: 1.0).next_pause_s(at_least_s=1) == 4, "whichever is longer"
