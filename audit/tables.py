"""The audit tables: events and their keys, the ledger over them, alerts, and what was given out and taken in."""

from sqlalchemy import (
    BigInteger,
    Column,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    String,
    Table,
    Text,
    text,
)

from base.tables import Digest, Id, Instant, JsonText, metadata

_UNNUMBERED = text("seq IS NULL")
# Searches name these in the very words of their indexes.
RAISED = text("severity <> 'LOW'")
NOT_A_SUCCESS = text("outcome <> 'success'")
AT_RISK_FROM = 30
AT_RISK = text(f"risk_score >= {AT_RISK_FROM}")
_DESTROYED = text("destroyed_at IS NOT NULL")


def _of_those_with(column: str) -> Index:
    """An index of the rows that have a value there: the others would only pay for it."""
    has_one = text(f"{column} IS NOT NULL")
    return Index(f"ix_events_{column}_at_id", column, "at", "id", sqlite_where=has_one, postgresql_where=has_one)


events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("seq", BigInteger, unique=True),
    Column("at", Instant, nullable=False),
    Column("name", String(64), nullable=False),
    # The part of the name before the dot, for searches.
    Column("family", String(32), nullable=False, server_default=text("''")),
    Column("severity", String(6), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("subject", String(128)),
    Column("client_id", String(64)),
    Column("session_id", Id),
    Column("device_id", Id),
    Column("request_id", String(64)),
    Column("source", String(64), nullable=False),
    # The score of the body, for searches. Place and reasons are personal: they lie in `sealed`, their columns stay
    # empty, and are no JSON here, so that nothing that somebody puts there can break a fetch.
    Column("place", Text),
    Column("risk_score", SmallInteger),
    Column("risk_reasons", Text),
    # The revision of the body.
    Column("policy_revision", BigInteger),
    # What the ledger's leaf commits to: canonical bytes fixed at birth, under a schema version.
    Column("version", Integer, nullable=False),
    Column("body", Text, nullable=False),
    # Personal fields and the salt, under the key of `sealed_for`.
    Column("sealed_for", Id, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    # Keyed index values, deleted by erasure.
    Column("person_index", Digest),
    Column("address_index", Digest),
    Column("network_index", Digest),
    # Each ends with the id: a page of a list goes on within an instant, however many share it. Every event pays for
    # them, so there is one for what is asked for often, and partial ones for what is rare.
    Index(None, "at", "id"),
    _of_those_with("person_index"),
    # Addresses are looked for within their network: an index more would be the dearest part of an event.
    _of_those_with("network_index"),
    Index(None, "name", "at", "id"),
    Index(None, "family", "at", "id"),
    _of_those_with("client_id"),
    Index("ix_events_unnumbered", "at", "id", sqlite_where=_UNNUMBERED, postgresql_where=_UNNUMBERED),
    Index("ix_events_raised", "severity", "at", "id", sqlite_where=RAISED, postgresql_where=RAISED),
    Index("ix_events_not_a_success", "outcome", "at", "id", sqlite_where=NOT_A_SUCCESS, postgresql_where=NOT_A_SUCCESS),
    Index("ix_events_at_risk", "at", "id", sqlite_where=AT_RISK, postgresql_where=AT_RISK),
)

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("subject_id", Id, primary_key=True),
    Column("sealed", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("destroyed_at", Instant),
    Index("ix_subject_keys_destroyed", "destroyed_at", sqlite_where=_DESTROYED, postgresql_where=_DESTROYED),
)

# The Merkle tree over the numbered events: 256 hashes a row, each level's last one still growing (C2SP tlog-tiles).
ledger_tiles = Table(
    "ledger_tiles",
    metadata,
    Column("level", SmallInteger, primary_key=True),
    Column("number", BigInteger, primary_key=True),
    Column("hashes", LargeBinary, nullable=False),
)

# Signed statements of the tree's size and root (C2SP tlog-checkpoint); `published_at`: it lies at one place outside.
checkpoints = Table(
    "checkpoints",
    metadata,
    Column("size", BigInteger, primary_key=True, autoincrement=False),
    Column("root", Digest, nullable=False),
    Column("at", Instant, nullable=False),
    Column("note", Text, nullable=False),
    Column("published_at", Instant),
    Index(None, "at"),
)

# The size of the newest checkpoint that each place outside has: file, folder, webhook.
checkpoint_places = Table(
    "checkpoint_places",
    metadata,
    Column("name", String(16), primary_key=True),
    Column("size", BigInteger, nullable=False),
)

# Events that retention removed, `first` to `last` by their numbers; their hashes stay in the tiles.
segments = Table(
    "segments",
    metadata,
    Column("first", BigInteger, primary_key=True, autoincrement=False),
    Column("last", BigInteger, nullable=False),
    Column("pruned_at", Instant, nullable=False),
    Column("archive", Text),
)

# What somebody must look at: the same rule about the same thing stays one alert while it goes on.
alerts = Table(
    "alerts",
    metadata,
    Column("id", Id, primary_key=True),
    Column("rule", String(64), nullable=False),
    Column("topic", String(200), nullable=False),
    Column("severity", String(6), nullable=False),
    Column("opened_at", Instant, nullable=False),
    Column("last_at", Instant, nullable=False),
    Column("count", Integer, nullable=False),
    Column("first_event", Id),
    Column("last_event", Id),
    Column("facts", JsonText, nullable=False),
    Column("acknowledged_at", Instant),
    Column("acknowledged_by", String(128)),
    Column("escalated_at", Instant),
    Index(None, "rule", "topic", "opened_at"),
    Index(None, "opened_at"),
)

# One message of an alert to one receiver; claimed by moving `due_at` on, so that a sender that died loses nothing.
deliveries = Table(
    "deliveries",
    metadata,
    Column("id", Id, primary_key=True),
    Column("alert_id", Id, ForeignKey("alerts.id", ondelete="CASCADE"), nullable=False),
    Column("receiver", String(32), nullable=False),
    Column("purpose", String(16), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("due_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Instant),
    Column("failed_at", Instant),
    Column("reason", Text),
    Index(None, "due_at"),
    Index(None, "alert_id"),
)

# Batches of events that other services sent, so that one sent twice is stored once.
intake_batches = Table(
    "intake_batches",
    metadata,
    Column("client_id", String(64), primary_key=True),
    Column("key", String(128), primary_key=True),
    Column("digest", Digest, nullable=False),
    Column("answer", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Index(None, "created_at"),
)

# Computed reports, as they were handed out: `model` is the one that every format is written from.
reports = Table(
    "reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String(32), nullable=False),
    Column("from_at", Instant, nullable=False),
    Column("until_at", Instant, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("model", JsonText, nullable=False),
    Index(None, "kind", "from_at"),
    Index(None, "created_at"),
)
