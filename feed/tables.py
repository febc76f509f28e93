"""The feed's table: what every enforcement point must know at once, one row a revocation or change."""

from sqlalchemy import BigInteger, Column, Index, String, Table, text

from base.tables import Id, Instant, metadata

_UNNUMBERED = text("seq IS NULL")

# Rows are born unnumbered in the transaction of the change; the sequencer numbers them.
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
    Index(None, "expires_at"),
    Index("ix_feed_unnumbered", "created_at", "id", sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED),
)
