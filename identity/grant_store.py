"""Grants on the hot path: one read that says everything about a grant, and the gated writes of token requests.


Raw values: instants in microseconds, JSON as text.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from base.clock import from_micros, to_micros
from base.database import Database
from base.sealing import Sealer
from base.statements import Insert, Row, Statement, Unit

# A grant is alive while nobody ended it, its person is active and, unless it is an offline one, its session lives.
_ALIVE = """
    {g}.ended_at IS NULL
    AND EXISTS (SELECT 1 FROM people p WHERE p.id = {g}.person_id AND p.state = 'active')
    AND ({g}.offline OR EXISTS (
        SELECT 1 FROM sessions s WHERE s.id = {g}.session_id AND s.ended_at IS NULL
        AND s.idle_expires_at > {now} AND s.expires_at > {now}))
"""

_FIELDS = """
    g.id, g.person_id, g.client_id, g.session_id, g.offline, g.scope, g.audience, g.claims, g.auth_time,
    g.refresh_key, g.refresh_number, g.refreshed_at, g.refresh_idle_expires_at, g.refresh_expires_at,
    p.sub, p.not_before, its.risk, its.seen
"""
_FROM = "JOIN people p ON p.id = g.person_id LEFT JOIN sessions its ON its.id = g.session_id"


def _select(alive: str) -> str:
    return f"SELECT {{n}} {_FIELDS}, CASE WHEN {alive} THEN 1 ELSE 0 END"


_FIND_GRANT = Statement(
    "find grant",
    (("id", "bytea"), ("now", "bigint")),
    (_select(_ALIVE.format(g="g", now=":now")).format(n="") + f" FROM grants g {_FROM} WHERE g.id = :id",),
    _select(_ALIVE.format(g="g", now="input.now")).format(n="n,")
    + f" FROM input JOIN grants g ON g.id = input.id {_FROM}",
)

_FIND_CODE = Statement(
    "find code",
    (("digest", "bytea"),),
    (
        "SELECT client_id, grant_id, payload, expires_at, used_at FROM single_use"
        " WHERE digest = :digest AND kind = 'code'",
    ),
    "SELECT n, client_id, grant_id, payload, expires_at, used_at FROM input JOIN single_use USING (digest)"
    " WHERE kind = 'code'",
)

_REDEEM_COLUMNS = (
    ("digest", "bytea"),
    ("client_id", "text"),
    ("now", "bigint"),
    ("refresh_key", "bytea"),
    ("refresh_number", "integer"),
    ("idle_expires_at", "bigint"),
    ("refresh_expires_at", "bigint"),
)
_ALIVE_HERE = " AND EXISTS (SELECT 1 FROM grants g WHERE g.id = single_use.grant_id AND " + _ALIVE
_REDEEM_CODE = Statement(
    "redeem code",
    _REDEEM_COLUMNS,
    (
        "UPDATE single_use SET used_at = :now WHERE digest = :digest AND kind = 'code' AND client_id = :client_id"
        " AND used_at IS NULL AND expires_at > :now" + _ALIVE_HERE.format(g="g", now=":now") + ") RETURNING grant_id",
        "UPDATE grants SET refresh_key = :refresh_key, refresh_number = :refresh_number, refreshed_at = :now,"
        " refresh_idle_expires_at = :idle_expires_at, refresh_expires_at = :refresh_expires_at"
        " WHERE id = (SELECT grant_id FROM single_use WHERE digest = :digest)",
    ),
    ", spent AS (UPDATE single_use SET used_at = input.now FROM input"
    " WHERE single_use.digest = input.digest AND kind = 'code' AND single_use.client_id = input.client_id"
    " AND used_at IS NULL AND expires_at > input.now"
    + _ALIVE_HERE.format(g="g", now="input.now")
    + ") RETURNING single_use.grant_id, input.*)"
    " UPDATE grants SET refresh_key = spent.refresh_key, refresh_number = spent.refresh_number,"
    " refreshed_at = spent.now, refresh_idle_expires_at = spent.idle_expires_at,"
    " refresh_expires_at = spent.refresh_expires_at FROM spent WHERE grants.id = spent.grant_id"
    " AND grants.ended_at IS NULL RETURNING n, grants.id",
)

# One rotation whoever asks: only the number that was read may be replaced, and only while the grant lives.
_TURN = (
    "SET refresh_number = {p}next_number, refreshed_at = {p}refreshed_at, refresh_idle_expires_at = {p}idle_expires_at"
)
_TURN_IF = (
    "grants.id = {p}id AND refresh_number = {p}number AND refresh_expires_at > {p}now"
    " AND grants.refresh_idle_expires_at > {p}now AND "
)
_REFRESH = Statement(
    "refresh",
    (
        ("id", "bytea"),
        ("number", "integer"),
        ("next_number", "integer"),
        ("refreshed_at", "bigint"),
        ("idle_expires_at", "bigint"),
        ("now", "bigint"),
    ),
    (
        f"UPDATE grants {_TURN.format(p=':')} WHERE {_TURN_IF.format(p=':')}"
        f"{_ALIVE.format(g='grants', now=':now')} RETURNING refresh_number",
    ),
    # Several may ask with the same token at once: it turns once, and all of them have the same successor.
    ", chosen AS (SELECT DISTINCT ON (id, number, next_number) * FROM input ORDER BY id, number, next_number, n),"
    f" turned AS (UPDATE grants {_TURN.format(p='chosen.')} FROM chosen WHERE {_TURN_IF.format(p='chosen.')}"
    + _ALIVE.format(g="grants", now="chosen.now")
    + " RETURNING chosen.id, chosen.number, chosen.next_number)"
    " SELECT input.n, input.next_number FROM input JOIN turned USING (id, number, next_number)",
)

_FIND_REVOKED = Statement(
    "find revoked token",
    (("jti", "text"),),
    ("SELECT 1 FROM revoked_tokens WHERE jti = :jti",),
    "SELECT n, 1 FROM input JOIN revoked_tokens USING (jti)",
)


@dataclass(frozen=True, slots=True)
class Refresh:
    """The refresh family of a grant: its sealed key, the number of the newest token, and when it ends."""

    sealed_key: bytes
    number: int
    refreshed_at: datetime
    idle_expires_at: datetime
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Grant:
    """A grant as the database has it now. `is_alive` weighs grant, person and session together.

    `risk` is the score of the session that it came from, None where none was made or that is long gone, and `seen` how
    that looked, sealed (`identity.assessing.seen`).
    """

    id: bytes
    person_id: bytes
    client_id: str
    session_id: bytes | None
    offline: bool
    scope: str
    audience: str
    claims: dict[str, list[str]]
    auth_time: datetime
    sub: str
    person_not_before: datetime | None
    is_alive: bool
    refresh: Refresh | None
    risk: int | None = None
    seen: bytes | None = None


@dataclass(frozen=True, slots=True)
class Code:
    """An authorization code's record; `payload` has redirect_uri (None where it was left out), challenge and nonce."""

    client_id: str
    grant_id: bytes
    payload: dict[str, str | None]
    expires_at: datetime
    is_used: bool


