"""Who follows the feed, and how a request of theirs is refused."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Follower:
    """A service that may read the feed: its client id, its token's id and end, and whether it still may.

    `may_read` asks memory, `is_revoked` the database for this one token.
    """

    client_id: str
    jti: str
    expires_at: datetime
    may_read: Callable[[], bool]
    is_revoked: Callable[[], Awaitable[bool]]

    def is_welcome(self, now: datetime) -> bool:
        """Whether its stream may go on."""
        return now < self.expires_at and self.may_read()

    def is_named_in(self, lines: Sequence[bytes]) -> bool:
        """Whether one of these entries is about its token."""
        subject = b'"subject":"' + self.jti.encode() + b'"'
        return any(subject in line for line in lines)


class FeedRefused(Exception):
    """A request that cannot be answered as it was asked. `field` is at fault, where one is."""

    def __init__(self, status: int, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
