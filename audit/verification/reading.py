"""What a verification reads of the database: raw values in batches, each batch one consistent picture."""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import cast

from sqlalchemy import ColumnElement, LargeBinary, and_, column, func, or_, select, table, text
from sqlalchemy import cast as as_type
from sqlalchemy.exc import OperationalError
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import AUDIT_PRUNED, PERSON_ERASED
from audit.ledger.merkle import HASH_BYTES
from audit.ledger.numbering import LEDGER
from audit.ledger.tiles import HEIGHT, WIDTH, split_hashes
from audit.tables import ledger_tiles, segments
from audit.verification.row_checks import StoredRow, is_blob
from base.database import Database
from base.sequencer import next_number

BATCH = 8 * WIDTH
_LEVELS = range(1, 7)
_TEXTS = frozenset("name family severity outcome actor subject client_id request_id source place risk_reasons".split())
_BODY = StoredRow._fields.index("body")

# Without types: values come as the driver gives them, and cost nothing more.
_EVENTS = table("events", *(column(name) for name in StoredRow._fields))
_KEYS = table("subject_keys", column("subject_id"), column("sealed"))
_CHECKPOINTS = table("checkpoints", *(column(name) for name in ("size", "root", "at", "note")))
_event = _EVENTS.c
# SQLite keeps whatever was put into a column; as bytes it can be read and compared.
_HASHES = as_type(ledger_tiles.c.hashes, LargeBinary)


@asynccontextmanager
async def snapshot(database: Database) -> AsyncIterator[AsyncConnection]:
    """A reading transaction in which nothing moves: events, hashes and keys fit together."""
    async with database.reading() as db:
        begin = "BEGIN" if database.is_sqlite else "SET TRANSACTION ISOLATION LEVEL REPEATABLE READ READ ONLY"
        await db.execute(text(begin))
        yield db


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the log goes by each of its witnesses.

    `size` is the number of leaves in the tree; `next` what the next event would get; `beyond` and `below` are the
    numbers of events that the tree has no place for, and how many; `inner` is the number of leaves that each level of
    inner hashes speaks of; `late` is the smallest checkpoint of more events than there are, with the number of such;
    `segments` are what clean-ups removed.
    """

    size: int
    next: int | None
    beyond: tuple[int, int] | None
    below: tuple[int, int] | None
    inner: Mapping[int, int]
    late: tuple[int, int] | None
    unnumbered: int
    segments: Sequence[tuple[int, int]]


async def load_extent(db: AsyncConnection) -> Extent:
    """The log's extent now."""
    counts = {}
    query = select(ledger_tiles.c.level, func.max(ledger_tiles.c.number)).group_by(ledger_tiles.c.level)
    for level, number in (await db.execute(query)).all():
        last = select(_HASHES).where(ledger_tiles.c.level == level, ledger_tiles.c.number == number)
        counts[level] = number * WIDTH + len((await db.execute(last)).scalar_one()) // HASH_BYTES
    size = counts.pop(0, 0)
    unnumbered = select(func.count()).select_from(_EVENTS).where(_event.seq.is_(None))
    return Extent(
        size,
        await next_number(db, LEDGER),
        await _outliers(db, _event.seq, _event.seq >= size),
        await _outliers(db, _event.seq, _event.seq < 0),
        {level: count << HEIGHT * level for level, count in counts.items()},
        await _outliers(db, _CHECKPOINTS.c.size, _CHECKPOINTS.c.size > size),
        (await db.execute(unnumbered)).scalar_one(),
        await _load_segments(db, 0, size),
    )


async def _outliers(
    db: AsyncConnection, number: ColumnElement[object], where: ColumnElement[bool]
) -> tuple[int, int] | None:
    first, count = (await db.execute(select(func.min(number), func.count(number)).where(where))).one()
    return (cast(int, first), count) if count else None


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
        await _load_segments(db, begin, end),
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
    db: AsyncConnection, *where: ColumnElement[bool], order: Sequence[ColumnElement[object]], limit: int | None = None
) -> list[StoredRow]:
    """Events as the checks take them."""
    query = select(*_event).where(*where).order_by(*order).limit(limit)
    try:
        found = (await db.execute(query)).all()
    except OperationalError as failure:
        if "decode" not in str(failure.orig):
            raise
        # A changed byte of a text on SQLite: what the driver does not read as text it reads as bytes.
        columns = [as_type(each, LargeBinary) if each.name in (*_TEXTS, "body") else each for each in _event]
        found = (await db.execute(query.with_only_columns(*columns))).all()
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
    places = [(level, begin >> HEIGHT * (level + 1), (end - 1) >> HEIGHT * (level + 1)) for level in (0, *_LEVELS)]
    tiles = ledger_tiles.c
    wanted = or_(
        *(and_(tiles.level == level, tiles.number >= first, tiles.number <= last) for level, first, last in places)
    )
    found = (await db.execute(select(tiles.level, tiles.number, _HASHES).where(wanted))).all()
    return {(level, number): split_hashes(bytes(hashes)) for level, number, hashes in found}


async def _load_segments(db: AsyncConnection, begin: int, end: int) -> list[tuple[int, int]]:
    query = select(segments.c.first, segments.c.last).where(segments.c.last >= begin, segments.c.first < end)
    return [(first, last) for first, last in (await db.execute(query)).all()]


async def _load_checkpoints(db: AsyncConnection, begin: int, end: int) -> list[tuple[int, bytes, int, str]]:
    size, root, at, note = _CHECKPOINTS.c
    text_or_bytes = as_type(note, LargeBinary) if db.dialect.name == "sqlite" else note
    query = select(size, as_type(root, LargeBinary), at, text_or_bytes).where(size <= end).order_by(size)
    if begin:
        query = query.where(size > begin)
    return [(each[0], bytes(each[1]), each[2], _text(each[3])) for each in (await db.execute(query)).all()]


def _text(value: object) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else str(value)
