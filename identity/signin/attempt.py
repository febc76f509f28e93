"""Sign-ins under way: one row each, bound to the browser that began it by the digest of its flow cookie (S17).

Every change is one statement that holds only for the version that was read, so a step that is replayed, or that two
tabs take at once, happens once.
"""

from datetime import datetime, timedelta

import msgspec
from sqlalchemy import insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from base.cookies import read_cookie
from base.ids import new_id
from base.secret_values import COOKIE, digest, find_digest, new_secret
from identity.services import Services
from identity.tables import attempts
from identity.values import AuthorizeRequest, Proof, SigninAttempt
from policy.values import Decision
from risk.values import Assessment


def read_flow(request: Request, services: Services) -> bytes | None:
    """The digest of the browser's flow cookie, or None."""
    return find_digest(COOKIE, read_cookie(request, services.settings, "flow"))


def new_attempt(request: AuthorizeRequest | None, *, ttl: timedelta, now: datetime) -> SigninAttempt:
    """An attempt that is not stored yet."""
    return SigninAttempt(new_id(now), now, now + ttl, request)


async def store_attempt(db: AsyncConnection, attempt: SigninAttempt) -> str:
    """Stores a new attempt and returns the flow cookie that the browser must keep."""
    cookie = new_secret(COOKIE)
    request = None if attempt.request is None else msgspec.to_builtins(attempt.request)
    await db.execute(
        insert(attempts).values(
            id=attempt.id,
            digest=digest(cookie),
            request=request,
            proofs=[],
            consented=False,
            created_at=attempt.created_at,
            expires_at=attempt.expires_at,
            version=attempt.version,
        )
    )
    return cookie


async def find_attempt(
    db: AsyncConnection, flow_digest: bytes | None, *, now: datetime, lock: bool = False
) -> SigninAttempt | None:
    """The unfinished attempt behind a flow cookie, or None.

    With `lock` a second step of the same attempt waits for this transaction, and then finds the attempt moved on. On
    SQLite write transactions take turns anyway.
    """
    if flow_digest is None:
        return None
    query = select(attempts).where(
        attempts.c.digest == flow_digest, attempts.c.finished_at.is_(None), attempts.c.expires_at > now
    )
    row = (await db.execute(query.with_for_update() if lock else query)).first()
    if row is None:
        return None
    return SigninAttempt(
        id=row.id,
        created_at=row.created_at,
        expires_at=row.expires_at,
        request=None if row.request is None else msgspec.convert(row.request, AuthorizeRequest),
        person_id=row.person_id,
        session_id=row.session_id,
        proofs=msgspec.convert(row.proofs, tuple[Proof, ...]),
        assessment=None if row.assessment is None else msgspec.convert(row.assessment, Assessment),
        decision=None if row.decision is None else msgspec.convert(row.decision, Decision),
        consented=row.consented,
        version=row.version,
    )


async def save_attempt(db: AsyncConnection, attempt: SigninAttempt, *, flow_cookie: str | None = None) -> bool:
    """Stores what changed in `attempt`, whose `version` is the one that was read; False where somebody was faster.

    With `flow_cookie` the attempt goes on under a new cookie, and the old one leads nowhere.
    """
    values: dict[str, object] = {
        "person_id": attempt.person_id,
        "session_id": attempt.session_id,
        "proofs": msgspec.to_builtins(attempt.proofs),
        "decision": None if attempt.decision is None else msgspec.to_builtins(attempt.decision),
        "consented": attempt.consented,
        "finished_at": attempt.finished_at,
        "version": attempt.version + 1,
    }
    if flow_cookie is not None:
        values["digest"] = digest(flow_cookie)
    saved = (
        update(attempts)
        .where(attempts.c.id == attempt.id, attempts.c.version == attempt.version, attempts.c.finished_at.is_(None))
        .values(**values)
        .returning(attempts.c.id)
    )
    return (await db.execute(saved)).first() is not None
