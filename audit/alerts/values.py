"""Alerts as values: what one is, what is sent about it, and what the room must be told."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

ALERT = "alr_"


class Purpose(StrEnum):
    """Why a message is sent."""

    OPENED = "opened"
    ESCALATED = "escalated"
    ACKNOWLEDGED = "acknowledged"
    OVER = "over"
    TEST = "test"


@dataclass(frozen=True, slots=True)
class Limits:
    """How many within `rules.WINDOW` are too many."""

    account_failures: int
    address_accounts: int
    lockouts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlertSettings:
    """What the room is told. `quiet`: within it the same stays one alert; `language` is that of messages."""

    limits: Limits
    quiet: timedelta
    escalate_after: timedelta
    issuer: str
    service_name: str
    language: str


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredAlert:
    """An alert as it lies in the database; `facts` hold ids, never what is personal."""

    id: bytes
    rule: str
    topic: str
    severity: str
    opened_at: datetime
    last_at: datetime
    count: int
    first_event: bytes | None
    last_event: bytes | None
    facts: Mapping[str, object]
    acknowledged_at: datetime | None
    acknowledged_by: str | None
    escalated_at: datetime | None
