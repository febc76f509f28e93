"""Passkeys and the challenges that they answer, as they are kept. A challenge is spent once, whatever comes of it."""

import base64
import hashlib
import secrets
from collections.abc import Collection
from datetime import datetime, timedelta
from typing import Literal, cast

from sqlalchemy import and_, insert, literal, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import MFA_COUNTER
from audit.emit import Emitter
from audit.record import Event, Origin
from base.ids import PERSON, new_id, show_id
from base.secret_values import b64url
from identity.errors import Refused
from identity.factors.passkey_values import Assertion, Descriptor, NewPasskey, StoredPasskey
from identity.factors.passkeys import CHALLENGE_TTL_S
from identity.factors.registry import FACTOR, NewFactor, add_factor, hold_person
from identity.links import spend_link
from identity.services import Services
from identity.tables import credentials, single_use
from policy.assurance import PASSKEYS

ENROLLING: Literal["passkey_enrol"] = "passkey_enrol"
SIGNING_IN: Literal["passkey_signin"] = "passkey_signin"
Ceremony = Literal["passkey_enrol", "passkey_signin"]


async def make_challenge(
    db: AsyncConnection, ceremony: Ceremony, binding: bytes, *, person_id: bytes | None, now: datetime
) -> bytes:
    """32 random bytes for one ceremony of the browser behind `binding`, and of this person where one is known."""
    challenge = secrets.token_bytes(32)
    await db.execute(
        insert(single_use).values(
            digest=_digest_of(challenge),
            kind=ceremony,
            person_id=person_id,
            payload={"binding": binding.hex()},
            created_at=now,
            expires_at=now + timedelta(seconds=CHALLENGE_TTL_S),
        )
    )
    return challenge


async def spend_challenge(
    db: AsyncConnection,
    ceremony: Ceremony,
    challenge: bytes,
    binding: bytes,
    *,
    person_id: bytes | None,
    now: datetime,
) -> bool:
    """Whether the challenge was made for this ceremony of this browser and person, and nobody answered it before.

    Whoever names it spends it, also where it was another's (S17).
    """
    spent = await spend_link(db, ceremony, _digest_of(challenge), now=now)
    return spent is not None and spent.person_id == person_id and spent.payload == {"binding": binding.hex()}


def _digest_of(challenge: bytes) -> bytes:
    return hashlib.sha256(challenge).digest()


def handle_of(emitter: Emitter, person_id: bytes) -> bytes:
    """The user handle (§5.4.3): 32 bytes, the same for every passkey of a person, that tell nothing about them."""
    return emitter.index("passkey handle", person_id.hex())


async def find_passkey(db: AsyncConnection, credential_id: bytes) -> StoredPasskey | None:
    """The passkey with this credential id, or None."""
    query = select(credentials).where(credentials.c.external_id == credential_id, credentials.c.kind.in_(PASSKEYS))
    row = (await db.execute(query)).first()
    if row is None:
        return None
    return StoredPasskey(
        id=bytes(row.id),
        person_id=bytes(row.person_id),
        kind=row.kind,
        credential_id=bytes(row.external_id),
        public_key=_read(row.attributes["public_key"]),
        handle=_read(row.attributes["handle"]),
        backup_eligible=bool(row.backup_eligible),
    )


async def list_descriptors(
    db: AsyncConnection, person_id: bytes, kinds: Collection[str] = PASSKEYS
) -> list[Descriptor]:
    """What a browser must be told to find the person's passkeys of these kinds, the one used last first."""
    query = select(credentials.c.external_id, credentials.c.attributes).where(
        credentials.c.person_id == person_id, credentials.c.kind.in_(kinds)
    )
    rows = await db.execute(query.order_by(credentials.c.last_used_at.desc(), credentials.c.id))
    return [Descriptor(bytes(row.external_id), tuple(row.attributes["transports"])) for row in rows]


async def add_passkey(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    new: NewPasskey,
    *,
    label: str,
    now: datetime,
    origin: Origin,
) -> bool:
    """Stores a passkey that was made just now; whether it is the person's first factor.

    Raises Refused where the credential id is known already (§7.1), or there are too many; IntegrityError where another
    request stores the same one at this moment.
    """
    known = select(credentials.c.id).where(credentials.c.external_id == new.credential_id)
    if (await db.execute(known)).first() is not None:
        raise Refused("credential", "This passkey is registered already.")
    factor = NewFactor(
        id=new_id(now),
        kind=new.kind,
        label=label,
        external_id=new.credential_id,
        attributes={
            "public_key": b64url(new.public_key),
            "handle": b64url(handle_of(services.emitter, person_id)),
            "aaguid": new.aaguid,
            "transports": list(new.transports),
        },
        backup_eligible=new.backup_eligible,
        backup_state=new.backup_state,
        sign_count=new.sign_count,
    )
    return await add_factor(db, services, person_id, factor, now=now, origin=origin)


async def record_use(
    db: AsyncConnection,
    services: Services,
    stored: StoredPasskey,
    assertion: Assertion,
    *,
    now: datetime,
    origin: Origin,
) -> bool:
    """Notes that the passkey proved its person; False where it was removed meanwhile.

    A counter that did not go up is told and stays as it was (docs/decisions/0010); one that is always 0 counts nothing
    (§6.1.1).
    """
    await hold_person(db, stored.person_id)
    it = and_(credentials.c.id == stored.id, credentials.c.kind.in_(PASSKEYS))
    seen = {
        "backup_state": assertion.backup_state,
        "last_used_at": now,
        "version": credentials.c.version + 1,
    }
    went_up = or_(
        credentials.c.sign_count < assertion.sign_count,
        and_(credentials.c.sign_count == 0, literal(assertion.sign_count) == 0),
    )
    counted = update(credentials).where(it, went_up).values(sign_count=assertion.sign_count, **seen)
    if (await db.execute(counted.returning(credentials.c.id))).first() is not None:
        return True
    used = update(credentials).where(it).values(**seen)
    if (await db.execute(used.returning(credentials.c.id))).first() is None:
        return False
    actor = show_id(PERSON, stored.person_id)
    event = Event(
        type=MFA_COUNTER,
        actor=actor,
        subject=actor,
        person=stored.person_id,
        origin=origin,
        data={"credential": show_id(FACTOR, stored.id)},
    )
    await services.emitter.emit(db, event, now=now)
    return True


def _read(text: object) -> bytes:
    shown = cast(str, text)
    return base64.urlsafe_b64decode(shown + "=" * (-len(shown) % 4))
