"""Who follows the feed, and how a request of theirs is refused."""

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime


@dataclass(frozen=True, slots=True)
class Follower:
    """A service that may read the feed: its client id, until when its token holds, and whether it still may."""

    client_id: str
    expires_at: datetime
    may_read: Callable[[], bool]

    def is_welcome(self, now: datetime) -> bool:
        """Whether its stream may go on."""
        return now < self.expires_at and self.may_read()


class FeedRefused(Exception):
    """A request that cannot be answered as it was asked. `field` is at fault, where one is."""

    def __init__(self, status: int, detail: str, *, field: str | None = None) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.field = field
