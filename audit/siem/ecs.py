"""Events as Elastic Common Schema 8.17 tells them, one JSON document a line (S46).

What ECS has no field for stands under `ostiary`, each value as text, so that an index never sees two types of a field.
"""

from collections.abc import Mapping
from datetime import UTC

from audit.reading import StoredEvent
from audit.siem.event_facts import EventFacts, as_text, facts_of
from audit.siem.ocsf_classes import (
    ACCESS,
    ACCOUNT,
    API,
    AUTHENTICATION,
    AUTHORIZE,
    ENTITY,
    FINDING,
    OcsfClass,
    class_of,
)
from audit.words import sentence
from base.lines import to_line

ECS_VERSION = "8.17.0"
_SEVERITIES = {"LOW": 3, "MEDIUM": 6, "HIGH": 9}
_CHANGES = {1: "creation", 2: "access", 3: "change", 4: "deletion", 6: "creation", 10: "change", 11: "change"}


def to_ecs(event: StoredEvent, *, truncated: bool = False) -> dict[str, object]:
    """The event's ECS document. Personal fields stand in it as long as their person was not erased."""
    facts = facts_of(event)
    return _known(
        {
            "@timestamp": event.at.astimezone(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z"),
            "ecs": {"version": ECS_VERSION},
            "message": sentence(event.name),
            "event": _event(event, facts),
            "service": {"name": event.source, "type": "ostiary"},
            "user": _user(event, facts),
            "source": _source(facts),
            "user_agent": {"original": facts.user_agent} if facts.user_agent else None,
            "http": {"request": {"id": event.request_id}} if event.request_id else None,
            "related": _related(event, facts),
            "ostiary": _own(event, facts, truncated=truncated),
        }
    )


def ecs_line(event: StoredEvent, *, truncated: bool = False) -> bytes:
    """The document on one line, without its end."""
    return to_line(to_ecs(event, truncated=truncated))


def categories_of(kind: OcsfClass, activity: int) -> tuple[str | None, list[str]]:
    """ECS' category and types for a class of OCSF; a fault has no category."""
    change = _CHANGES.get(activity, "info")
    if kind == AUTHENTICATION:
        return "authentication", [{1: "start", 2: "end"}.get(activity, "info")]
    if kind == ACCOUNT:
        return "iam", ["user", {1: "creation", 6: "deletion"}.get(activity, "change")]
    if kind in (AUTHORIZE, ACCESS):
        return "iam", ["user", "info"]
    if kind == ENTITY:
        return "configuration", [change]
    if kind == API:
        return "api", [change]
    return ("intrusion_detection", ["info"]) if kind == FINDING else (None, ["error"])


def _event(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    kind, activity = class_of(event.name)
    category, types = categories_of(kind, activity)
    return _known(
        {
            "id": facts.event_id,
            "sequence": event.seq,
            "action": event.name,
            "kind": "alert" if kind == FINDING else "event",
            "category": [category] if category else None,
            "type": types,
            "outcome": "success" if event.outcome == "success" else "failure",
            "reason": facts.reason,
            "severity": _SEVERITIES.get(event.severity, 0),
            "risk_score": event.risk_score,
            "risk_score_norm": event.risk_score,
            "module": "ostiary",
            "dataset": "ostiary.audit",
            "provider": event.source,
        }
    )


def _user(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    """Who acted; `target` is whom the act was about, where that is somebody else.

    Who tries to sign in is nobody yet, and is told as the account that they tried.
    """
    named = {"name": facts.username, "email": facts.email}
    if event.subject is None or event.actor in (event.subject, "anonymous"):
        return _known({"id": event.subject or event.actor, **named})
    return {"id": event.actor, "target": _known({"id": event.subject, **named})}


def _source(facts: EventFacts) -> dict[str, object] | None:
    """Where it came from."""
    if facts.ip is None:
        return None
    place = facts.place
    names = {"city_name": place.city, "region_name": place.region, "country_iso_code": place.country}
    degrees = None if place.latitude is None else {"lat": place.latitude, "lon": place.longitude}
    network = _known(
        {"number": place.asn, "organization": {"name": place.network_name} if place.network_name else None}
    )
    return _known(
        {
            "ip": facts.ip,
            "address": facts.ip,
            "geo": _known({**names, "location": degrees}) or None,
            "as": network or None,
        }
    )


def _related(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    people = dict.fromkeys(filter(None, (event.actor, event.subject, facts.username)))
    people.pop("anonymous", None)
    return _known({"user": list(people) or None, "ip": [facts.ip] if facts.ip else None})


def _own(event: StoredEvent, facts: EventFacts, *, truncated: bool) -> dict[str, object]:
    return _known(
        {
            "family": event.family,
            "severity": event.severity,
            "outcome": event.outcome,
            "client": event.client_id,
            "session": facts.session,
            "device": facts.device,
            "place": None if event.place is None else as_text(event.place),
            "risk_score": event.risk_score,
            "risk_level": event.risk_level,
            "risk_log_odds": event.risk_log_odds,
            "risk_calibration": event.risk_calibration,
            "risk_reasons": None if event.risk_reasons is None else as_text(event.risk_reasons),
            "policy_revision": event.policy_revision,
            "data": {name: as_text(value) for name, value in sorted(event.data.items())} or None,
            "personal": {name: as_text(value) for name, value in sorted(facts.rest.items())} or None,
            "erased": True if facts.is_erased else None,
            "truncated": True if truncated else None,
        }
    )


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
