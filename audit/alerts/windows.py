"""What the rules remember between events: the different items of each topic within the window. Pure, and bounded.

The memory belongs to the one process that watches; another that takes over fills its own from the database.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.alerts.rules import SENT_BY, WINDOW, Rule, rules_for, sender_of
from audit.alerts.values import Limits
from audit.reading import StoredEvent

MOST_ITEMS = 200_000
# So many topics of one kind are told one by one; what comes after them within the window is one alert that grows. An
# attack that locks a thousand accounts must not ring a thousand times. All that one application sends is one kind: it
# chooses the names.
BURST = 10
_TOGETHER = timedelta(minutes=1)
# What another service sent so much earlier or later counts from when it was seen: the sender chose that time, too.
_BELIEVED = timedelta(minutes=5)


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired: about what, by which event, how many it counted, and when. `is_many`: about many at once."""

    rule: Rule
    topic: str
    is_many: bool
    event: StoredEvent
    count: int
    at: datetime


@dataclass(slots=True)
class _Topic:
    items: OrderedDict[str, datetime] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Burst:
    """The same rule about the same thing, `times` within a minute: one change in the database, not thousands."""

    first: Fired
    last: Fired
    times: int = 1


def gather(fired: Iterable[Fired]) -> list[Burst]:
    """What fired, the same within a minute together, in the order of the first ones."""
    bursts: list[Burst] = []
    current: dict[tuple[str, str], Burst] = {}
    for each in fired:
        key = each.rule.name, each.topic
        burst = current.get(key)
        if burst is None or abs(each.at - burst.first.at) > _TOGETHER:
            current[key] = burst = Burst(each, each)
            bursts.append(burst)
        else:
            burst.last, burst.times = each, burst.times + 1
    return bursts


class Windows:
    """The items of the last quarter of an hour, by rule and topic. The topic touched longest ago goes first where
    memory would grow past `MOST_ITEMS`."""

    def __init__(self, limits: Limits, *, most_items: int = MOST_ITEMS) -> None:
        self._limits = limits
        self._most_items = most_items
        self._topics: OrderedDict[tuple[str, str], _Topic] = OrderedDict()
        self.size = 0

    def judge(self, event: StoredEvent, administrators: frozenset[str], *, now: datetime) -> list[Fired]:
        """What fires because of this event, which is remembered."""
        fired, at = [], _time_of(event, now)
        for rule in rules_for(event):
            seen = rule.look(event, administrators)
            if seen is None:
                continue
            limit = rule.limit(self._limits)
            count = self._count((rule.name, seen.topic), seen.item, at, keep=limit) if limit > 1 else 1
            if count >= limit:
                kind = _kind_of(event)
                is_many = self._is_one_of_many((rule.name, f"burst {kind}"), seen.topic, at)
                fired.append(Fired(rule, f"{kind} many" if is_many else seen.topic, is_many, event, count, at))
        return fired

    def remember(self, events: Iterable[StoredEvent], administrators: frozenset[str], *, now: datetime) -> None:
        """Takes in what happened before this process began to watch, and fires nothing."""
        for event in events:
            self.judge(event, administrators, now=now)

    def _is_one_of_many(self, key: tuple[str, str], topic: str, at: datetime) -> bool:
        """Whether too many others of its kind are being told of."""
        told = self._current(key, at)
        if topic in told.items:
            return False
        if len(told.items) >= BURST:
            return True
        told.items[topic] = at
        self.size += 1
        self._make_room(key)
        return False

    def _count(self, key: tuple[str, str], item: str, at: datetime, *, keep: int) -> int:
        """The number of different items of a topic within the window, 0 where this one was there already."""
        items = self._current(key, at).items
        if item in items:
            items[item] = at
            items.move_to_end(item)
            return 0
        items[item] = at
        self.size += 1
        if len(items) > keep:
            items.popitem(last=False)
            self.size -= 1
        self._make_room(key)
        return len(items)

    def _current(self, key: tuple[str, str], at: datetime) -> _Topic:
        """A topic without what has left the window."""
        topic = self._topics.setdefault(key, _Topic())
        self._topics.move_to_end(key)
        # A clock that ran ahead must not keep things here: what seems to come later than now is of now, so that the
        # items stay in the order of their times.
        for item, seen_at in reversed(topic.items.items()):
            if seen_at <= at:
                break
            topic.items[item] = at
        while topic.items and at - next(iter(topic.items.values())) >= WINDOW:
            topic.items.popitem(last=False)
            self.size -= 1
        return topic

    def _make_room(self, kept: tuple[str, str]) -> None:
        while self.size > self._most_items and len(self._topics) > 1:
            key, oldest = next(iter(self._topics.items()))
            if key == kept:
                return
            del self._topics[key]
            self.size -= len(oldest.items)


def _kind_of(event: StoredEvent) -> str:
    sender = sender_of(event)
    return event.name if sender is None else f"{SENT_BY}{sender}:"


def _time_of(event: StoredEvent, now: datetime) -> datetime:
    is_believed = sender_of(event) is None or abs(now - event.at) <= _BELIEVED
    return event.at if is_believed else now
