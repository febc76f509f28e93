"""Events as OCSF 1.6.0 tells them, one JSON document a line (S46)."""

from collections.abc import Mapping
from datetime import UTC

from audit.reading import StoredEvent
from audit.siem.event_facts import EventFacts, facts_of, texts_of
from audit.siem.ocsf_classes import (
    ACCESS,
    ACCOUNT,
    ACTIVITIES,
    API,
    AUTHENTICATION,
    AUTHORIZE,
    CATEGORIES,
    ENTITY,
    FAULT,
    FINDING,
    OCSF_VERSION,
    OTHER,
    OcsfClass,
    class_of,
)
from audit.siem.product import PRODUCT, VENDOR, product_version
from audit.siem.whereabouts import Whereabouts
from audit.words import sentence
from base.clock import to_micros
from base.lines import to_line

SEVERITIES: Mapping[str, tuple[int, str]] = {"LOW": (2, "Low"), "MEDIUM": (3, "Medium"), "HIGH": (4, "High")}
_RISK_LEVELS = {"low": (1, "Low"), "medium": (2, "Medium"), "high": (3, "High"), "critical": (4, "Critical")}
_STATE_ACTIVITIES = {"active": 2, "suspended": 5, "disabled": 5, "deleted": 6}
_FACTORS = {
    "pwd": (11, "Password"),
    "totp": (7, "OTP"),
    "mail_code": (8, "Email"),
    **dict.fromkeys(("passkey", "passkey_bound", "passkey_attested"), (10, "WebAuthn")),
}
_USER, _SERVICE = (1, "User"), (4, "Service")
# Which managed thing an event is about, and the field of `data` that names it.
_ENTITIES: Mapping[str, tuple[str, str]] = {
    "token.revoked": ("token", "jti"),
    "token.grant_ended": ("grant", "grant"),
    "login.consent_withdrawn": ("consent", "client"),
    "admin.key_added": ("signing key", "kid"),
    "admin.key_changed": ("signing key", "kid"),
    "admin.key_revoked": ("signing key", "kid"),
    "admin.everything_revoked": ("tokens", ""),
    "policy.activated": ("policy set", "revision"),
    "policy.rolled_back": ("policy set", "revision"),
    "policy.activation_refused": ("policy set", ""),
    "policy.draft_changed": ("policy draft", "draft"),
    "policy.draft_removed": ("policy draft", "draft"),
    "admin.invited": ("invitation", ""),
    "admin.registration_asked": ("registration", ""),
    "admin.link_made": ("one-time link", ""),
    "admin.link_used": ("one-time link", ""),
    "admin.link_refused": ("one-time link", "kind"),
}


def to_ocsf(event: StoredEvent, *, truncated: bool = False) -> dict[str, object]:
    """The event's OCSF document. Personal fields stand in it as long as their person was not erased."""
    facts = facts_of(event)
    kind, activity = _class_of(event)
    return _known(
        {
            **_classification(event, kind, activity),
            "time": to_micros(event.at) // 1000,
            "message": sentence(event.name),
            "status_id": 1 if event.outcome == "success" else 2,
            "status": "Success" if event.outcome == "success" else "Failure",
            "status_code": event.outcome,
            "status_detail": facts.reason,
            "metadata": _metadata(event, facts, truncated=truncated),
            **_of_class(event, facts, kind),
            "unmapped": _unmapped(event, facts),
        }
    )


def ocsf_line(event: StoredEvent, *, truncated: bool = False) -> bytes:
    """The document on one line, without its end."""
    return to_line(to_ocsf(event, truncated=truncated))


def _class_of(event: StoredEvent) -> tuple[OcsfClass, int]:
    kind, activity = class_of(event.name)
    if event.name == "admin.person_state_changed":
        activity = _STATE_ACTIVITIES.get(str(event.data.get("after")), activity)
    return kind, activity


def _classification(event: StoredEvent, kind: OcsfClass, activity: int) -> dict[str, object]:
    named = event.name if activity == OTHER else ACTIVITIES[kind][activity]
    severity_id, severity = SEVERITIES.get(event.severity, (0, "Unknown"))
    return {
        "activity_id": activity,
        "activity_name": named,
        "category_uid": kind.category,
        "category_name": CATEGORIES[kind.category],
        "class_uid": kind.uid,
        "class_name": kind.name,
        "type_uid": kind.uid * 100 + activity,
        "type_name": f"{kind.name}: {named}",
        "severity_id": severity_id,
        "severity": severity,
    }


def _metadata(event: StoredEvent, facts: EventFacts, *, truncated: bool) -> dict[str, object]:
    return _known(
        {
            "version": OCSF_VERSION,
            "product": {"name": PRODUCT, "vendor_name": VENDOR, "version": product_version()},
            "uid": facts.event_id,
            "sequence": event.seq,
            "event_code": event.name,
            "log_name": "audit",
            "log_provider": event.source,
            "correlation_uid": event.request_id,
            "original_time": event.at.astimezone(UTC).isoformat(),
            "is_truncated": True if truncated else None,
        }
    )


