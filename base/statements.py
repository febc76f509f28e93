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
class Statement:
    """One kind of hot statement.

    `columns` are the parameters' (name, PostgreSQL type). `sqlite` statements use `:name`; the first is the gate: it
    returns one row where it held, and the others run only then. `postgres` is one statement that reads `input`.
    """

    name: str
    columns: tuple[tuple[str, str], ...]
    sqlite: tuple[str, ...]
    postgres: str
    postgres_text: str = field(init=False)

    def __post_init__(self) -> None:
        arrays = ", ".join(f"%b::{kind}[]" for _, kind in self.columns)
        names = ", ".join(name for name, _ in self.columns)
        # Names and types are ours; values travel as parameters.
        source = f"input AS (SELECT * FROM unnest({arrays}) WITH ORDINALITY AS t({names}, n))"  # noqa: S608
        object.__setattr__(self, "postgres_text", f"WITH {source} {self.postgres}")

    def named(self, params: Row) -> dict[str, Value]:
        """The parameters by name, as SQLite's statements take them."""
        return {name: value for (name, _), value in zip(self.columns, params, strict=True)}


@dataclass(frozen=True, eq=False)
class Insert:
    """Rows of one table, inserted many at a time; values are in the order of `columns`."""

    columns: tuple[str, ...]
    sqlite: str
    postgres: str

    def row(self, values: Mapping[str, Value]) -> Row:
        """The row with these values by column name; columns that are not named stay empty. KeyError for others."""
        if not values.keys() <= set(self.columns):
            raise KeyError(*(values.keys() - set(self.columns)))
        return tuple(values.get(column) for column in self.columns)


def insert_into(table: Table, *, leave_out: Sequence[str] = ()) -> Insert:
    """The insert of whole rows into `table` as raw values (instants in microseconds, JSON as text)."""
    columns = [column for column in table.columns if column.name not in leave_out]
    names = ", ".join(column.name for column in columns)
    arrays = ", ".join(f"%b::{_postgres_type(column.type)}[]" for column in columns)
    marks = ", ".join("?" for _ in columns)
    head = f"INSERT INTO {table.name} ({names})"
    return Insert(
        columns=tuple(column.name for column in columns),
        sqlite=f"{head} VALUES ({marks})",
        postgres=f"{head} SELECT * FROM unnest({arrays})",  # noqa: S608 - as above
    )


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
