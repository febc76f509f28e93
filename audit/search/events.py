"""Search over all events, newest first, in bounded steps: a page costs the same whatever is asked and however rare.

Each filter that an index serves can lead; the others are looked at on what the leader finds. The sparsest leads, by a
short look at each index. A page reads at most `SCANNED` rows of the leader: where they did not fill it, it is given
out as it is, with the place to go on from. So nobody can make a search that holds the database (S50), and paging stays
stable while events arrive, since a place is an instant and an id.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, RowMapping, Select, literal, select, true, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.search.conditions import Condition, Facts, conditions_of, leaders_of, names_of
from audit.search.filter import NEWEST, EventFilter, Index, Place
from audit.tables import events

EventRow = RowMapping

# Most pages are full after the first step.
STEPS = (1_000, 4_000)
SCANNED = sum(STEPS)
# A leader with fewer rows than this behind the place is sparse enough.
_LOOK = 500
_ORDER = (events.c.at.desc(), events.c.id.desc())


@dataclass(frozen=True, slots=True)
class Page:
    """Some events. `next` is where to go on, None at the end; `scanned_until` is set where the page is not full."""

    rows: Sequence[EventRow]
    next: Place | None
    scanned_until: datetime | None


@dataclass(frozen=True, slots=True)
class _Walk:
    """How a search goes: `leader` by its index and no further back than `since`; `others` on each row of it."""

    leader: Condition
    since: Condition
    facts: Facts
    others: Sequence[str]

    def behind(self, place: Place, *columns: ColumnElement[object]) -> Select[tuple[object, ...]]:
        """What the leader finds behind a place."""
        asked: Select[tuple[object, ...]] = select(*(columns or events.c))
        return asked.where(self.leader, self.since, _is_behind(place)).order_by(*_ORDER)


async def search_events(
    db: AsyncConnection, index: Index, filter_: EventFilter, *, limit: int, after: Place | None
) -> Page:
    """At most `limit` events that the filter lets through, behind `after`. `index` makes keyed index values."""
    until = Place(filter_.until_at) if filter_.until_at else NEWEST
    place = after or until
    walk = await _choose(db, Facts(filter_, index, is_sqlite=db.dialect.name == "sqlite"), place)
    if not walk.others:
        found = (await db.execute(walk.behind(place).limit(limit + 1))).mappings().all()
        return _full(found, limit) if len(found) > limit else Page(found, None, None)
    kept: list[EventRow] = []
    for step in STEPS:
        kept += (await db.execute(_filtered(walk, place, step).limit(limit + 1 - len(kept)))).mappings().all()
        if len(kept) > limit:
            return _full(kept, limit)
        edge = (await db.execute(walk.behind(place, events.c.at, events.c.id).offset(step - 1).limit(1))).first()
        if edge is None:
            return Page(kept, None, None)
        place = Place(edge.at, bytes(edge.id))
    return Page(kept, place, place.at)


async def find_event(db: AsyncConnection, event_id: bytes) -> Sequence[EventRow]:
    """The event with this id, where there is one."""
    return (await db.execute(select(events).where(events.c.id == event_id))).mappings().all()


def _full(rows: Sequence[EventRow], limit: int) -> Page:
    last = rows[limit - 1]
    return Page(rows[:limit], Place(last["at"], bytes(last["id"])), None)


def _filtered(walk: _Walk, place: Place, step: int) -> Select[tuple[object, ...]]:
    """Those of the leader's next `step` rows that pass the other filters."""
    some = walk.behind(place).limit(step).subquery()
    wanted = conditions_of(walk.facts, some)
    # The inner limit keeps the planner from looking at anything but the leader.
    kept = select(some).where(*(wanted[name] for name in walk.others))
    return kept.order_by(some.c.at.desc(), some.c.id.desc())


def _is_behind(place: Place) -> Condition:
    bound = literal(place.at, events.c.at.type), literal(place.id, events.c.id.type)
    return tuple_(events.c.at, events.c.id) < tuple_(*bound)


async def _choose(db: AsyncConnection, facts: Facts, place: Place) -> _Walk:
    leaders = leaders_of(facts)
    since = true() if facts.asked.from_at is None else events.c.at >= facts.asked.from_at
    name = next(iter(leaders), None) if len(leaders) < 2 else await _sparsest(db, leaders, since, place)
    others = names_of(conditions_of(facts, events), name)
    return _Walk(true() if name is None else leaders[name], since, facts, others)


async def _sparsest(db: AsyncConnection, leaders: Mapping[str, Condition], since: Condition, place: Place) -> str:
    """The name of the leader whose `_LOOK`th row lies furthest back, or that has not so many at all."""
    look = select(events.c.at).order_by(*_ORDER).offset(_LOOK - 1).limit(1)
    looks = [look.where(each, since, _is_behind(place)).scalar_subquery().label(name) for name, each in leaders.items()]
    reached = (await db.execute(select(*looks))).one()._mapping
    return min(leaders, key=lambda name: (reached[name] is not None, reached[name] or place.at))
