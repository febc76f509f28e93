"""A sign-in that was assessed, from a known place."""

from dataclasses import replace

from audit.catalogue import LOGIN_SUCCEEDED, EventType
from audit.record import Event, Origin, RiskNote
from base.ids import PERSON, show_id

PLACE: dict[str, str | int | float] = {
    "city": "Ankara", "country": "TR", "region": "Ankara", "latitude": 39.92, "longitude": 32.85, "radius_km": 20,
    "asn": 64500, "network_name": "Example Net",
}  # fmt: skip
REASONS: tuple[dict[str, object], ...] = (
    {"signal": "device.new", "log_odds": 1.75, "points": 50, "detail": {"browser": "Lynx"}},
    {"signal": "place.new_country", "log_odds": 1.0, "points": 22, "detail": {"country": "TR"}},
    {"signal": "hour.usual", "log_odds": -0.5, "points": 0, "detail": {}},
)
RISK = RiskNote(score=72, level="high", calibration="shipped-1", log_odds=2.25, reasons=REASONS)
ADDRESS = "203.0.113.9"


def assessed(person: bytes | None, kind: EventType = LOGIN_SUCCEEDED, **parts: object) -> Event:
    """The event; `parts` are given instead."""
    actor = show_id(PERSON, person) if person else "anonymous"
    event = Event(
        type=kind, actor=actor, person=person, origin=Origin(ADDRESS, "Lynx/2"), risk=RISK, place=PLACE,
    )  # fmt: skip
    return replace(event, **parts)  # type: ignore[arg-type]
