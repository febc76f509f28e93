"""Events as they are read from the database, made without one."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

from audit.catalogue import EventType, all_types
from audit.reading import StoredEvent

AT = datetime(2026, 11, 22, 20, 0, 0, 123456, UTC)
PERSON = "usr_0192f0c1aaaa7bbb8ccc0123456789ab"
AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
HOSTILE = 'a\r\nb\x1b[31mc\u2028d\u2029e\x85f\x00g\x7fh|i=j\\k"l]m\u202en'
TYPED = {"scope": "openid orders:read", "scopes": ["openid", "orders:read"], "methods": ["pwd", "totp"]}


def made_event(name: str = "login.failed", **parts: object) -> StoredEvent:
    """An event with every column filled; `parts` are given instead."""
    kind = all_types().get(name)
    event = StoredEvent(
        seq=41,
        id=bytes.fromhex("0192f0c1bbbb7ccc8ddd0123456789ab"),
        at=AT,
        name=name,
        family=name.partition(".")[0],
        severity=kind.severity.value if kind else "LOW",
        outcome="failure",
        actor="anonymous",
        subject=PERSON,
        client_id="cli_orders",
        session_id=bytes.fromhex("0192f0c1cccc7ddd8eee0123456789ab"),
        device_id=bytes.fromhex("0192f0c1dddd7eee8fff0123456789ab"),
        place=None,
        risk_score=None,
        risk_reasons=None,
        policy_revision=None,
        request_id="req-7",
        source="auth-service",
        data={"reason": "wrong_password"},
        personal={"address": "203.0.113.9", "user_agent": AGENT},
        body="{}",
        sealed_for=bytes(16),
    )
    return replace(event, **parts)  # type: ignore[arg-type]


def full_event(kind: EventType, value: str = "some text") -> StoredEvent:
    """An event of the type with all the fields that it declares."""
    data = {name: TYPED.get(name, value) for name in kind.public}
    personal = {**dict.fromkeys(kind.personal, value), "address": "203.0.113.9"}
    if "email" in personal and value != HOSTILE:
        personal["email"] = "ada@example.com"
    return made_event(kind.name, data=data, personal=personal)


def assessed_event(kind: EventType, value: str = "some text") -> StoredEvent:
    """An event of the type with a score and a place; `value` is every text in them but the country."""
    reason = {"signal": value, "log_odds": 1.5, "points": 72, "detail": {"browser": value}}
    names = dict.fromkeys(("city", "region", "network_name"), value)
    return replace(
        full_event(kind, value),
        place={"country": "TR", "latitude": 39.92, "longitude": 32.85, "radius_km": 20, "asn": 64500, **names},
        risk_score=72, risk_level="high", risk_log_odds=2.25, risk_calibration="shipped-1", risk_reasons=[reason],
    )  # fmt: skip


def bare_event(kind: EventType) -> StoredEvent:
    """An event of the type of which nothing is known but that it happened."""
    none = dict.fromkeys(("seq", "subject", "client_id", "session_id", "device_id", "request_id"))
    return made_event(kind.name, data={}, personal=None, actor="system", **none)
