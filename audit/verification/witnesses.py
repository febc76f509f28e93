"""How far the log goes by each of its witnesses in the database, and what stands there that can be none of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, and_, false, func, not_, or_, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.merkle import HASH_BYTES
from audit.ledger.numbering import LEDGER
from audit.ledger.tiles import HEIGHT, WIDTH
from audit.tables import ledger_tiles, segments
from audit.verification.reading import CHECKPOINTS, EVENTS, HASHES, LEVELS, as_stored, integers
from base.tables import sequences

_seq, _size = EVENTS.c.seq, CHECKPOINTS.c.size


@dataclass(frozen=True, slots=True)
class Extent:
    """How far the log goes by each of its witnesses.

    `size` is the number of leaves in the tree; `next` what the next event would get; `beyond` and `below` are the
    numbers of events that the tree has no place for, and how many; `inner` is the number of leaves that each level of
    inner hashes speaks of; `late` is the smallest checkpoint of more events than there are, with the number of such;
    `odd` says in words what is no number where one should be, or stands where nothing can.
    """

    size: int
    next: int | None
    beyond: tuple[int, int] | None
    below: tuple[int, int] | None
    inner: Mapping[int, int]
    late: tuple[int, int] | None
    unnumbered: int
    odd: Sequence[str]


async def load_extent(db: AsyncConnection) -> Extent:
    """The log's extent now."""
    counts = await _load_counts(db)
    size = counts.pop(0, 0)
    unnumbered = select(func.count()).select_from(EVENTS).where(_seq.is_(None))
    following, odd = await load_next(db), await _find_odd(db)
    if following is not None and not isinstance(following, int):
        odd.append("the number that the next event would get is no number")
    return Extent(
        size,
        following if isinstance(following, int) else None,
        await _outliers(db, _seq, _seq >= size),
        await _outliers(db, _seq, _seq < 0),
        {level: count << HEIGHT * level for level, count in counts.items()},
        await _outliers(db, _size, _size > size),
        (await db.execute(unnumbered)).scalar_one(),
        odd,
    )


async def load_next(db: AsyncConnection) -> object:
    """The number that the next event would get, as it is stored; None before the first."""
    query = select(as_stored(db, sequences.c.next)).where(sequences.c.name == LEDGER)
    return (await db.execute(query)).scalar_one_or_none()


async def _load_counts(db: AsyncConnection) -> dict[int, int]:
    """How many hashes each level has, by the number of its last row."""
    tiles = ledger_tiles.c
    query = select(tiles.level, func.max(tiles.number), func.count()).where(_may_be_row(db)).group_by(tiles.level)
    counts = {}
    for level, number, rows in (await db.execute(query)).all():
        last = select(HASHES).where(tiles.level == level, tiles.number == number)
        told = number * WIDTH + len((await db.execute(last)).scalar_one()) // HASH_BYTES
        # Nobody makes us walk to a row that was put far behind the others; the first gap is walked to in any case.
        counts[level] = min(told, (rows + 1) * WIDTH)
    return counts


def _may_be_row(db: AsyncConnection) -> ColumnElement[bool]:
    tiles = ledger_tiles.c
    return and_(tiles.level.in_(LEVELS), tiles.number >= 0, *integers(db, tiles.level, tiles.number))


async def _find_odd(db: AsyncConnection) -> list[str]:
    length = func.length(ledger_tiles.c.hashes)
    odd_rows = or_(not_(_may_be_row(db)), length > WIDTH * HASH_BYTES, length % HASH_BYTES != 0)
    asked = (
        (ledger_tiles, odd_rows, "the ledger has rows of hashes that are none: their place or their length cannot be"),
        (EVENTS, and_(_seq.is_not(None), _no_integer(db, _seq)), "events have something else than a number as theirs"),
        (CHECKPOINTS, or_(_size < 0, _no_integer(db, _size)), "the database has checkpoints of a size that cannot be"),
        (
            segments,
            _no_integer(db, segments.c.first, segments.c.last),
            "clean-ups are said to have removed something else than numbers",
        ),
    )
    found = []
    for table, where, words in asked:
        count = (await db.execute(select(func.count()).select_from(table).where(where))).scalar_one()
        if count:
            found.append(f"{words} ({count} of them)")
    return found


def _no_integer(db: AsyncConnection, *columns: ColumnElement[int]) -> ColumnElement[bool]:
    sound = integers(db, *columns)
    return not_(and_(*sound)) if sound else false()


async def _outliers(
    db: AsyncConnection, number: ColumnElement[int], where: ColumnElement[bool]
) -> tuple[int, int] | None:
    query = select(func.min(number), func.count(number)).where(where, *integers(db, number))
    first, count = (await db.execute(query)).one()
    return (first, count) if count else None
