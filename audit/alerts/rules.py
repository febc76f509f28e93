"""The rules: which events are worth waking somebody, alone or many within a quarter of an hour. Pure.

One table. A rule looks at one event and says what it would be an alert about (`topic`) and what is counted (`item`,
each once); it fires when as many different items as its limit lie within `WINDOW`. Where `hides_topic` is set, the
topic is personal and goes into the database as its keyed index value. Where `is_about_many` is set, the account of an
event is one of many.

What another service sent (`source`) is never taken for something that happened here: only `high_event` looks at it.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from ipaddress import IPv6Address, ip_address
from typing import NamedTuple

from audit import catalogue as events
from audit.alerts.values import Limits
from audit.catalogue import Severity
from audit.reading import StoredEvent
from audit.record import Origin

WINDOW = timedelta(minutes=15)
# The source of what happened here.
OURS = Origin().source
# How the topic of what another service sent begins; none of ours does.
SENT_BY = "from "


class Seen(NamedTuple):
    """What a rule makes of an event."""

    topic: str
    item: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One rule. `names` are the events that it looks at (none: every HIGH one that no other rule claims)."""

    name: str
    severity: Severity
    title: str
    advice: str
    names: frozenset[str] = frozenset()
    look: Callable[[StoredEvent, frozenset[str]], Seen | None]
    limit: Callable[[Limits], int] = lambda _: 1
    hides_topic: bool = False
    is_about_many: bool = False


_ATTEMPTS = frozenset(
    kind.name
    for kind in (
        events.LOGIN_FAILED,
        events.LOGIN_REFUSED,
        events.MFA_FAILED,
        events.MFA_REFUSED,
        events.BACKUP_CODE_FAILED,
    )
)
_LOCKED = frozenset({"locked", "account_locked", "passkey_locked", "passkey_account_locked"})


def _account(event: StoredEvent) -> str | None:
    """Which account somebody failed at; an attempt at a locked door is one, other refusals are not."""
    if event.outcome == "denied" and event.data.get("reason") not in _LOCKED:
        return None
    typed = event.data.get("typed_digest")
    return event.subject or (typed if isinstance(typed, str) else None)


def _failure_at_account(event: StoredEvent, _: frozenset[str]) -> Seen | None:
    account = _account(event)
    return Seen(account, event.id.hex()) if account else None


def _account_from_address(event: StoredEvent, _: frozenset[str]) -> Seen | None:
    account, address = _account(event), (event.personal or {}).get("address")
    return Seen(_place(address), account) if account and isinstance(address, str) else None


def _place(address: str) -> str:
    """Whose address it is: in IPv6 one customer has a /64, and a new address for every attempt."""
    try:
        parsed = ip_address(address)
    except ValueError:
        return address
    if not isinstance(parsed, IPv6Address):
        return address
    return str(parsed.ipv4_mapped or f"{IPv6Address(int(parsed) >> 64 << 64)}/64")


def _lockout(event: StoredEvent, _: frozenset[str]) -> Seen | None:
    return Seen("", event.id.hex())


def _reuse(event: StoredEvent, _: frozenset[str]) -> Seen | None:
    return Seen(f"{event.subject or ''} {event.client_id or ''}", event.id.hex())


def _administrators_device(event: StoredEvent, administrators: frozenset[str]) -> Seen | None:
    if event.subject not in administrators:
        return None
    return Seen(f"{event.subject} {event.device_id.hex() if event.device_id else ''}", event.id.hex())


def _administrators_country(event: StoredEvent, administrators: frozenset[str]) -> Seen | None:
    if event.subject not in administrators:
        return None
    country = event.place.get("country") if isinstance(event.place, Mapping) else None
    return Seen(f"{event.subject} {country or ''}", event.id.hex())


def _high(event: StoredEvent, _: frozenset[str]) -> Seen | None:
    topic = f"{event.name} {event.subject or event.client_id or event.actor}"
    sender = sender_of(event)
    # One application must not be able to keep another's events quiet.
    return Seen(topic if sender is None else f"{SENT_BY}{sender}: {topic}", event.id.hex())


