"""Sign-ins under way: one row each, bound to the browser that began it by the digest of its flow cookie (S17).

Every change is one statement that holds only for the version that was read, so a step that is replayed, or that two
tabs take at once, happens once.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from dataclasses import replace
from datetime import datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from base.clock import from_micros, to_micros
from base.cookies import read_cookie
from base.database import Database
from base.ids import new_id
from base.secret_values import COOKIE, digest, find_digest, new_secret
from base.statements import Row, Statement, Value, insert_into
from base.within import run, run_each, send, store
from identity.services import Services
from identity.standing import COLUMNS_POSTGRES, COLUMNS_SQLITE, WIDTH, standing_of
from identity.tables import attempts
from identity.values import AuthorizeRequest, Proof, SigninAttempt, Standing
from policy.values import Decision
from risk.values import Assessment

_FIELDS = (
    "id, request, person_id, session_id, proofs, assessment, decision, consented, destination, put_off, keep,"
    " created_at, expires_at, version"
)
_FIND_ATTEMPT = Statement(
    "find attempt",
    (("digest", "bytea"), ("now", "bigint")),
    (f"SELECT {_FIELDS} FROM attempts WHERE digest = :digest AND finished_at IS NULL AND expires_at > :now",),
    f"SELECT n, {_FIELDS} FROM input JOIN attempts USING (digest) WHERE finished_at IS NULL AND expires_at > input.now",
)
_LOCK_ATTEMPT = replace(_FIND_ATTEMPT, name="lock attempt", postgres=_FIND_ATTEMPT.postgres + " FOR UPDATE OF attempts")
# With the person whose proofs it holds, as they stand now.
_OF_ATTEMPT = ", ".join(f"a.{field.strip()}" for field in _FIELDS.split(","))
_FIND_WITH_PERSON = Statement(
    "find attempt with person",
    (("digest", "bytea"), ("now", "bigint")),
    (
        f"SELECT {_OF_ATTEMPT}, {COLUMNS_SQLITE} FROM attempts a LEFT JOIN people p ON p.id = a.person_id"
        " WHERE a.digest = :digest AND a.finished_at IS NULL AND a.expires_at > :now",
    ),
    f"SELECT n, {_OF_ATTEMPT}, {COLUMNS_POSTGRES} FROM input JOIN attempts a USING (digest)"
    " LEFT JOIN people p ON p.id = a.person_id WHERE a.finished_at IS NULL AND a.expires_at > input.now",
)
_FIND_PERSON = Statement(
    "find person of attempt",
    (("digest", "bytea"),),
    (f"SELECT {COLUMNS_SQLITE} FROM attempts a JOIN people p ON p.id = a.person_id WHERE a.digest = :digest",),
    f"SELECT n, {COLUMNS_POSTGRES} FROM input JOIN attempts a USING (digest) JOIN people p ON p.id = a.person_id",
)
_STORE_ATTEMPT = insert_into(attempts)

_CHANGED = (
    "person_id = {0}person_id, session_id = {0}session_id, proofs = {0}proofs, assessment = {0}assessment,"
    " decision = {0}decision, consented = {0}consented, put_off = {0}put_off, keep = {0}keep,"
    " finished_at = {0}finished_at"
)
_SAVE_ATTEMPT = Statement(
    "save attempt",
    (
        ("id", "bytea"),
        ("version", "integer"),
        ("digest", "bytea"),
        ("person_id", "bytea"),
        ("session_id", "bytea"),
        ("proofs", "text"),
        ("assessment", "text"),
        ("decision", "text"),
        ("consented", "boolean"),
        ("put_off", "boolean"),
        ("keep", "boolean"),
        ("finished_at", "bigint"),
    ),
    (
        f"UPDATE attempts SET digest = COALESCE(:digest, digest), {_CHANGED.format(':')}, version = version + 1"
        " WHERE id = :id AND version = :version AND finished_at IS NULL RETURNING id",
    ),
    f"UPDATE attempts a SET digest = COALESCE(input.digest, a.digest), {_CHANGED.format('input.')},"
    " version = a.version + 1 FROM input"
    " WHERE a.id = input.id AND a.version = input.version AND a.finished_at IS NULL RETURNING n, a.id",
)


def read_flow(request: Request, services: Services) -> bytes | None:
    """The digest of the browser's flow cookie, or None."""
    return find_digest(COOKIE, read_cookie(request, services.settings, "flow"))


def new_attempt(
    request: AuthorizeRequest | None, *, ttl: timedelta, now: datetime, destination: str | None = None
) -> SigninAttempt:
    """An attempt that is not stored yet."""
    return SigninAttempt(new_id(now), now, now + ttl, request, destination=destination)


async def store_attempt(db: AsyncConnection, attempt: SigninAttempt) -> str:
    """Stores a new attempt and returns the flow cookie that the browser must keep."""
    cookie = new_secret(COOKIE)
    values: dict[str, Value] = {
        "id": attempt.id,
        "digest": digest(cookie),
        "request": None if attempt.request is None else msgspec.json.encode(attempt.request).decode(),
        "proofs": "[]",
        "consented": False,
        "destination": attempt.destination,
        "put_off": False,
        "keep": False,
        "created_at": to_micros(attempt.created_at),
        "expires_at": to_micros(attempt.expires_at),
        "version": attempt.version,
    }
    await store(db, _STORE_ATTEMPT, [_STORE_ATTEMPT.row(values)])
    return cookie


