"""The filters of a search as SQL conditions, and which of them have an index to lead by. Every value is a parameter."""

from collections.abc import Mapping
from dataclasses import dataclass

import msgspec
from sqlalchemy import ColumnElement, FromClause, and_, collate, func, or_

from audit.record import network_of
from audit.search.filter import EventFilter, Index
from audit.tables import AT_RISK, AT_RISK_FROM, NOT_A_SUCCESS, RAISED, events

Condition = ColumnElement[bool]

# What leads by an index but is looked at once more, since the index holds more than was asked for.
LOOSE = frozenset({"risk_min"})
# A body's keys are sorted: public fields come before the digests of the hidden ones.
_HIDDEN = '"hidden":{'


@dataclass(frozen=True, slots=True)
class Facts:
    """What conditions are made of."""

    asked: EventFilter
    index: Index
    is_sqlite: bool


def leaders_of(facts: Facts) -> dict[str, Condition]:
    """The conditions that an index serves, over the table itself, by the names of the filters; preferred ones first.

    Those of partial indexes say so in the index's own words, by which planners know them.
    """
    asked, plain = facts.asked, conditions_of(facts, events)
    made: dict[str, Condition] = {name: plain[name] for name in ("person", "network") if name in plain}
    if asked.severity not in (None, "LOW"):
        made["severity"] = and_(plain["severity"], RAISED)
    if asked.outcome not in (None, "success"):
        made["outcome"] = and_(plain["outcome"], NOT_A_SUCCESS)
    if asked.risk_min is not None and asked.risk_min >= AT_RISK_FROM:
        made["risk_min"] = and_(AT_RISK)
    return made | {name: plain[name] for name in ("name", "client_id", "family") if name in plain}


def conditions_of(facts: Facts, table: FromClause) -> dict[str, Condition]:
    """The conditions over the columns of a table or subquery, by the names of the filters; times are not among them."""
    c, asked = table.c, facts.asked
    made = {name: c[name] == getattr(asked, name) for name in _EQUAL if getattr(asked, name) is not None}
    person = None if asked.person is None else asked.person.hex()
    # An address has no index of its own: it leads by its network's.
    around = asked.address and network_of(asked.address)
    keyed = {"person": person, "address": asked.address, "network": asked.network or around}
    made |= {kind: c[f"{kind}_index"] == facts.index(kind, value) for kind, value in keyed.items() if value is not None}
    if asked.risk_min is not None:
        made["risk_min"] = c.risk_score >= asked.risk_min
    if asked.risk_max is not None:
        made["risk_max"] = c.risk_score <= asked.risk_max
    if asked.source is not None:
        # An application's source is its id, a space and its name.
        begins = func.substr(c.source, 1, len(asked.source) + 1) == asked.source + " "
        made["source"] = or_(c.source == asked.source, begins)
    if asked.text is not None:
        made["text"] = _has_text(facts, table, asked.text)
    return made


_EQUAL = ("client_id", "family", "name", "severity", "outcome")


def _has_text(facts: Facts, table: FromClause, text: str) -> Condition:
    """Whether the text stands in the public part of the body, or in a public column; A to Z in either case."""
    c, found = table.c, func.instr if facts.is_sqlite else func.strpos
    wanted, escaped = _lower(text), _lower(msgspec.json.encode(text).decode()[1:-1])
    public = func.substr(c.body, 1, found(c.body, _HIDDEN))
    places = ((public, escaped), (c.name, wanted), (c.subject, wanted), (c.source, wanted))
    return or_(*(found(_lowered(facts, place), value) > 0 for place, value in places))


def _lowered(facts: Facts, place: ColumnElement[str]) -> ColumnElement[str]:
    # SQLite knows no letters but these; PostgreSQL is told to know no others.
    return func.lower(place if facts.is_sqlite else collate(place, "C"))


def _lower(text: str) -> str:
    return "".join(chr(ord(each) + 32) if "A" <= each <= "Z" else each for each in text)


def names_of(conditions: Mapping[str, Condition], leader: str | None) -> tuple[str, ...]:
    """The filters that are looked at on each row, where `leader` leads."""
    return tuple(name for name in conditions if name != leader or name in LOOSE)