_ASK_THE_ADMINISTRATOR = (
    "Ask the administrator, by telephone, whether it was them. If not: `ostiary user disable` ends everything at once."
)
TOKEN_REUSED = Rule(
    name="token_reused",
    severity=Severity.HIGH,
    title="A spent code or refresh token came back",
    advice="Somebody holds a copy of a token. The grant was ended. Ask the person, and look at the application: it may"
    " store tokens where others can read them.",
    names=frozenset({events.TOKEN_REUSED.name}),
    look=_reuse,
)
ACCOUNT_FAILURES = Rule(
    name="account_failures",
    severity=Severity.HIGH,
    title="Many failed sign-ins at one account",
    advice="Ask the person whether it was them. Where it was not, let them choose a new password and add a second"
    " factor; the account stays closed to guesses meanwhile.",
    names=_ATTEMPTS,
    look=_failure_at_account,
    limit=lambda limits: limits.account_failures,
)
ADDRESS_ACCOUNTS = Rule(
    name="address_accounts",
    severity=Severity.HIGH,
    title="One address fails at many accounts",
    advice="Passwords from a leak are being tried. Block the address in front of this server, and look whether a"
    " sign-in from it went well.",
    names=_ATTEMPTS,
    look=_account_from_address,
    limit=lambda limits: limits.address_accounts,
    hides_topic=True,
    is_about_many=True,
)
LOCKOUTS = Rule(
    name="lockouts",
    severity=Severity.HIGH,
    title="Many accounts are being locked",
    advice="This is an attack on many accounts, or an application that signs in with an old password. Look where the"
    " failures come from.",
    names=frozenset({events.LOCKOUT_STARTED.name}),
    look=_lockout,
    limit=lambda limits: limits.lockouts,
    is_about_many=True,
)
ADMINISTRATOR_DEVICE = Rule(
    name="administrator_device",
    severity=Severity.HIGH,
    title="An administrator signed in with a new device",
    advice=_ASK_THE_ADMINISTRATOR,
    names=frozenset({events.DEVICE_ADDED.name}),
    look=_administrators_device,
)
ADMINISTRATOR_COUNTRY = Rule(
    name="administrator_country",
    severity=Severity.HIGH,
    title="An administrator signed in from a new country",
    advice=_ASK_THE_ADMINISTRATOR,
    names=frozenset({events.LOGIN_NEW_COUNTRY.name}),
    look=_administrators_country,
    hides_topic=True,
)
HIGH_EVENT = Rule(
    name="high_event",
    severity=Severity.HIGH,
    title="Something happened that somebody must look at",
    advice="Find out whether this was meant. The log says who did it and from where.",
    look=_high,
)
RULES: tuple[Rule, ...] = (
    TOKEN_REUSED,
    ACCOUNT_FAILURES,
    ADDRESS_ACCOUNTS,
    LOCKOUTS,
    ADMINISTRATOR_DEVICE,
    ADMINISTRATOR_COUNTRY,
    HIGH_EVENT,
)
# These come from no event: the first from the memory of a server that cannot write any, the second from a command.
AUDIT_WRITING = Rule(
    name="audit_writing_failed",
    severity=Severity.HIGH,
    title="The audit log cannot be written",
    advice="Whoever changes something is refused until it can. Look whether the database answers and whether its disk"
    " is full: `ostiary doctor` says what it finds.",
    look=lambda event, administrators: None,
)
TEST = Rule(
    name="test",
    severity=Severity.LOW,
    title="This is a test",
    advice="Nothing happened: somebody wanted to know whether alerts arrive here.",
    look=lambda event, administrators: None,
)
BY_NAME: Mapping[str, Rule] = {rule.name: rule for rule in (*RULES, AUDIT_WRITING, TEST)}
WATCHED = frozenset().union(*(rule.names for rule in RULES))
# They have words of their own and need not be told twice.
_CLAIMED = TOKEN_REUSED.names
# Whoever these are about may be an administrator, which the rules about those must know.
OF_ADMINISTRATORS = ADMINISTRATOR_DEVICE.names | ADMINISTRATOR_COUNTRY.names


def sender_of(event: StoredEvent) -> str | None:
    """The id of the application that sent an event; None where it happened here."""
    return None if event.source == OURS else event.source.partition(" ")[0]


def rules_for(event: StoredEvent) -> tuple[Rule, ...]:
    """The rules that look at an event."""
    if event.source != OURS:
        return (HIGH_EVENT,) if event.severity == Severity.HIGH else ()
    named = tuple(rule for rule in RULES if event.name in rule.names)
    is_high = event.severity == Severity.HIGH and event.name not in _CLAIMED
    return (*named, HIGH_EVENT) if is_high else named
