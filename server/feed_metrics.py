"""The numbers of the feed in one process."""

from server.feed import Feed
from server.metrics import Metrics


def tell_feed(metrics: Metrics, feed: Feed) -> None:
    """Registers where they are read from."""
    hub = feed.hub
    metrics.gauge("ostiary_feed_entries", lambda: hub.known_seq)
    metrics.gauge("ostiary_feed_followers", lambda: feed.board.connected)
    metrics.gauge("ostiary_feed_age_seconds", lambda: hub.age_s)
