"""Every counter that can close a door before one person: looked at together, and opened together."""

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOCKOUT_ENDED
from audit.emit import Emitter
from audit.record import Event
from base.ids import PERSON, show_id
from identity import lockout
from identity.services import Services
from identity.tables import devices, lockouts

# The methods whose failures are counted apart from the password's (S23).
CODE_METHODS = ("totp", "backup_code", "mail_code", "passkey")
_CHUNK = 500


def counters_of(emitter: Emitter, person_id: bytes, device_ids: Iterable[bytes]) -> list[bytes]:
    """The keys of a person's counters: passwords, codes and recovery, at large and at each known device."""
    keys = [lockout.person_key(emitter, person_id), lockout.recovery_key(emitter, person_id.hex())]
    keys += [lockout.code_key(emitter, method, person_id, None) for method in CODE_METHODS]
    for device_id in device_ids:
        keys.append(lockout.device_key(emitter, device_id))
        keys += [lockout.code_key(emitter, method, person_id, device_id) for method in CODE_METHODS]
    return keys


async def unlock_person(
    db: AsyncConnection, services: Services, person_id: bytes, *, now: datetime, actor: str
) -> None:
    """Opens every door that failures closed before this person."""
    known = await _load_devices(db, [person_id])
    for key in counters_of(services.emitter, person_id, known[person_id]):
        await lockout.release(db, key)
    event = Event(type=LOCKOUT_ENDED, actor=actor, subject=show_id(PERSON, person_id), person=person_id)
    await services.emitter.emit(db, event, now=now)


async def find_locked(
    db: AsyncConnection, services: Services, person_ids: Sequence[bytes], *, now: datetime
) -> dict[bytes, datetime]:
    """Until when a door is closed before each of these people; those before whom all stand open are left out."""
    known = await _load_devices(db, person_ids)
    owners = {
        key: person_id for person_id in person_ids for key in counters_of(services.emitter, person_id, known[person_id])
    }
    until: dict[bytes, datetime] = {}
    for keys in _chunks(list(owners)):
        closed = select(lockouts.c.key, lockouts.c.until).where(lockouts.c.key.in_(keys), lockouts.c.until > now)
        for key, at in await db.execute(closed):
            owner = owners[bytes(key)]
            until[owner] = max(at, until.get(owner, at))
    return until


async def _load_devices(db: AsyncConnection, person_ids: Sequence[bytes]) -> Mapping[bytes, list[bytes]]:
    found: dict[bytes, list[bytes]] = {person_id: [] for person_id in person_ids}
    for chunk in _chunks(person_ids):
        query = select(devices.c.person_id, devices.c.id).where(devices.c.person_id.in_(chunk))
        for person_id, device_id in await db.execute(query):
            found[bytes(person_id)].append(bytes(device_id))
    return found


def _chunks(items: Sequence[bytes]) -> Iterable[Sequence[bytes]]:
    return (items[start : start + _CHUNK] for start in range(0, len(items), _CHUNK))