_Owner = tuple[bytes, bytes, str, bytes | None, int, str, str, str, int]
_Family = tuple[bytes | None, int, int, int, int]
_GrantRow = tuple[*_Owner, *_Family, str, int | None, int | None, bytes | None, int]


def seal_refresh_key(sealer: Sealer, grant_id: bytes, key: bytes) -> bytes:
    """A refresh family's key as the grant's row keeps it."""
    return sealer.seal(key, aad=b"refresh key " + grant_id)


def open_refresh_key(sealer: Sealer, grant_id: bytes, refresh: Refresh) -> bytes:
    """The key that a family's tokens are derived from."""
    return sealer.unseal(refresh.sealed_key, aad=b"refresh key " + grant_id)


async def find_grant(database: Database, grant_id: bytes, *, now: datetime) -> Grant | None:
    """The grant with its person and session, weighed at `now`, or None."""
    row = await database.find(_FIND_GRANT, (grant_id, to_micros(now)))
    return None if row is None else _grant_of(row)


def _grant_of(row: Row) -> Grant:
    (
        grant_id, person_id, client_id, session_id, offline, scope, audience, claims, auth_time,
        refresh_key, number, refreshed_at, idle_expires_at, expires_at, sub, not_before, risk, seen, alive,
    ) = cast(_GrantRow, row)  # fmt: skip
    refresh = None
    if refresh_key is not None:
        refresh = Refresh(
            refresh_key, number, from_micros(refreshed_at), from_micros(idle_expires_at), from_micros(expires_at)
        )
    return Grant(
        id=grant_id,
        person_id=person_id,
        client_id=client_id,
        session_id=session_id,
        offline=bool(offline),
        scope=scope,
        audience=audience,
        claims=msgspec.json.decode(claims, type=dict[str, list[str]]),
        auth_time=from_micros(auth_time),
        sub=sub,
        person_not_before=None if not_before is None else from_micros(not_before),
        is_alive=bool(alive),
        refresh=refresh,
        risk=risk,
        seen=seen,
    )


async def find_code(database: Database, digest: bytes) -> Code | None:
    """The record of an authorization code, spent or not, or None."""
    row = await database.find(_FIND_CODE, (digest,))
    if row is None:
        return None
    client_id, grant_id, payload, expires_at, used_at = cast(tuple[str, bytes, str, int, int | None], row)
    decoded = msgspec.json.decode(payload, type=dict[str, str | None])
    return Code(client_id, grant_id, decoded, from_micros(expires_at), used_at is not None)


async def redeem_code(
    database: Database,
    digest: bytes,
    client_id: str,
    refresh: Refresh | None,
    *,
    now: datetime,
    rows: tuple[tuple[Insert, Row], ...],
) -> bool:
    """Spends a code and starts its grant's refresh family; False where somebody was faster, or the grant is dead."""
    family: Row = (None, None, None, None)
    if refresh is not None:
        family = (
            refresh.sealed_key, refresh.number, to_micros(refresh.idle_expires_at), to_micros(refresh.expires_at),
        )  # fmt: skip
    params: Row = (digest, client_id, to_micros(now), *family)
    return await database.write(Unit(_REDEEM_CODE, params, rows)) is not None


async def turn_refresh(
    database: Database,
    grant_id: bytes,
    *,
    number: int,
    next_number: int,
    refreshed_at: datetime,
    idle_expires_at: datetime,
    now: datetime,
    rows: tuple[tuple[Insert, Row], ...],
) -> bool:
    """Makes `next_number` the newest token where `number` still is; False where it is not, or the grant is dead."""
    params: Row = (
        grant_id, number, next_number, to_micros(refreshed_at), to_micros(idle_expires_at), to_micros(now),
    )  # fmt: skip
    return await database.write(Unit(_REFRESH, params, rows)) is not None


async def is_revoked(database: Database, jti: str) -> bool:
    """Whether this one access token was revoked."""
    return await database.find(_FIND_REVOKED, (jti,)) is not None
