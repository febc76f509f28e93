"""How sure: what is remembered of people's sign-ins, of addresses, and of what services reported.

Nothing here is needed to sign in: where it is gone, histories begin anew and scores are the higher for it (S35).
"""

from sqlalchemy import BigInteger, Column, ForeignKey, Index, Integer, LargeBinary, String, Table, Text, text

from base.tables import Digest, Id, Instant, metadata

_ACTIVE = text("active_since IS NOT NULL")

# One bounded history a person (`risk.history.profile`), sealed.
risk_profiles = Table(
    "risk_profiles",
    metadata,
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
    Column("sealed", LargeBinary),
    # The account was last recovered by mail then, or its door opened by an administrator.
    Column("recovered_at", Instant),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)

# What happens at an account, an address or a network, under a keyed digest. Sums are in thousandths and halve with each
# whole window since `began_at`; `people` and `people_before` are bitmaps of who was tried in this window and the last.
risk_activity = Table(
    "risk_activity",
    metadata,
    Column("key", Digest, primary_key=True),
    Column("failures", BigInteger, nullable=False),
    Column("successes", BigInteger, nullable=False),
    Column("people", BigInteger, nullable=False),
    Column("people_before", BigInteger, nullable=False),
    Column("began_at", Instant, nullable=False),
    Index(None, "began_at"),
)

# Everyone's sign-ins together (`risk.history.population`): one row, to which every process adds what it saw.
risk_population = Table(
    "risk_population",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("body", LargeBinary, nullable=False),
    Column("updated_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)

# What services and operators said of a person, a session or an address; `subject` is a keyed digest.
risk_reports = Table(
    "risk_reports",
    metadata,
    Column("id", Id, primary_key=True),
    Column("subject_kind", String(16), nullable=False),
    Column("subject", Digest, nullable=False),
    # Whom it is about, where it is about somebody: erasure takes it along.
    Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE")),
    Column("kind", String(64), nullable=False),
    # Log-odds in thousandths.
    Column("weight", Integer, nullable=False),
    Column("source", String(64), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Index(None, "subject", "expires_at"),
    Index(None, "expires_at"),
)

# What makes points of log-odds (`risk.calibration`); the active one is in use, none: the one that comes with us.
risk_calibrations = Table(
    "risk_calibrations",
    metadata,
    Column("id", String(64), primary_key=True),
    # JSON, read by `risk.calibration` alone.
    Column("body", Text, nullable=False),
    Column("learned_from", Integer, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("active_since", Instant),
    Index("ix_risk_calibrations_active", "active_since", sqlite_where=_ACTIVE, postgresql_where=_ACTIVE),
)
