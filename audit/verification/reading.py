"""What a verification reads of the database: raw values in batches, each batch one consistent picture."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy import ColumnElement, LargeBinary, and_, case, column, func, or_, select, table, text
from sqlalchemy import cast as as_type
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import AUDIT_PRUNED, PERSON_ERASED
from audit.ledger.merkle import HASH_BYTES
from audit.ledger.tiles import HEIGHT, WIDTH, split_hashes
from audit.tables import ledger_tiles, segments
from audit.verification.row_checks import StoredRow, is_blob
from base.database import Database

BATCH = 8 * WIDTH
LEVELS = range(7)
_TEXTS = frozenset("name family severity outcome actor subject client_id request_id source place risk_reasons".split())
_BODY = StoredRow._fields.index("body")

# Without types: values come as the driver gives them, and cost nothing more.
EVENTS = table("events", *(column(name) for name in StoredRow._fields))
_KEYS = table("subject_keys", column("subject_id"), column("sealed"))
CHECKPOINTS = table("checkpoints", *(column(name) for name in ("size", "root", "at", "note")))
_event = EVENTS.c
# SQLite keeps whatever was put into a column; as bytes it can be read and compared.
HASHES = as_type(ledger_tiles.c.hashes, LargeBinary)


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncConnection]:
    """A reading transaction in which nothing moves: events, hashes and keys fit together."""
    async with database.reading() as db:
        begin = "BEGIN" if database.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        await db.execute(text(begin))
        yield db


def integers(db: AsyncConnection, *columns: ColumnElement[int]) -> list[ColumnElement[bool]]:
    """What keeps a query to rows whose numbers are numbers: SQLite keeps whatever somebody put there."""
    return [func.typeof(each) == "integer" for each in columns] if db.dialect.name == "sqlite" else []


def as_stored(db: AsyncConnection, stored: ColumnElement[object]) -> ColumnElement[object]:
    """The column; on SQLite, the bytes of a text, which need not be one."""
    if db.dialect.name != "sqlite":
        return stored
    return case((func.typeof(stored) == "text", as_type(stored, LargeBinary)), else_=stored)


@dataclass(frozen=True, slots=True)
class Batch:
    """The events from `begin` to before `end`, and what belongs to them.

    `leaves` are the stored hashes by number of row, `inner` those above by (level, number of row); `keys` the sealed
    keys of the subjects, None where one was destroyed; `checkpoints` are (size, root, at, note).
    """

    begin: int
    end: int
    rows: Sequence[StoredRow]
    hashes: Mapping[tuple[int, int], Sequence[bytes]]
    segments: Sequence[tuple[int, int]]
    keys: Mapping[bytes, bytes | None]
    checkpoints: Sequence[tuple[int, bytes, int, str]]

    def inner(self, level: int, index: int) -> bytes | None:
        """The stored hash of a place of a level, None where it is missing or cut short."""
        held = self.hashes.get((level, index >> HEIGHT), ())
        place = index % WIDTH
        return held[place] if place < len(held) and len(held[place]) == HASH_BYTES else None

    def find_leaf(self, joined: bytes) -> int | None:
        """The place of a leaf hash in this batch, None where it has none."""
        rows = range(self.begin >> HEIGHT, ((self.end - 1) >> HEIGHT) + 1)
        places = (row * WIDTH + held.index(joined) for row in rows if joined in (held := self.hashes.get((0, row), ())))
        return next(places, None)

    def is_pruned(self, number: int) -> bool:
        """Whether a clean-up says that it removed this event."""
        return any(first <= number <= last for first, last in self.segments)


async def load_batch(db: AsyncConnection, begin: int, end: int) -> Batch:
    """A batch; `begin` is a multiple of 256."""
    rows = await load_numbered(db, begin, end)
    return Batch(
        begin,
        end,
        rows,
        await _load_hashes(db, begin, end),
        await load_segments(db, begin, end),
        await load_keys(db, rows),
        await _load_checkpoints(db, begin, end),
    )


async def load_numbered(db: AsyncConnection, begin: int, end: int) -> list[StoredRow]:
    """The events from `begin` to before `end`, in order."""
    return await load_rows(db, _event.seq >= begin, _event.seq < end, order=(_event.seq,))


async def load_unnumbered(db: AsyncConnection, after: tuple[int, bytes] | None) -> list[StoredRow]:
    """The next events without a number, in the order of time and id."""
    at, event_id = _event.at, _event.id
    where: list[ColumnElement[bool]] = [_event.seq.is_(None)]
    if after is not None:
        where.append(or_(at > after[0], and_(at == after[0], event_id > after[1])))
    return await load_rows(db, *where, order=(at, event_id), limit=BATCH)


async def load_late_witnesses(db: AsyncConnection, size: int) -> list[StoredRow]:
    """The events that tell of destructions and are not within the first `size`."""
    names = (AUDIT_PRUNED.name, PERSON_ERASED.name)
    where = _event.name.in_(names), or_(_event.seq.is_(None), _event.seq >= size)
    return await load_rows(db, *where, order=(_event.seq,))


async def load_rows(
    db: AsyncConnection,
    *where: ColumnElement[bool],
    order: Sequence[ColumnElement[object]],
    limit: int | None = None,
    skip: int | None = None,
) -> list[StoredRow]:
    """Events as the checks take them."""
    query = select(*_event).where(*where).order_by(*order).limit(limit).offset(skip)
    try:
        found = (await db.execute(query)).all()
    except OperationalError as failure:
        if "decode" not in str(failure.orig):
            raise
        # A changed byte of a text on SQLite: what the driver does not read as text it reads as bytes.
        found = (await db.execute(query.with_only_columns(*(as_stored(db, each) for each in _event)))).all()
        return [_decoded(row) for row in found]
    return [_row(list(row)) for row in found]


def _row(values: list[object]) -> StoredRow:
    body = values[_BODY]
    values[_BODY] = body if isinstance(body, bytes) else str(body).encode()
    return StoredRow._make(values)


def _decoded(row: Sequence[object]) -> StoredRow:
    # Bytes that are no text stay distinct from every text.
    return _row(
        [
            value.decode(errors="surrogateescape") if name in _TEXTS and isinstance(value, bytes) else value
            for name, value in zip(StoredRow._fields, row, strict=True)
        ]
    )


async def load_keys(db: AsyncConnection, rows: Sequence[StoredRow]) -> dict[bytes, bytes | None]:
    """The sealed keys under which these events' personal fields lie."""
    subjects = {row.sealed_for for row in rows if is_blob(row.sealed_for)}
    if not subjects:
        return {}
    sealed_key = as_type(_KEYS.c.sealed, LargeBinary)
    query = select(_KEYS.c.subject_id, sealed_key).where(_KEYS.c.subject_id.in_(subjects))
    return {bytes(subject): sealed for subject, sealed in (await db.execute(query)).all()}


