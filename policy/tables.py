"""The tables of the policy room: drafts, the sets that were ever active, what was decided, and what a draft would have.

A set is three texts: Cedar policies, the Cedar schema of services' own actions, and golden tests (JSON).
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, SmallInteger, String, Table, Text

from base.tables import Digest, Id, Instant, JsonText, metadata

# What is being written. `is_shadow`: it decides beside the active set, and its differences are counted.
policy_drafts = Table(
    "policy_drafts",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("policies", Text, nullable=False),
    Column("own_schema", Text, nullable=False),
    Column("tests", JsonText, nullable=False),
    Column("based_on", Integer, nullable=False),
    Column("is_shadow", SmallInteger, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("changed_at", Instant, nullable=False),
    Column("changed_by", String(96), nullable=False),
    Column("version", Integer, nullable=False),
)

# Every set that was ever active, never changed: the newest revision is in force. A roll-back is a new revision with
# the texts of an old one.
policy_revisions = Table(
    "policy_revisions",
    metadata,
    Column("revision", Integer, primary_key=True, autoincrement=False),
    Column("policies", Text, nullable=False),
    Column("own_schema", Text, nullable=False),
    Column("tests", JsonText, nullable=False),
    # SHA-256 of the bundle's body, which enforcement points load.
    Column("digest", Digest, nullable=False),
    Column("same_as", Integer),
    Column("activated_at", Instant, nullable=False),
    Column("activated_by", String(96), nullable=False),
    Column("reason", String(256), nullable=False),
)

# What was decided: every denial, and of what was allowed one in `stands_for`. What it read is sealed, under the key of
# the person it is about, where it is about one.
policy_decisions = Table(
    "policy_decisions",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", Instant, nullable=False),
    Column("revision", Integer, nullable=False),
    Column("action", String(128), nullable=False),
    Column("effect", String(8), nullable=False),
    Column("policies", JsonText, nullable=False),
    Column("stands_for", Integer, nullable=False),
    Column("source", String(64), nullable=False),
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE")),
    Column("sealed", LargeBinary, nullable=False),
    Index(None, "at", "id"),
    Index(None, "person_id"),
)

# What a shadow draft decided otherwise than the active set, counted by action and hour; each process adds its own.
policy_shadow_counts = Table(
    "policy_shadow_counts",
    metadata,
    Column("draft", String(64), ForeignKey("policy_drafts.name", ondelete="CASCADE"), primary_key=True),
    Column("hour", Instant, primary_key=True),
    Column("action", String(128), primary_key=True),
    Column("process", Id, primary_key=True),
    Column("same", BigInteger, nullable=False),
    Column("now_denied", BigInteger, nullable=False),
    Column("now_allowed", BigInteger, nullable=False),
    Column("otherwise", BigInteger, nullable=False),
)
