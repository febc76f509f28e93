"""What a verifier needs of a feed: who follows it, over which wire, is no matter of the core. Pure."""

from collections.abc import Callable
from typing import Protocol

from ostiary.feed_lease import Lease
from ostiary.revocations import Revocations


class FeedSource(Protocol):
    """`ostiary.Feed`, and the test kit's `FakeFeed`."""

    @property
    def issuer(self) -> str:
        """Whose feed it is."""

    @property
    def revocations(self) -> Revocations:
        """What is known to be revoked; the same object for as long as the feed lives."""

    def age_s(self) -> float:
        """How old that knowledge may be, in seconds; infinite before the first head (`Lease.age_s`)."""

    def lease_by(self, monotonic: Callable[[], float]) -> Lease:
        """Of this lease `vouched_at` may be read by that clock in the place of asking `age_s`; asked once.

        A moment that is too early only makes its reader ask `age_s` after all; one too late must never stand there.
        """

    def start(self) -> None:
        """Begin to follow, if that is not so yet in this process. Called often, so it must cost nothing then."""
