"""What a program says when something happened; where it goes is the business of whoever is behind it."""

import os
from abc import ABC, abstractmethod
from collections.abc import Mapping
from datetime import UTC, datetime
from uuid import UUID

from ostiary.emitter_events import AuditEvent, encode_event
from ostiary.spool_segment import Lane


class EventSink(ABC):
    """Takes audit events: an `AuditEmitter` in the service, a `RecordedEvents` in its tests."""

    def emit(
        self,
        name: str,
        *,
        severity: str = "LOW",
        outcome: str = "success",
        message: str | None = None,
        sub: str | None = None,
        actor: str | None = None,
        client_id: str | None = None,
        session: str | None = None,
        address: str | None = None,
        data: Mapping[str, object] | None = None,
        personal: Mapping[str, str] | None = None,
        at: datetime | None = None,
    ) -> str:
        """Take note of what happened; the event's id. Microseconds, and never an error for the server's trouble.

        `name` is `family.action` and none of the server's own (docs/events.md). `severity` is LOW, MEDIUM or HIGH;
        HIGH alerts. `outcome` is success, failure or denied. `message` is public text. `sub`, `client_id` and
        `session` are `sub`, `client_id` and `sid` of the access token; `actor` is who did it, this service itself
        where left out. `address` is the person's. `data` is flat and public for good. What tells about a person
        belongs in `personal` (texts only) and `address`: both are sealed under the person's key and end with it.
        `at` is when it happened, now where left out.

        ValueError naming the field for what no server would take, in production too: a mistake of the program, which
        nobody would see if the event went away in silence. Pass constants and checked values, and it cannot happen.
        """
        event = AuditEvent(
            name=name, severity=severity, outcome=outcome, message=message, sub=sub, actor=actor,
            client_id=client_id, session=session, address=address, data=data, personal=personal,
        )  # fmt: skip
        event_id = new_event_id()
        payload = encode_event(event, event_id=event_id, at=at or datetime.now(UTC))
        self._take(Lane.LOW if severity == "LOW" else Lane.RAISED, payload)
        return event_id

    @abstractmethod
    def _take(self, lane: Lane, payload: bytes) -> None:
        """Receives an event that was found right."""


def new_event_id() -> str:
    """A random UUID (version 4); by it the server knows an event that it has already."""
    return str(UUID(bytes=os.urandom(16), version=4))
