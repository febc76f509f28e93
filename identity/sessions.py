"""Sessions: a cookie of 256 random bits, of which only a digest is stored, and limits that the database enforces.

The public id of a session is for lists and tokens; it opens nothing (S31).
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import cast

import msgspec
from sqlalchemy import delete, update
from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.catalogue import SESSION_STARTED
from audit.record import Event, Origin
from base.clock import from_micros, to_micros
from base.cookies import read_cookie
from base.ids import PERSON, new_id, show_id
from base.secret_values import COOKIE, digest, find_digest, new_secret
from base.statements import Row, Statement, Value, insert_into
from base.within import send, store
from identity.assessing.seen import Assessed, seal_seen, seen_first
from identity.services import Services
from identity.standing import COLUMNS_POSTGRES, COLUMNS_SQLITE, standing_of
from identity.tables import session_proofs, sessions
from identity.values import LiveSession, Proof, Standing

TOUCH_EVERY = timedelta(minutes=1)

_OWN = "s.id, s.auth_time, s.device_id, s.keep, s.risk"
_JOINED = "sessions s {using} JOIN people p ON p.id = s.person_id AND p.state = 'active'"
_FIND_LIVE = Statement(
    "find live session",
    (("digest", "bytea"), ("now", "bigint")),
    (
        f"""
        SELECT {_OWN}, (SELECT group_concat(method || ' ' || at, ',') FROM session_proofs WHERE session_id = s.id),
            {COLUMNS_SQLITE}
        FROM {_JOINED.format(using="")}
        WHERE s.digest = :digest AND s.ended_at IS NULL AND s.idle_expires_at > :now AND s.expires_at > :now
        """,
    ),
    f"""
    SELECT n, {_OWN}, (SELECT string_agg(method || ' ' || at, ',') FROM session_proofs WHERE session_id = s.id),
        {COLUMNS_POSTGRES}
    FROM input JOIN {_JOINED.format(using="USING (digest)")}
    WHERE s.ended_at IS NULL AND s.idle_expires_at > input.now AND s.expires_at > input.now
    """,
)


_TOUCH = Statement(
    "touch session",
    (("id", "bytea"), ("now", "bigint"), ("before", "bigint"), ("idle", "bigint"), ("kept", "bigint")),
    (
        "UPDATE sessions SET last_seen_at = :now, idle_expires_at = CASE WHEN keep THEN :kept ELSE :idle END"
        " WHERE id = :id AND ended_at IS NULL AND last_seen_at <= :before",
    ),
    "UPDATE sessions s SET last_seen_at = input.now,"
    " idle_expires_at = CASE WHEN keep THEN input.kept ELSE input.idle END FROM input"
    " WHERE s.id = input.id AND s.ended_at IS NULL AND s.last_seen_at <= input.before RETURNING n",
)
_STORE_SESSION, _STORE_PROOF = insert_into(sessions), insert_into(session_proofs)


@dataclass(frozen=True, slots=True)
class OpenedSession:
    """A session with the cookie that opens it, which is told only now."""

    session: LiveSession
    cookie: str


async def find_live(services: Services, request: Request) -> LiveSession | None:
    """The live session of this browser, or None: not ended, within both limits, its person active (S18, S32).

    Reads only; `touch_session` keeps a session from idling out.
    """
    cookie_digest = find_digest(COOKIE, read_cookie(request, services.settings, "session"))
    if cookie_digest is None:
        return None
    row = await services.database.find(_FIND_LIVE, (cookie_digest, to_micros(services.clock())))
    if row is None:
        return None
    session_id, auth_time, device_id, keep, risk, proofs = cast(
        tuple[bytes, int, bytes | None, bool, int | None, str | None], row[:6]
    )
    standing = standing_of(row[6:], mail_code=services.settings.has_mail)
    return LiveSession(
        session_id,
        standing.id,
        standing.sub,
        from_micros(auth_time),
        _parse_proofs(proofs),
        device_id,
        standing,
        bool(keep),
        cookie_digest,
        risk,
    )


def _parse_proofs(joined: str | None) -> tuple[Proof, ...]:
    pairs = (part.split(" ") for part in (joined or "").split(",") if part)
    return tuple(sorted((Proof(method, from_micros(int(at))) for method, at in pairs), key=lambda proof: proof.at))


async def touch_session(db: AsyncConnection, services: Services, session_id: bytes, *, now: datetime) -> None:
    """Puts off the idle limit, at most once a minute; never past the absolute one. Needs a write transaction."""
    settings = services.settings
    kept = settings.session_keep or settings.session_idle
    idle, longer = now + settings.session_idle, now + kept
    params: Row = (session_id, to_micros(now), to_micros(now - TOUCH_EVERY), to_micros(idle), to_micros(longer))
    await send(db, _TOUCH, params)


async def start_session(
    db: AsyncConnection,
    services: Services,
    standing: Standing,
    *,
    device_id: bytes,
    proofs: Sequence[Proof],
    assessed: Assessed | None = None,
    told: list[Event],
    keep: bool = False,
    now: datetime,
    origin: Origin = Origin(),
) -> OpenedSession:
    """A new session of a person who has just proven who they are.

    Its event goes to `told`, which the caller stores with the others of the sign-in.
    """
    session_id, cookie, person_id = new_id(now), new_secret(COOKIE), standing.id
    limits = {name: to_micros(at) for name, at in _limits(services, now, keep=keep).items()}
    values: dict[str, Value] = {
        "id": session_id,
        "digest": digest(cookie),
        "person_id": person_id,
        "device_id": device_id,
        "keep": keep,
        "created_at": to_micros(now),
        **limits,
    }
    if assessed is not None:
        told_of_it = msgspec.json.encode(assessed.assessment).decode()
        values |= {"risk": assessed.assessment.score, "assessment": told_of_it}
        values["seen"] = seal_seen(services.sealer, session_id, seen_first(assessed))
    await store(db, _STORE_SESSION, [_STORE_SESSION.row(values)])
    await _store_proofs(db, session_id, proofs, now)
    told.append(_started_event(person_id, session_id, device_id, origin))
    proven, held = tuple(proofs), digest(cookie)
    risk = assessed.assessment.score if assessed else None
    session = LiveSession(session_id, person_id, standing.sub, now, proven, device_id, standing, keep, held, risk)
    return OpenedSession(session, cookie)


def _started_event(person_id: bytes, session_id: bytes, device_id: bytes, origin: Origin) -> Event:
    actor = show_id(PERSON, person_id)
    return Event(
        type=SESSION_STARTED,
        actor=actor,
        subject=actor,
        person=person_id,
        session_id=session_id,
        device_id=device_id,
        origin=origin,
    )


async def renew_session(
    db: AsyncConnection,
    services: Services,
    session: LiveSession,
    *,
    device_id: bytes,
    proofs: Sequence[Proof],
    assessed: Assessed | None = None,
    anew: bool,
    now: datetime,
) -> OpenedSession | None:
    """The same session under a new cookie, after its person proved something; None where it ended meanwhile.

    The old cookie opens nothing any more (S17). The session itself goes on, or one application's wish to see the
    person sign in again would end the refresh tokens of all others. `anew`: the person signed in again as a whole, so
    the proofs of before count no more and all limits begin anew; otherwise the proofs are added, and neither
    `auth_time` nor a limit moves (S28, S32).
    """
    cookie = new_secret(COOKIE)
    limits = _limits(services, now, keep=session.keep) if anew else {"last_seen_at": now}
    renewed = (
        update(sessions)
        .where(sessions.c.id == session.id, sessions.c.ended_at.is_(None))
        .values(digest=digest(cookie), device_id=device_id, keep=session.keep, **limits)
        .values(_risk_columns(services, session.id, assessed) if assessed else {})
        .returning(sessions.c.id)
    )
    if (await db.execute(renewed)).first() is None:
        return None
    if anew:
        await db.execute(delete(session_proofs).where(session_proofs.c.session_id == session.id))
    await _store_proofs(db, session.id, proofs, now)
    kept = tuple(proofs) if anew else (*session.proofs, *proofs)
    auth_time = now if anew else session.auth_time
    risk = assessed.assessment.score if assessed else session.risk
    renewed_session = replace(
        session, auth_time=auth_time, proofs=kept, device_id=device_id, cookie_digest=digest(cookie), risk=risk
    )
    return OpenedSession(renewed_session, cookie)


def _risk_columns(services: Services, session_id: bytes, assessed: Assessed) -> dict[str, object]:
    """What a session's row says of how sure we are of it."""
    return {
        "risk": assessed.assessment.score,
        "assessment": msgspec.to_builtins(assessed.assessment),
        "seen": seal_seen(services.sealer, session_id, seen_first(assessed)),
    }


def _limits(services: Services, now: datetime, *, keep: bool) -> dict[str, datetime]:
    settings = services.settings
    keeps = keep and bool(settings.session_keep)
    return {
        "auth_time": now,
        "last_seen_at": now,
        "idle_expires_at": now + (settings.session_keep if keeps else settings.session_idle),
        "expires_at": now + (settings.session_keep if keeps else settings.session_absolute),
    }


async def _store_proofs(db: AsyncConnection, session_id: bytes, proofs: Sequence[Proof], now: datetime) -> None:
    rows = [(new_id(now), session_id, proof.method, to_micros(proof.at)) for proof in proofs]
    await store(db, _STORE_PROOF, rows)
