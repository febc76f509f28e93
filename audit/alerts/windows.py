"""What the rules remember between events: the different items of each topic within the window. Pure, and bounded.

The memory belongs to the one process that watches; another that takes over fills its own from the database.
"""

from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from audit.alerts.rules import WINDOW, Rule, rules_for
from audit.alerts.values import Limits
from audit.reading import StoredEvent

MOST_ITEMS = 200_000
# So many topics of one kind are told one by one; what comes after them within the window is one alert that grows. An
# attack that locks a thousand accounts must not ring a thousand times.
BURST = 10
_TOGETHER = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Fired:
    """A rule that fired: about what (None: about many things at once), by which event, and how many it counted."""

    rule: Rule
    topic: str | None
    event: StoredEvent
    count: int


@dataclass(slots=True)
class _Topic:
    items: OrderedDict[str, datetime] = field(default_factory=OrderedDict)


@dataclass(slots=True)
class Burst:
    """The same rule about the same thing, `times` within a minute: one change in the database, not thousands."""

    first: Fired
    last: StoredEvent
    times: int = 1


def gather(fired: Iterable[Fired]) -> list[Burst]:
    """What fired, the same within a minute together, in the order of the first ones."""
    bursts: list[Burst] = []
    current: dict[tuple[str, str | None, str], Burst] = {}
    for each in fired:
        # About many things, each kind of event is a thing of its own.
        key = each.rule.name, each.topic, each.event.name if each.topic is None else ""
        burst = current.get(key)
        if burst is None or each.event.at - burst.first.event.at > _TOGETHER:
            current[key] = burst = Burst(each, each.event)
            bursts.append(burst)
        else:
            burst.last, burst.times = each.event, burst.times + 1
    return bursts


class Windows:
    """The items of the last quarter of an hour, by rule and topic. The topic touched longest ago goes first where
    memory would grow past `MOST_ITEMS`."""

    def __init__(self, limits: Limits, *, most_items: int = MOST_ITEMS) -> None:
        self._limits = limits
        self._most_items = most_items
        self._topics: OrderedDict[tuple[str, str], _Topic] = OrderedDict()
        self.size = 0

    def judge(self, event: StoredEvent, administrators: frozenset[str]) -> list[Fired]:
        """What fires because of this event, which is remembered."""
        fired = []
        for rule in rules_for(event):
            seen = rule.look(event, administrators)
            if seen is None:
                continue
            limit = rule.limit(self._limits)
            count = self._count((rule.name, seen.topic), seen.item, event.at, keep=limit) if limit > 1 else 1
            if count >= limit:
                fired.append(Fired(rule, self._fold(rule, event, seen.topic), event, count))
        return fired

    def remember(self, events: Iterable[StoredEvent], administrators: frozenset[str]) -> None:
        """Takes in what happened before this process began to watch, and fires nothing."""
        for event in events:
            self.judge(event, administrators)

    def _fold(self, rule: Rule, event: StoredEvent, topic: str) -> str | None:
        """The topic, or None where too many others of its kind are being told of."""
        told = self._current((rule.name, f"burst {event.name}"), event.at)
        if topic in told.items:
            return topic
        if len(told.items) >= BURST:
            return None
        told.items[topic] = event.at
        self.size += 1
        return topic

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
        # Items come roughly by time; one that is a little early leaves a little later.
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
