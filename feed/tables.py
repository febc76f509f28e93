"""The feed's tables: what every enforcement point must know at once, who follows it, and when it was in force there."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, String, Table, text

from base.tables import Digest, Id, Instant, JsonText, metadata

_UNNUMBERED = text("seq IS NULL")
_UNSETTLED = text("settled_at IS NULL")

# Rows are born unnumbered in the transaction of the change; the sequencer numbers them, and fixes line and chain.
feed = Table(
    "feed",
    metadata,
    Column("id", Id, primary_key=True),
    Column("seq", BigInteger, unique=True),
    Column("kind", String(32), nullable=False),
    Column("subject", String(256), nullable=False),
    Column("not_before", Instant),
    Column("expires_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("facts", JsonText),
    Column("line", LargeBinary),
    Column("chain", Digest),
    Index(None, "expires_at"),
    Index("ix_feed_unnumbered", "created_at", "id", sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED),
)

# What was numbered together: `first` to `last`, the oldest of it made at `born_at`. Settled when every follower that
# was there has said that it is in force, or when that took too long.
feed_batches = Table(
    "feed_batches",
    metadata,
    Column("epoch", Id, primary_key=True),
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("born_at", Instant, nullable=False),
    Column("numbered_at", Instant, nullable=False),
    Column("followers", Integer),
    Column("reached", Integer),
    Column("in_force_ms", Integer),
    Column("settled_at", Instant),
    Index("ix_feed_batches_unsettled", "numbered_at", sqlite_where=_UNSETTLED, postgresql_where=_UNSETTLED),
    Index(None, "numbered_at"),
)

# The enforcement points: each instance of a service by the name that it gave itself.
feed_followers = Table(
    "feed_followers",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("name", String(64), primary_key=True),
    Column("connected_at", Instant, nullable=False),
    # While it is connected, this moves on every few seconds.
    Column("heard_at", Instant, nullable=False),
    Column("left_at", Instant),
    Column("epoch", Id),
    Column("seq", BigInteger),
    Column("acked_at", Instant),
    Index(None, "heard_at"),
)
