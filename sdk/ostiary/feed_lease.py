"""How old a follower's knowledge is, without any agreement between clocks (docs/feed.md, "Age"). Pure.

Only two monotonic clocks count: our own, and how far the server's went between two of its heads. Neither side's wall
clock is ever looked at.
"""

from enum import StrEnum
from math import inf

from ostiary.feed_lines import FeedHead

FRESH_FOR_S = 5.0
LOST_AFTER_S = 60.0


class LeaseState(StrEnum):
    """What may be built upon what is known: everything, less, or nothing."""

    FRESH = "fresh"
    STALE = "stale"
    LOST = "lost"


def lease_state(age_s: float, *, fresh_for_s: float, lost_after_s: float) -> LeaseState:
    """The state of knowledge of that age; what was never vouched for is infinitely old."""
    if age_s < fresh_for_s:
        return LeaseState.FRESH
    return LeaseState.STALE if age_s < lost_after_s else LeaseState.LOST


class Lease:
    """Since when nothing is known of the log. Written by the thread that follows it, read by any without a lock.

    All times are seconds of one own monotonic clock, best one that goes on while the machine sleeps. `vouched_at` is
    when what is known was the whole of the log, at the latest of all such moments; it never goes back before the end.
    """

    def __init__(self, *, fresh_for_s: float = FRESH_FOR_S, lost_after_s: float = LOST_AFTER_S) -> None:
        self._fresh_for_s = fresh_for_s
        self._lost_after_s = lost_after_s
        self.vouched_at = -inf
        self._has_ended = False
        # The newest head heard of the process that spoke last: a cache's old answer is recognised by it.
        self._boot = ""
        self._up_ms = -1
        self._current = Connection(self, -inf)

    def connection(self, asked: float) -> "Connection":
        """Begins to listen to the answer of a request that was sent at `asked` (taken as late as possible).

        `heard` without `on` means the connection begun last.
        """
        self._current = Connection(self, asked)
        return self._current

    def heard(self, head: FeedHead, now: float, *, agrees: bool = True, on: "Connection | None" = None) -> None:
        """A proven head came at `now`. Call it for every head: the first one of a connection sets the measure.

        `agrees` is whether we know the log as the head tells it (`Step.GOOD`); only then does it vouch for us.
        """
        connection = on or self._current
        vouched_at = connection.moment_of(head, now, is_new=head.boot != self._boot or head.up_ms > self._up_ms)
        if vouched_at is None:
            return
        self._boot, self._up_ms = head.boot, head.up_ms
        if agrees and not self._has_ended:
            self.vouched_at = max(self.vouched_at, vouched_at)

    def end(self) -> None:
        """Lost from now on, whatever is still heard; for the thread that calls `heard`, or once that has ended."""
        self._has_ended, self.vouched_at = True, -inf

    def age_s(self, now: float) -> float:
        """How old what we know may be; infinite before the first head that agreed."""
        return max(now - self.vouched_at, 0.0)

    def state(self, now: float) -> LeaseState:
        """Fresh, stale or lost at this moment."""
        return lease_state(self.age_s(now), fresh_for_s=self._fresh_for_s, lost_after_s=self._lost_after_s)


class Connection:
    """One request to the feed, and the measure that the first head of its answer set."""

    def __init__(self, lease: Lease, asked: float) -> None:
        self._lease = lease
        self._asked = asked
        self._boot: str | None = None
        self._first_up_ms = 0

    def heard(self, head: FeedHead, now: float, *, agrees: bool = True) -> None:
        """As `Lease.heard`, for this connection."""
        self._lease.heard(head, now, agrees=agrees, on=self)

    def moment_of(self, head: FeedHead, now: float, *, is_new: bool) -> float | None:
        """When the log was as the head says, at the earliest; None where the head proves nothing about that.

        The server read its clock for the first head after our question, so all later ones are measured from there:
        what was held up on its way shows as old. A head of another process than the first one cannot be measured, and
        one that is not newer than what was heard before was kept by somebody.
        """
        if not is_new:
            return None
        if self._boot is None:
            self._boot, self._first_up_ms = head.boot, head.up_ms
        if head.boot != self._boot:
            return None
        return min(self._asked + (head.up_ms - self._first_up_ms) / 1000, now)
