"""A fork in the middle of something: the child neither waits for a thread that it has not, nor for its answer."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable

from ostiary.failure_policy import FailurePolicy
from ostiary.fork_lock import ForkLock
from ostiary.introspected import Answers
from ostiary.rate_counts import ProcessCounts, Window


def holds_in_child(is_so: Callable[[], bool]) -> bool:
    """Whether it is so in a forked child; one that hangs is ended after five seconds."""
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGALRM, signal.SIG_DFL)
        signal.alarm(5)
        os._exit(0 if is_so() else 1)
    return os.waitpid(child, 0)[1] == 0


def test_a_lock_that_is_held_at_the_fork_is_free_in_the_child_and_still_held_here() -> None:
    lock = ForkLock()
    with lock.lock:
        assert holds_in_child(lambda: not lock.is_taken)
        assert lock.is_taken
    assert not lock.is_taken


def test_a_child_asks_behind_its_own_requests() -> None:
    """Questions that were under way in the parent end there; here they would stand in the way for good."""
    answers = Answers(FailurePolicy(introspections_behind=1))
    assert answers.begin("jti_1", tick=0)
    with answers._lock.lock:
        assert holds_in_child(lambda: answers.begin("jti_1", tick=0))
    assert not answers.begin("jti_2", tick=0), "the parent's question is still under way in the parent"


def test_rates_are_counted_on_in_a_child_that_was_forked_in_the_middle_of_a_hit() -> None:
    """I6: no limit is lost, and no request waits for ever."""
    counts = ProcessCounts()
    window = [Window("api:person:usr_1", 7, 900)]
    assert counts.hit(window) == [(1, 0)]
    with counts._lock.lock:
        assert holds_in_child(lambda: counts.hit(window) == [(2, 0)])
