"""Secrets of authenticator apps: sealed at rest, pending until a code proves the app, each step accepted once (S25)."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

from sqlalchemy import bindparam, delete, or_, select, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import Origin
from base.ids import new_id
from base.tables import Instant
from identity.factors.registry import NewFactor, add_factor
from identity.factors.totp import SECRET_BYTES, TotpParameters, matching_steps, parse_code
from identity.services import Services
from identity.tables import credentials, people, single_use

PENDING = "totp_enrol"
PENDING_TTL = timedelta(minutes=15)

# Put together once: every sign-in with an app runs them. Whoever removes an app takes the person's row before the
# app's, too; the other way round the two could block each other.
_FIND_APPS = (
    select(credentials.c.id, credentials.c.sealed, credentials.c.attributes)
    .join(people, people.c.id == credentials.c.person_id)
    .where(people.c.id == bindparam("person"), credentials.c.kind == "totp")
    .order_by(credentials.c.created_at, credentials.c.id)
    .with_for_update(read=True, of=people)
)
_TAKE_STEP = (
    update(credentials)
    .where(
        credentials.c.id == bindparam("app"),
        or_(credentials.c.sign_count.is_(None), credentials.c.sign_count < bindparam("step")),
    )
    .values(
        sign_count=bindparam("step"), last_used_at=bindparam("now", type_=Instant), version=credentials.c.version + 1
    )
    .returning(credentials.c.id)
)


@dataclass(frozen=True, slots=True)
class PendingTotp:
    """A secret that an app was told and has not shown a code of yet."""

    digest: bytes
    secret: bytes
    parameters: TotpParameters


async def find_pending(
    db: AsyncConnection, services: Services, person_id: bytes, binding: bytes, *, now: datetime
) -> PendingTotp | None:
    """The secret that this browser is enrolling, or None."""
    digest = _pending_digest(services, binding)
    query = select(single_use.c.payload).where(
        single_use.c.digest == digest,
        single_use.c.kind == PENDING,
        single_use.c.person_id == person_id,
        single_use.c.expires_at > now,
    )
    payload = (await db.execute(query)).scalar_one_or_none()
    if payload is None:
        return None
    sealed = base64.b64decode(cast(str, payload["sealed"]))
    secret = services.sealer.unseal(sealed, aad=_pending_aad(digest, person_id))
    return PendingTotp(digest, secret, TotpParameters.of_attributes(payload))


async def load_pending(
    db: AsyncConnection, services: Services, person_id: bytes, binding: bytes, *, now: datetime
) -> PendingTotp:
    """The secret that this browser is enrolling: a reload shows the same one; a new one where there is none."""
    digest, settings = _pending_digest(services, binding), services.settings
    await db.execute(
        delete(single_use).where(
            single_use.c.digest == digest,
            or_(single_use.c.expires_at <= now, single_use.c.person_id != person_id),
        )
    )
    parameters = TotpParameters(settings.totp_algorithm, settings.totp_digits)
    secret = secrets.token_bytes(SECRET_BYTES[parameters.algorithm])
    sealed = services.sealer.seal(secret, aad=_pending_aad(digest, person_id))
    row = {
        "digest": digest,
        "kind": PENDING,
        "person_id": person_id,
        "payload": {"sealed": base64.b64encode(sealed).decode(), **parameters.as_attributes()},
        "created_at": now,
        "expires_at": now + PENDING_TTL,
    }
    insert = sqlite_insert if services.database.is_sqlite else postgres_insert
    await db.execute(insert(single_use).values(row).on_conflict_do_nothing())
    pending = await find_pending(db, services, person_id, binding, now=now)
    if pending is None:
        raise RuntimeError("a row that was stored just now must be there")
    return pending


async def confirm_pending(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    pending: PendingTotp,
    typed: str,
    *,
    label: str,
    now: datetime,
    origin: Origin,
) -> bool | None:
    """Adds the app whose code was typed: whether it is the person's first factor; None where the code is wrong.

    The step counts as used. Raises Refused where there are too many already.
    """
    steps = matching_steps(parse_code(typed), pending.secret, pending.parameters, now=now)
    if not steps:
        return None
    taken = delete(single_use).where(single_use.c.digest == pending.digest, single_use.c.kind == PENDING)
    if (await db.execute(taken.returning(single_use.c.digest))).first() is None:
        return None
    factor_id = new_id(now)
    new = NewFactor(
        id=factor_id,
        kind="totp",
        label=label,
        sealed=services.sealer.seal(pending.secret, aad=_aad(factor_id)),
        attributes=pending.parameters.as_attributes(),
        sign_count=steps[-1],
    )
    return await add_factor(db, services, person_id, new, now=now, origin=origin)


async def accept_code(
    db: AsyncConnection, services: Services, person_id: bytes, typed: str, *, now: datetime
) -> str | None:
    """Why a code is not accepted; None where it is, and then its step and all older ones are used up."""
    code = parse_code(typed)
    if not code:
        return "not_a_code"
    reason = "wrong_code"
    for row in (await db.execute(_FIND_APPS, {"person": person_id})).all():
        secret = services.sealer.unseal(row.sealed, aad=_aad(row.id))
        for step in matching_steps(code, secret, TotpParameters.of_attributes(row.attributes), now=now):
            if await _take_step(db, row.id, step, now=now):
                return None
            reason = "used_code"
    return reason


async def _take_step(db: AsyncConnection, credential_id: bytes, step: int, *, now: datetime) -> bool:
    """Whether nobody used this step or a newer one before."""
    taken = await db.execute(_TAKE_STEP, {"app": credential_id, "step": step, "now": now})
    return taken.first() is not None


def _pending_digest(services: Services, binding: bytes) -> bytes:
    return services.emitter.index("totp enrol", binding.hex())


def _pending_aad(digest: bytes, person_id: bytes) -> bytes:
    return b"totp enrol " + digest + person_id


def _aad(credential_id: bytes) -> bytes:
    return b"totp " + credential_id
