"""Secrets of authenticator apps: sealed at rest, pending until a code proves the app, each step accepted once (S25)."""

import base64
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy import delete, or_, select
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.record import Origin
from base.clock import to_micros
from base.ids import new_id
from base.statements import Statement
from base.within import run, run_all
from identity import lockout
from identity.factors.registry import NewFactor, add_factor
from identity.factors.totp import SECRET_BYTES, TotpParameters, matching_steps, parse_code
from identity.services import Services
from identity.tables import single_use

PENDING = "totp_enrol"
PENDING_TTL = timedelta(minutes=15)

# Whoever removes an app takes the person's row before the app's, too; the other way round the two could block each
# other.
_FIND_APPS = Statement(
    "find apps",
    (("person", "bytea"),),
    (
        "SELECT id, sealed, attributes FROM credentials WHERE person_id = :person AND kind = 'totp'"
        " ORDER BY created_at, id",
    ),
    "SELECT n, c.id, c.sealed, c.attributes FROM input JOIN people p ON p.id = input.person"
    " JOIN credentials c ON c.person_id = p.id WHERE c.kind = 'totp' ORDER BY c.created_at, c.id FOR SHARE OF p",
)
# Nobody used this step or a newer one before.
_TAKE_STEP = Statement(
    "take step",
    (("id", "bytea"), ("step", "bigint"), ("now", "bigint")),
    (
        "UPDATE credentials SET sign_count = :step, last_used_at = :now, version = version + 1"
        " WHERE id = :id AND (sign_count IS NULL OR sign_count < :step) RETURNING id",
    ),
    "UPDATE credentials c SET sign_count = input.step, last_used_at = input.now, version = c.version + 1 FROM input"
    " WHERE c.id = input.id AND (c.sign_count IS NULL OR c.sign_count < input.step) RETURNING n, c.id",
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
    # Guesses at codes of before are worth nothing for the new one.
    await lockout.release(db, lockout.all_codes_key(services.emitter, "totp", person_id))
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
    for row in await run_all(db, _FIND_APPS, (person_id,)):
        app_id, sealed, attributes = cast(tuple[bytes, bytes, str], row)
        secret = services.sealer.unseal(sealed, aad=_aad(app_id))
        parameters = TotpParameters.of_attributes(msgspec.json.decode(attributes, type=dict[str, object]))
        for step in matching_steps(code, secret, parameters, now=now):
            if await run(db, _TAKE_STEP, (app_id, step, to_micros(now))) is not None:
                return None
            reason = "used_code"
    return reason


def _pending_digest(services: Services, binding: bytes) -> bytes:
    return services.emitter.index("totp enrol", binding.hex())


def _pending_aad(digest: bytes, person_id: bytes) -> bytes:
    return b"totp enrol " + digest + person_id


def _aad(credential_id: bytes) -> bytes:
    return b"totp " + credential_id
