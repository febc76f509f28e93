"""What a verifier needs of a feed: who follows it, over which wire, is no matter of the core. Pure."""

from typing import Protocol

from ostiary.revocations import Revocations


class FeedSource(Protocol):
    """`ostiary.Feed`, and the test kit's `FakeFeed`."""

    @property
    def issuer(self) -> str:
        """Whose feed it is."""

    @property
    def revocations(self) -> Revocations:
        """What is known to be revoked."""

    def age_s(self) -> float:
        """How old that knowledge may be, in seconds; infinite before the first head (`Lease.age_s`)."""

    def start(self) -> None:
        """Begin to follow, if that is not so yet in this process. Called often, so it must cost nothing then."""
