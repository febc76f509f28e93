"""The one metadata that every room's tables join, and the column types they share."""

from datetime import datetime

import msgspec
from sqlalchemy import BigInteger, Column, Index, Integer, LargeBinary, MetaData, String, Table, Text
from sqlalchemy.engine import Dialect
from sqlalchemy.types import TypeDecorator

from base.clock import from_micros, to_micros

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

Id = LargeBinary(16)
Digest = LargeBinary(32)


class Instant(TypeDecorator[datetime]):
    """An aware UTC datetime, kept as whole microseconds since 1970."""

    impl = BigInteger
    cache_ok = True

    def process_bind_param(self, value: datetime | None, dialect: Dialect) -> int | None:
        return None if value is None else to_micros(value)

    def process_result_value(self, value: int | None, dialect: Dialect) -> datetime | None:
        return None if value is None else from_micros(value)


class JsonText(TypeDecorator[object]):
    """A JSON value, kept as compact text."""

    impl = Text
    cache_ok = True

    def process_bind_param(self, value: object, dialect: Dialect) -> str | None:
        return None if value is None else msgspec.json.encode(value).decode()

    def process_result_value(self, value: str | None, dialect: Dialect) -> object:
        return None if value is None else msgspec.json.decode(value)


# Named secrets of the deployment (index key, form key …), sealed under the master key.
data_keys = Table(
    "data_keys",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_at", Instant, nullable=False),
)

# A number per cached catalogue; a change to clients, APIs or keys raises it in the same transaction.
revisions = Table(
    "revisions",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("number", BigInteger, nullable=False),
)

# Letters that a transaction promised: sent once, by whoever claims one. `sealed` is the letter, gone when it was sent.
outbox = Table(
    "outbox",
    metadata,
    Column("id", Id, primary_key=True),
    Column("person_id", Id),
    Column("kind", String(32), nullable=False),
    Column("sealed", LargeBinary),
    Column("created_at", Instant, nullable=False),
    # When it is tried next; a claim moves it on, so that a sender that died loses nothing.
    Column("due_at", Instant, nullable=False),
    Column("expires_at", Instant, nullable=False),
    Column("tries", Integer, nullable=False),
    Column("sent_at", Instant),
    Column("failed_at", Instant),
    Index(None, "due_at"),
    Index(None, "expires_at"),
    Index(None, "person_id", "kind"),
)

# Who alone may do a thing for a while. `fence` grows with every new holder, and each write checks it.
leases = Table(
    "leases",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("holder", Id, nullable=False),
    Column("fence", BigInteger, nullable=False),
    Column("until", Instant, nullable=False),
)

# The number that the next row of a gapless order gets; a new epoch begins where an order could not be kept.
sequences = Table(
    "sequences",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("epoch", Id, nullable=False),
)

# How far each reader of the numbered events has come: the number that it reads next.
cursors = Table(
    "cursors",
    metadata,
    Column("name", String(64), primary_key=True),
    Column("next", BigInteger, nullable=False),
    Column("updated_at", Instant, nullable=False),
)

# A moment at or before which no token of a whole deployment holds, by name; `everyone` is the only one.
not_before = Table(
    "not_before",
    metadata,
    Column("name", String(32), primary_key=True),
    Column("at", Instant, nullable=False),
)