async def find_attempt(database: Database, flow_digest: bytes | None, *, now: datetime) -> SigninAttempt | None:
    """The unfinished attempt behind a flow cookie, or None."""
    if flow_digest is None:
        return None
    row = await database.find(_FIND_ATTEMPT, (flow_digest, to_micros(now)))
    return None if row is None else _attempt_of(row)


async def lock_attempt(db: AsyncConnection, flow_digest: bytes | None, *, now: datetime) -> SigninAttempt | None:
    """The same in a write transaction: a second step of the attempt waits, and then finds it moved on.

    On SQLite write transactions take turns anyway.
    """
    if flow_digest is None:
        return None
    row = await run(db, _LOCK_ATTEMPT, (flow_digest, to_micros(now)))
    return None if row is None else _attempt_of(row)


async def find_with_person(
    database: Database, flow_digest: bytes | None, *, mail_code: bool, now: datetime
) -> tuple[SigninAttempt, Standing | None] | None:
    """The unfinished attempt and how the person whose proofs it holds stands, where there is one.

    `mail_code`: whether a mailed code is a factor here.
    """
    if flow_digest is None:
        return None
    row = await database.find(_FIND_WITH_PERSON, (flow_digest, to_micros(now)))
    if row is None:
        return None
    person = row[-WIDTH:]
    standing = None if person[0] is None else standing_of(person, mail_code=mail_code)
    return _attempt_of(row[:-WIDTH]), standing


async def lock_with_person(
    db: AsyncConnection, flow_digest: bytes | None, *, mail_code: bool, now: datetime
) -> tuple[SigninAttempt, Standing | None] | None:
    """The same in a write transaction, as in `lock_attempt`."""
    if flow_digest is None:
        return None
    # Two statements: the second sees what was committed while the first waited for the lock.
    locking = _LOCK_ATTEMPT, (flow_digest, to_micros(now))
    rows, people = await run_each(db, locking, (_FIND_PERSON, (flow_digest,)))
    if not rows:
        return None
    return _attempt_of(rows[0]), standing_of(people[0], mail_code=mail_code) if people else None


def _attempt_of(row: Row) -> SigninAttempt:
    """The attempt in a row of raw values, in the order of `_FIELDS`."""
    (
        attempt_id,
        request,
        person_id,
        session_id,
        proofs,
        assessed,
        decision,
        consented,
        destination,
        put_off,
        keep,
        *times,
    ) = row
    created_at, expires_at, version = cast(tuple[int, int, int], tuple(times))
    return SigninAttempt(
        id=cast(bytes, attempt_id),
        created_at=from_micros(created_at),
        expires_at=from_micros(expires_at),
        request=None if request is None else msgspec.json.decode(cast(str, request), type=AuthorizeRequest),
        person_id=cast(bytes | None, person_id),
        session_id=cast(bytes | None, session_id),
        proofs=msgspec.json.decode(cast(str, proofs), type=tuple[Proof, ...]),
        assessment=None if assessed is None else msgspec.json.decode(cast(str, assessed), type=Assessment),
        decision=None if decision is None else msgspec.json.decode(cast(str, decision), type=Decision),
        consented=bool(consented),
        destination=cast(str | None, destination),
        put_off=bool(put_off),
        keep=bool(keep),
        version=version,
    )


async def save_attempt(db: AsyncConnection, attempt: SigninAttempt, *, flow_cookie: str | None = None) -> bool:
    """Stores what changed in `attempt`, whose `version` is the one that was read; False where somebody was faster.

    With `flow_cookie` the attempt goes on under a new cookie, and the old one leads nowhere.
    """
    decision = None if attempt.decision is None else msgspec.json.encode(attempt.decision).decode()
    params: Row = (
        attempt.id,
        attempt.version,
        None if flow_cookie is None else digest(flow_cookie),
        attempt.person_id,
        attempt.session_id,
        msgspec.json.encode(attempt.proofs).decode(),
        None if attempt.assessment is None else msgspec.json.encode(attempt.assessment).decode(),
        decision,
        attempt.consented,
        attempt.put_off,
        attempt.keep,
        None if attempt.finished_at is None else to_micros(attempt.finished_at),
    )
    return await run(db, _SAVE_ATTEMPT, params) is not None


_DROP_PENDING = Statement(
    "drop pending",
    (("person", "bytea"),),
    (
        "UPDATE attempts SET person_id = NULL, proofs = '[]', assessment = NULL, version = version + 1"
        " WHERE person_id = :person AND session_id IS NULL AND finished_at IS NULL RETURNING id",
    ),
    "UPDATE attempts a SET person_id = NULL, proofs = '[]', assessment = NULL, version = a.version + 1 FROM input"
    " WHERE a.person_id = input.person AND a.session_id IS NULL AND a.finished_at IS NULL RETURNING n, a.id",
)


async def drop_pending(db: AsyncConnection, person_id: bytes) -> None:
    """What a person proved in sign-ins that have not led to a session counts no more: the account was locked (S23)."""
    await send(db, _DROP_PENDING, (person_id,))