async def _load_hashes(db: AsyncConnection, begin: int, end: int) -> dict[tuple[int, int], Sequence[bytes]]:
    places = [(level, begin >> HEIGHT * (level + 1), (end - 1) >> HEIGHT * (level + 1)) for level in LEVELS]
    tiles = ledger_tiles.c
    wanted = or_(
        *(and_(tiles.level == level, tiles.number >= first, tiles.number <= last) for level, first, last in places)
    )
    found = (await db.execute(select(tiles.level, tiles.number, HASHES).where(wanted))).all()
    return {(level, number): split_hashes(bytes(hashes)) for level, number, hashes in found}


async def load_segments(
    db: AsyncConnection, begin: int, end: int, *, limit: int = 2 * BATCH // WIDTH
) -> list[tuple[int, int]]:
    """What clean-ups are said to have removed between two numbers, in order; at most `limit` of them."""
    c = segments.c
    query = select(c.first, c.last).where(c.last >= begin, c.first < end, *integers(db, c.first, c.last))
    return [(first, last) for first, last in (await db.execute(query.order_by(c.first).limit(limit))).all()]


async def _load_checkpoints(db: AsyncConnection, begin: int, end: int) -> list[tuple[int, bytes, int, str]]:
    size, root, at, note = CHECKPOINTS.c
    columns = size, as_type(root, LargeBinary), as_stored(db, at), as_stored(db, note)
    query = select(*columns).where(size <= end, *integers(db, size)).order_by(size)
    query = query.where(size > begin if begin else size >= 0)
    return [(each[0], bytes(each[1]), each[2], _text(each[3])) for each in (await db.execute(query)).all()]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
