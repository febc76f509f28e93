"""Every counter that can close a door before one person: looked at together, and opened together."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOCKOUT_ENDED
from audit.emit import Emitter
from audit.record import Event
from base.ids import PERSON, show_id
from identity import lockout
from identity.services import Services
from identity.tables import credentials, devices, lockouts
from policy.assurance import PASSKEYS

# The methods whose failures are counted apart from the password's (S23); a passkey's are counted by the passkey.
CODE_METHODS = ("totp", "backup_code", "mail_code")
_CHUNK = 500


@dataclass(frozen=True, slots=True)
class _Owned:
    """What a person has counters for, beside themselves."""

    devices: list[bytes] = field(default_factory=list)
    passkeys: list[bytes] = field(default_factory=list)


def counters_of(
    emitter: Emitter, person_id: bytes, device_ids: Sequence[bytes], passkey_ids: Sequence[bytes]
) -> list[bytes]:
    """The keys of a person's counters: passwords, codes, passkeys and recovery, at large and at each known device."""
    keys = [lockout.person_key(emitter, person_id), lockout.recovery_key(emitter, person_id.hex())]
    keys += [lockout.device_key(emitter, device_id) for device_id in device_ids]
    keys += [lockout.all_codes_key(emitter, method, person_id) for method in CODE_METHODS]
    for device_id in (None, *device_ids):
        keys += [lockout.code_key(emitter, method, person_id, device_id) for method in CODE_METHODS]
        keys += [lockout.code_key(emitter, "passkey", each + (device_id or b""), None) for each in passkey_ids]
    return keys


async def unlock_person(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, actor: str
) -> None:
    """Opens every door that failures closed before this person."""
    owned = (await _load_owned(db, [person_id]))[person_id]
    for key in counters_of(services.emitter, person_id, owned.devices, owned.passkeys):
        await lockout.release(db, key)
    event = Event(type=LOCKOUT_ENDED, actor=actor, subject=show_id(PERSON, person_id), person=person_id)
    await services.emitter.emit(db, event, now=now)


async def find_locked(
    db: AsyncConnection, services: Services, person_ids: Sequence[bytes], *, now: datetime
) -> dict[bytes, datetime]:
    """Until when a door is closed before each of these people; those before whom all stand open are left out."""
    owners = {
        key: person_id
        for person_id, owned in (await _load_owned(db, person_ids)).items()
        for key in counters_of(services.emitter, person_id, owned.devices, owned.passkeys)
    }
    until: dict[bytes, datetime] = {}
    for keys in _chunks(list(owners)):
        closed = select(lockouts.c.key, lockouts.c.until).where(lockouts.c.key.in_(keys), lockouts.c.until > now)
        for key, at in await db.execute(closed):
            owner = owners[bytes(key)]
            until[owner] = max(at, until.get(owner, at))
    return until


async def _load_owned(db: AsyncConnection, person_ids: Sequence[bytes]) -> Mapping[bytes, _Owned]:
    found = {person_id: _Owned() for person_id in person_ids}
    for chunk in _chunks(person_ids):
        query = select(devices.c.person_id, devices.c.id).where(devices.c.person_id.in_(chunk))
        for person_id, device_id in await db.execute(query):
            found[bytes(person_id)].devices.append(bytes(device_id))
        is_passkey = (credentials.c.person_id.in_(chunk), credentials.c.kind.in_(PASSKEYS))
        for person_id, passkey_id in await db.execute(
            select(credentials.c.person_id, credentials.c.id).where(*is_passkey)
        ):
            found[bytes(person_id)].passkeys.append(bytes(passkey_id))
    return found


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
