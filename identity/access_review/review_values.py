"""Who can do what, as values, and the rules of what stands out; no I/O."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum

UNUSED_AFTER = timedelta(days=90)
SECRET_OLD_AFTER = timedelta(days=365)


class Flag(StrEnum):
    """What wants a decision."""

    BARE_ADMIN = "bare_admin"
    UNUSED = "unused"
    CLOSED_BUT_LIVE = "closed_but_live"
    OLD_SECRET = "old_secret"


@dataclass(frozen=True, slots=True, kw_only=True)
class PersonAccess:
    """One account. `factors` are methods beside the password; `memberships` names of organisations, groups and roles.

    `last_seen_at` is the last use of a session or device, None where there never was one.
    """

    id: bytes
    state: str
    is_admin: bool
    created_at: datetime
    factors: frozenset[str]
    has_password: bool
    last_seen_at: datetime | None
    memberships: tuple[str, ...]
    applications: tuple[str, ...]
    live: int
    has_strong: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientAccess:
    """One application. `secret_at` is when its oldest working secret was made; `live` counts grants that still work."""

    client_id: str
    name: str
    auth_method: str
    grants: tuple[str, ...]
    scopes: tuple[str, ...]
    apis: tuple[str, ...]
    is_disabled: bool
    created_at: datetime
    last_used_at: datetime | None
    secret_at: datetime | None
    secrets: int
    live: int


def flags_of_person(person: PersonAccess, now: datetime) -> tuple[Flag, ...]:
    """What stands out about an account, the gravest first."""
    is_active = person.state == "active"
    found = []
    if is_active and person.is_admin and not person.has_strong:
        found.append(Flag.BARE_ADMIN)
    if not is_active and person.live:
        found.append(Flag.CLOSED_BUT_LIVE)
    if is_active and is_unused(person.last_seen_at or person.created_at, now):
        found.append(Flag.UNUSED)
    return tuple(found)


def flags_of_client(client: ClientAccess, now: datetime) -> tuple[Flag, ...]:
    """What stands out about an application, the gravest first."""
    found = []
    if client.is_disabled and client.live:
        found.append(Flag.CLOSED_BUT_LIVE)
    if not client.is_disabled and client.secret_at is not None and now - client.secret_at > SECRET_OLD_AFTER:
        found.append(Flag.OLD_SECRET)
    if not client.is_disabled and is_unused(client.last_used_at or client.created_at, now):
        found.append(Flag.UNUSED)
    return tuple(found)


def is_unused(last_at: datetime, now: datetime) -> bool:
    """Whether something that was last used, or made, then counts as unused."""
    return now - last_at > UNUSED_AFTER
