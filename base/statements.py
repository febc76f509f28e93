"""Hot-path SQL as values: a kind with its parameters, so that many can be committed or read together.

Each kind is written twice. SQLite runs it one row at a time. PostgreSQL runs it once for the whole group, over
`input`, a relation of the parameters with the number `n` of the caller; its rows start with that `n`.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import BigInteger, Boolean, Integer, LargeBinary, SmallInteger, Table
from sqlalchemy.types import TypeDecorator, TypeEngine

Value = bytes | str | int | bool | None
Row = tuple[Value, ...]


@dataclass(frozen=True, eq=False)
class Prepared:
    """A statement as PostgreSQL prepares it: each parameter is an array of values of one of `kinds`, its types."""

    text: bytes
    kinds: tuple[str, ...]


@dataclass(frozen=True, eq=False)
class Statement:
    """One kind of hot statement.

    `columns` are the parameters' (name, PostgreSQL type). `sqlite` statements use `:name`; the first is the gate: it
    returns one row where it held, and the others run only then. `postgres` is one statement that reads `input`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    sqlite: tuple[str, ...]
    postgres: str
    prepared: Prepared = field(init=False)

    def __post_init__(self) -> None:
        kinds = tuple(kind for _, kind in self.columns)
        names = ", ".join(name for name, _ in self.columns)
        # Names and types are ours; values travel as parameters.
        source = f"input AS (SELECT * FROM {_unnest(kinds)} WITH ORDINALITY AS t({names}, n))"  # noqa: S608
        object.__setattr__(self, "prepared", Prepared(f"WITH {source} {self.postgres}".encode(), kinds))

    def named(self, params: Row) -> dict[str, Value]:
        """The parameters by name, as SQLite's statements take them."""
        return {name: value for (name, _), value in zip(self.columns, params, strict=True)}


@dataclass(frozen=True, eq=False)
class Insert:
    """Rows of one table, inserted many at a time; values are in the order of `columns`."""

    columns: tuple[str, ...]
    sqlite: str
    prepared: Prepared

    def row(self, values: Mapping[str, Value]) -> Row:
        """The row with these values by column name; columns that are not named stay empty. KeyError for others."""
        if not values.keys() <= set(self.columns):
            raise KeyError(*(values.keys() - set(self.columns)))
        return tuple(values.get(column) for column in self.columns)


def insert_into(table: Table, *, leave_out: Sequence[str] = ()) -> Insert:
    """The insert of whole rows into `table` as raw values (instants in microseconds, JSON as text)."""
    columns = [column for column in table.columns if column.name not in leave_out]
    names = ", ".join(column.name for column in columns)
    kinds = tuple(_postgres_type(column.type) for column in columns)
    marks = ", ".join("?" for _ in columns)
    head = f"INSERT INTO {table.name} ({names})"
    return Insert(
        columns=tuple(column.name for column in columns),
        sqlite=f"{head} VALUES ({marks})",
        prepared=Prepared(f"{head} SELECT * FROM {_unnest(kinds)}".encode(), kinds),  # noqa: S608 - as above
    )


def _unnest(kinds: Sequence[str]) -> str:
    return "unnest(" + ", ".join(f"${number}::{kind}[]" for number, kind in enumerate(kinds, 1)) + ")"


def _postgres_type(kind: TypeEngine[object]) -> str:
    if isinstance(kind, TypeDecorator):
        kind = kind.impl_instance
    match kind:
        case LargeBinary():
            return "bytea"
        case SmallInteger():
            return "smallint"
        case BigInteger():
            return "bigint"
        case Integer():
            return "integer"
        case Boolean():
            return "boolean"
        case _:
            return "text"


@dataclass(frozen=True, slots=True)
class Unit:
    """One durable write: a gated statement (or none), and rows that are stored only where the gate held."""

    statement: Statement | None = None
    params: Row = ()
    rows: tuple[tuple[Insert, Row], ...] = ()
