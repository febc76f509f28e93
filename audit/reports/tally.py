"""How many events of each name a period had, by hour or by day: counted once by the database, for every section."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta

from sqlalchemy import BigInteger, ColumnElement, and_, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import OWN_SOURCE
from audit.reports.model import Period
from audit.tables import events
from base.clock import to_micros

_HOUR, _DAY = timedelta(hours=1), timedelta(days=1)
_BY_HOUR_UP_TO = timedelta(days=2)


@dataclass(frozen=True, slots=True)
class Counted:
    """So many events of one source, name, severity and outcome in one slot of time."""

    slot: int
    source: str
    name: str
    severity: str
    outcome: str
    count: int

    def is_one_of(self, names: Collection[str]) -> bool:
        """Whether these are the server's own, of one of these names."""
        return self.name in names and self.source == OWN_SOURCE


@dataclass(frozen=True, slots=True)
class Tally:
    """All that was counted in the slots of a period, each `slot` long."""

    period: Period
    slot: timedelta
    counted: tuple[Counted, ...]

    def count(self, names: Collection[str] = (), *, severity: str = "") -> int:
        """How many events there were, of this severity, of all names and sources; or of these names of our own."""
        return sum(
            each.count
            for each in self.counted
            if (not names or each.is_one_of(names)) and (not severity or each.severity == severity)
        )

    def by_slot(self, names: Collection[str]) -> tuple[int, ...]:
        """How many of the server's own events of these names each slot had."""
        slots = [0] * len(self.starts())
        for each in self.counted:
            if each.is_one_of(names):
                slots[each.slot] += each.count
        return tuple(slots)

    def by_name(self, *, severity: str = "") -> list[tuple[tuple[str, str], int]]:
        """Names, each with its source, and their counts, the most frequent first."""
        counts: dict[tuple[str, str], int] = {}
        for each in self.counted:
            if not severity or each.severity == severity:
                kind = each.name, each.source
                counts[kind] = counts.get(kind, 0) + each.count
        return sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))

    def starts(self) -> list[datetime]:
        """When each slot begins."""
        slots = -(-self.period.length // self.slot)
        return [self.period.from_at + self.slot * number for number in range(max(1, slots))]

    @property
    def is_by_hour(self) -> bool:
        """Whether a slot is an hour; else it is a day."""
        return self.slot == _HOUR


async def load_tally(db: AsyncConnection, period: Period) -> Tally:
    """Counts a period's events, by the database: memory does not grow with them."""
    slot = _HOUR if period.length <= _BY_HOUR_UP_TO else _DAY
    micros = type_coerce(events.c.at, BigInteger)
    number = (micros - to_micros(period.from_at)) // (slot // timedelta(microseconds=1))
    columns = number.label("slot"), events.c.source, events.c.name, events.c.severity, events.c.outcome
    query = select(*columns, func.count()).where(within(period)).group_by(*columns)
    rows = (await db.execute(query)).all()
    return Tally(period, slot, tuple(Counted(int(slot_number), *rest) for slot_number, *rest in rows))


def within(period: Period, *names: str) -> ColumnElement[bool]:
    """The condition for a period's events; where names are given, for the server's own events of these names.

    The borders: from ≤ at < until.
    """
    inside = and_(events.c.at >= period.from_at, events.c.at < period.until_at)
    return and_(inside, events.c.name.in_(names), is_own()) if names else inside


def is_own() -> ColumnElement[bool]:
    """The condition for what the server tells of itself: whatever others send, they cannot speak in its name."""
    return events.c.source == OWN_SOURCE
