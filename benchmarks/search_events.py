"""Events for the search benchmark: made by the real row maker, spread as a company's log is, the same in every run."""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import cast

from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.catalogue import EventType, Severity, all_types
from audit.record import Event, Indexes, Origin, RiskNote, index_value, make_row, network_of
from base.ids import PERSON, new_id, show_id
from base.statements import Row

NEWEST = datetime(2026, 11, 1, 12, tzinfo=UTC)
DAYS = 90
PEOPLE, NETWORKS, CLIENTS = 20_000, 3_000, 40
_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"

# Name, share in a thousand, outcome, whether a person and whether an application is in it, whether it has a score.
KINDS = (
    ("token.refreshed", 300, "success", True, True, False),
    ("token.issued", 250, "success", True, True, False),
    ("token.code_issued", 100, "success", True, True, False),
    ("login.succeeded", 90, "success", True, False, True),
    ("session.started", 85, "success", True, False, False),
    ("login.failed", 55, "failure", True, False, True),
    ("mfa.succeeded", 40, "success", True, False, False),
    ("token.refused", 20, "failure", False, True, False),
    ("order.refunded", 20, "success", True, True, False),
    ("session.ended", 15, "success", True, False, False),
    ("device.added", 10, "success", True, False, False),
    ("login.refused", 6, "denied", False, False, True),
    ("mfa.failed", 4, "failure", True, False, True),
    ("password.set", 2, "success", True, False, False),
    ("lockout.started", 1, "failure", True, False, False),
    ("admin.person_state_changed", 1, "success", True, False, False),
    ("policy.changed", 1, "success", False, False, False),
)
_FOREIGN = {
    "order.refunded": EventType("order.refunded", Severity.LOW, "", frozenset({"order", "amount"})),
    "policy.changed": EventType("policy.changed", Severity.MEDIUM, "", frozenset({"order", "amount"})),
}


def _token(some: random.Random) -> dict[str, object]:
    grant, jti = f"grt_{some.getrandbits(128):032x}", f"{some.getrandbits(96):024x}"
    return {"grant": grant, "jti": jti, "scope": "openid profile orders:read"}


_DATA: dict[str, Callable[[random.Random], dict[str, object]]] = {
    "token.refreshed": _token,
    "token.issued": _token,
    "login.failed": lambda some: {"reason": some.choice(("wrong password", "unknown account", "locked"))},
    "order.refunded": lambda some: {"order": f"A-{some.randrange(10**6):06d}", "amount": some.randrange(10_000)},
}


@dataclass(frozen=True)
class Company:
    """Who and what the events are about."""

    index_key: bytes
    some: random.Random = field(default_factory=lambda: random.Random(7))
    people: Sequence[bytes] = field(init=False)
    addresses: Sequence[str] = field(init=False)
    clients: Sequence[str] = field(init=False)

    def __post_init__(self) -> None:
        some = self.some
        object.__setattr__(self, "people", [some.randbytes(16) for _ in range(PEOPLE)])
        object.__setattr__(self, "clients", [f"cli_{some.getrandbits(128):032x}" for _ in range(CLIENTS)])
        networks = [f"{some.randrange(1, 224)}.{some.randrange(256)}.{some.randrange(256)}" for _ in range(NETWORKS)]
        addresses = [f"{network}.{some.randrange(1, 255)}" for network in networks for _ in range(10)]
        object.__setattr__(self, "addresses", addresses)

    def pick(self, among: Sequence[str] | Sequence[bytes]) -> str | bytes:
        """One of them: a few are in most events, most in a few."""
        return among[int(len(among) * self.some.random() ** 3)]

    def index(self, kind: str, value: str) -> bytes:
        """The keyed index value, as the emitter makes it."""
        return index_value(self.index_key, kind, value)


def make_rows(company: Company, count: int) -> Iterator[Row]:
    """The rows of `count` events, oldest first, with their numbers in front."""
    some, types, key = company.some, all_types() | _FOREIGN, AESGCM(bytes(32))
    shares = [kind[1] for kind in KINDS]
    step = timedelta(days=DAYS) / count
    for number in range(count):
        at = NEWEST - step * (count - number) + timedelta(microseconds=some.randrange(1000))
        name, _, outcome, has_person, has_client, has_score = some.choices(KINDS, shares)[0]
        person = cast(bytes, company.pick(company.people)) if has_person else None
        address = cast(str, company.pick(company.addresses))
        event = Event(
            type=types[name],
            actor=show_id(PERSON, person) if person else "anonymous",
            outcome=outcome,
            subject=show_id(PERSON, person) if person else None,
            person=person,
            client_id=cast(str, company.pick(company.clients)) if has_client else None,
            session_id=some.randbytes(16) if has_person else None,
            origin=Origin(address, _AGENT, f"{some.getrandbits(64):016x}"),
            data=_DATA[name](some) if name in _DATA else {},
            risk=_risk(some) if has_score else None,
        )  # fmt: skip
        network = network_of(address)
        indexes = Indexes(
            company.index("person", person.hex()) if person else None,
            company.index("address", address),
            company.index("network", network or ""),
        )
        salt = some.randbytes(16)
        yield number, *make_row(event, event_id=new_id(at), at=at, salt=salt, subject_key=key, indexes=indexes)


def _risk(some: random.Random) -> RiskNote:
    score = min(99, int(some.expovariate(1 / 18)))
    reason = {"signal": "network.new", "log_odds": 0.75, "points": score, "detail": {}}
    return RiskNote(score=score, level="low", calibration="shipped", log_odds=score / 20, reasons=(reason,))
