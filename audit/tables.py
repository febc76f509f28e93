"""The audit tables: events, and the keys under which personal fields are sealed."""

from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from base.tables import Digest, Id, Instant, JsonText, metadata

events = Table(
    "events",
    metadata,
    Column("id", Id, primary_key=True),
    Column("seq", BigInteger, unique=True),
    Column("at", Instant, nullable=False),
    Column("name", String(64), nullable=False),
    Column("severity", String(6), nullable=False),
    Column("outcome", String(8), nullable=False),
    Column("actor", String(128), nullable=False),
    Column("subject", String(128)),
    Column("client_id", String(64)),
    Column("session_id", Id),
    Column("device_id", Id),
    Column("request_id", String(64)),
    Column("source", String(64), nullable=False),
    Column("place", JsonText),
    Column("risk_score", SmallInteger),
    Column("risk_reasons", JsonText),
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
    Index(None, "at"),
    Index(None, "person_index", "at"),
    Index(None, "address_index", "at"),
    Index(None, "network_index", "at"),
)

subject_keys = Table(
    "subject_keys",
    metadata,
    Column("subject_id", Id, primary_key=True),
    Column("sealed", LargeBinary),
    Column("created_at", Instant, nullable=False),
    Column("destroyed_at", Instant),
)
