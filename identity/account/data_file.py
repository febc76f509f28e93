"""Everything kept about a person as one JSON file, in pieces, so that memory stays flat. No secret is in it."""

from collections.abc import AsyncIterator, Mapping
from datetime import datetime

import msgspec
from sqlalchemy import ColumnElement, Table, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.search.of_person import FoundEvent, walk_person_events
from base.ids import DEVICE, EVENT, GRANT, PERSON, SESSION, show_id
from identity.accounts import load_person
from identity.factors.registry import FACTOR, count_codes_left, list_factors
from identity.services import Services
from identity.tables import consents, devices, emails, external_identities, grants, sessions

_ONE_LINE = msgspec.json.Encoder()


async def write_data_file(services: Services, person_id: bytes, *, now: datetime) -> AsyncIterator[bytes]:
    """The file: an object with a part for each kind of thing, its events last, newest first."""
    async with services.database.reading() as db:
        account = await _account(db, person_id)
        parts = {
            "made_at": now,
            "account": account,
            "ways_to_sign_in": await _ways_to_sign_in(db, person_id),
            **{name: await _rows(db, name, person_id) for name in _TABLES},
        }
    yield b"{\n"
    for name, value in parts.items():
        yield _ONE_LINE.encode(name) + b": " + msgspec.json.format(_ONE_LINE.encode(value), indent=1) + b",\n"
    yield b'"events": ['
    separator = b"\n"
    async for event in walk_person_events(services.database, services.emitter, services.sealer, person_id):
        yield separator + _ONE_LINE.encode(_event(event))
        separator = b",\n"
    yield b"\n]}\n"


async def _account(db: AsyncConnection, person_id: bytes) -> dict[str, object]:
    person = await load_person(db, person_id)
    return {
        "id": show_id(PERSON, person.id),
        "sub": person.sub,
        "username": person.username,
        "state": person.state,
        "is_admin": person.is_admin,
        "profile": person.profile,
        "created_at": person.created_at,
        "updated_at": person.updated_at,
    }


async def _ways_to_sign_in(db: AsyncConnection, person_id: bytes) -> dict[str, object]:
    return {
        "factors": [
            {
                "id": show_id(FACTOR, each.id),
                "kind": each.kind,
                "label": each.label,
                "created_at": each.created_at,
                "last_used_at": each.last_used_at,
            }
            for each in await list_factors(db, person_id)
        ],
        "backup_codes_left": await count_codes_left(db, person_id),
    }


# The columns that are told, by name; ids get their public form. Digests, keys and sealed values are not among them.
_TABLES: Mapping[str, tuple[Table, tuple[str, ...]]] = {
    "mail_addresses": (emails, ("address", "is_primary", "verified_at", "created_at")),
    "devices": (devices, ("id", "label", "name", "created_at", "last_seen_at", "trusted_until", "revoked_at")),
    "sessions": (
        sessions,
        ("id", "device_id", "auth_time", "created_at", "last_seen_at", "expires_at", "ended_at", "ended_why"),
    ),
    "allowed": (consents, ("client_id", "audience", "scope", "created_at")),
    "access": (
        grants,
        ("id", "client_id", "session_id", "scope", "audience", "offline", "created_at", "refreshed_at", "ended_at"),
    ),
    "identities_elsewhere": (external_identities, ("issuer", "subject", "created_at", "last_used_at")),
}
_PREFIXES = {"devices": DEVICE, "sessions": SESSION, "access": GRANT, "device_id": DEVICE, "session_id": SESSION}


async def _rows(db: AsyncConnection, name: str, person_id: bytes) -> list[dict[str, object]]:
    table, columns = _TABLES[name]
    theirs: ColumnElement[bool] = table.c.person_id == person_id
    rows = await db.execute(select(*(table.c[column] for column in columns)).where(theirs).order_by(table.c.created_at))
    return [{column: _shown(name, column, value) for column, value in row._mapping.items()} for row in rows]


def _shown(name: str, column: str, value: object) -> object:
    if isinstance(value, bytes):
        return show_id(_PREFIXES[name if column == "id" else column], value)
    return value


def _event(event: FoundEvent) -> dict[str, object]:
    return {
        "id": show_id(EVENT, event.id),
        "at": event.at,
        "name": event.name,
        "outcome": event.outcome,
        "actor": event.actor,
        "client_id": event.client_id,
        "session": event.session_id and show_id(SESSION, event.session_id),
        "device": event.device_id and show_id(DEVICE, event.device_id),
        "place": event.place,
        "risk_score": event.risk_score,
        "risk_reasons": event.risk_reasons,
        "data": event.data,
        "personal": event.personal,
    }