def _of_class(event: StoredEvent, facts: EventFacts, kind: OcsfClass) -> dict[str, object]:
    actor, source = _actor(event, facts), _endpoint(event, facts)
    who = {"actor": actor, "src_endpoint": source, "http_request": _request(facts)}
    user, session = _user(event, facts), {"uid": facts.session} if facts.session else None
    if kind == AUTHENTICATION:
        service = _known({"name": event.source, "uid": event.client_id})
        return {**who, "user": user, "session": session, "service": service, **_authentication(facts)}
    if kind == ACCOUNT:
        return {**who, "user": user}
    if kind == AUTHORIZE:
        return {**who, "user": user, "session": session, "privileges": list(texts_of(event.data.get("scope")))}
    if kind == ACCESS:
        return {**who, "user": user, "privileges": list(texts_of(event.data.get("scopes")))}
    if kind == ENTITY:
        return {**who, "entity": _entity(event, facts)}
    if kind == API:
        return {**who, "api": {"operation": event.name, "service": {"name": event.source}}}
    if kind == FINDING:
        named = event.data.get("alert")
        found = {"uid": named if isinstance(named, str) else facts.event_id, "title": sentence(event.name)}
        return {"finding_info": {**found, "types": [event.name]}, "is_alert": event.severity == "HIGH", **_risk(event)}
    if kind == FAULT:
        return {}
    raise AssertionError(kind)


def _authentication(facts: EventFacts) -> dict[str, object]:
    known = [_FACTORS[method] for method in facts.methods if method in _FACTORS]
    factors = [{"factor_type_id": number, "factor_type": word} for number, word in known]
    return {"is_remote": True, "is_mfa": facts.is_mfa, "auth_factors": factors or None}


def _actor(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    session = {"uid": facts.session} if facts.session else None
    return _known({"user": _account(event.actor), "app_uid": event.client_id, "session": session})


def _user(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    user = _account(event.subject or event.client_id)
    named = facts.username or user.get("name")
    return _known({**user, "name": named, "email_addr": facts.email, **_risk(event)})


def _risk(event: StoredEvent) -> dict[str, object]:
    """The score of a sign-in or a session; nothing where there is none, which is no score of 0."""
    if event.risk_score is None:
        return {}
    number, word = _RISK_LEVELS.get(event.risk_level or "", (99, event.risk_level))
    return _known({"risk_score": event.risk_score, "risk_level_id": number, "risk_level": word})


def _account(public_id: str | None) -> dict[str, object]:
    if public_id is None or public_id == "anonymous":
        return {"name": "unknown", "type_id": 0, "type": "Unknown"}
    if public_id in ("system", "cli"):
        return {"name": public_id, "type_id": 3, "type": "System"}
    number, kind = _USER if public_id.startswith("usr_") else _SERVICE
    return {"uid": public_id, "type_id": number, "type": kind}


def _endpoint(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    # Without an address, which part of the company it came from: OCSF demands one of the two.
    if facts.ip is None:
        return {"svc_name": event.source}
    return _known({"ip": facts.ip, "location": _location(facts.place), "autonomous_system": _network(facts.place)})


def _location(place: Whereabouts) -> dict[str, object] | None:
    if not place.is_named:
        return None
    names = {"city": place.city, "region": place.region, "country": place.country}
    return _known({**names, "lat": place.latitude, "long": place.longitude})


def _network(place: Whereabouts) -> dict[str, object] | None:
    return _known({"number": place.asn, "name": place.network_name}) or None


def _request(facts: EventFacts) -> dict[str, object] | None:
    return {"user_agent": facts.user_agent} if facts.user_agent else None


def _entity(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    if event.family == "device":
        return _known({"type": "Device", "type_id": 1, "name": "browser", "uid": facts.device})
    default = ("API", "") if event.name.startswith("client.api_") else ("application", "")
    kind, field = _ENTITIES.get(event.name, default)
    named = event.client_id if field == "client" else event.data.get(field)
    uid = named if isinstance(named, str) and named else event.subject
    return _known({"type": kind, "type_id": 99, "name": kind, "uid": uid})


def _unmapped(event: StoredEvent, facts: EventFacts) -> dict[str, object]:
    return _known(
        {
            "family": event.family,
            "actor": event.actor,
            "subject": event.subject,
            "client": event.client_id,
            "session": facts.session,
            "device": facts.device,
            "place": event.place,
            "risk_score": event.risk_score,
            "risk_level": event.risk_level,
            "risk_log_odds": event.risk_log_odds,
            "risk_calibration": event.risk_calibration,
            "risk_reasons": event.risk_reasons,
            "policy_revision": event.policy_revision,
            "data": dict(event.data) or None,
            "personal": dict(facts.rest) or None,
            "erased": True if facts.is_erased else None,
        }
    )


def _known(fields: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in fields.items() if value is not None}
