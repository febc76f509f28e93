"""A place where audit events can be looked at."""

import json
from collections.abc import Mapping

from ostiary.emitter_sink import EventSink
from ostiary.spool_segment import Lane


class RecordedEvents(EventSink):
    """In the place of an `AuditEmitter`: checks events by the same rules and keeps them in `events`, oldest first."""

    def __init__(self) -> None:
        self.events: list[dict[str, object]] = []

    def named(self, name: str) -> list[dict[str, object]]:
        """The events of this name, as they would have been sent."""
        return [event for event in self.events if event["name"] == name]

    def assert_emitted(self, name: str, **fields: object) -> dict[str, object]:
        """The one event of this name with these fields; AssertionError where there is none, or more than one.

        `data` and `personal` must hold what is given, and may hold more.
        """
        found = [event for event in self.named(name) if all(_holds(event.get(key), fields[key]) for key in fields)]
        if len(found) != 1:
            raise AssertionError(f"{len(found)} events {name} with {fields}; emitted were {self.events}")
        return found[0]

    def _take(self, lane: Lane, payload: bytes) -> None:
        self.events.append(json.loads(payload))


def _holds(value: object, expected: object) -> bool:
    if isinstance(value, Mapping) and isinstance(expected, Mapping):
        return expected.items() <= value.items()
    return value == expected
