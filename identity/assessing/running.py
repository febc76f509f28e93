"""A session that is under way, as one read finds it, and the conditional write of what is found out about it."""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from dataclasses import dataclass
from datetime import datetime
from typing import cast

import msgspec

from base.clock import to_micros
from base.statements import Row, Statement
from identity.assessing.seen import Seen, open_seen, seal_seen
from identity.services import Services
from risk.values import Assessment

_LIVE = "s.ended_at IS NULL AND s.idle_expires_at > {now} AND s.expires_at > {now}"


def _columns(join: str, now: str) -> str:
    return f"""
    s.person_id, s.risk, s.seen, s.device_id, s.ended_at, CASE WHEN {_LIVE.format(now=now)} THEN 1 ELSE 0 END,
    (SELECT 1 FROM devices d WHERE d.id = s.device_id AND d.revoked_at IS NULL),
    (SELECT {join.format("method")} FROM session_proofs WHERE session_id = s.id),
    (SELECT {join.format("client_id")} FROM grants WHERE session_id = s.id AND grants.ended_at IS NULL)
    """


_SQLITE = _columns("group_concat(DISTINCT {})", ":now")
_POSTGRES = _columns("string_agg(DISTINCT {}, ',')", "input.now")
_FIND = Statement(
    "find running session",
    (("id", "bytea"), ("now", "bigint")),
    (f"SELECT {_SQLITE} FROM sessions s WHERE s.id = :id",),
    f"SELECT n, {_POSTGRES} FROM input JOIN sessions s USING (id)",
)
# Only over what was read: of two that assess one session at the same time, one tells of what it crossed.
KEEP_ASSESSMENT = Statement(
    "keep session assessment",
    (
        ("id", "bytea"),
        ("risk_before", "integer"),
        ("seen_before", "bytea"),
        ("ended_before", "bigint"),
        ("risk", "integer"),
        ("assessment", "text"),
        ("seen", "bytea"),
    ),
    (
        "UPDATE sessions SET risk = :risk, assessment = :assessment, seen = :seen WHERE id = :id"
        " AND risk IS :risk_before AND seen IS :seen_before AND ended_at IS :ended_before RETURNING id",
    ),
    "UPDATE sessions s SET risk = input.risk, assessment = input.assessment, seen = input.seen FROM input"
    " WHERE s.id = input.id AND s.risk IS NOT DISTINCT FROM input.risk_before"
    " AND s.seen IS NOT DISTINCT FROM input.seen_before AND s.ended_at IS NOT DISTINCT FROM input.ended_before"
    " RETURNING input.n, s.id",
)


@dataclass(frozen=True, slots=True)
class Running:
    """One session. `clients` have living grants of it; `device_lives`: its device was not removed.

    `seen` is None where it was never assessed, or where that does not open. The last two are the row's own values.
    """

    id: bytes
    person_id: bytes
    risk: int | None
    seen: Seen | None
    device_id: bytes | None
    device_lives: bool
    is_live: bool
    methods: frozenset[str]
    clients: tuple[str, ...]
    sealed: bytes | None
    ended_at: int | None


async def find_running(services: Services, session_id: bytes, *, now: datetime) -> Running | None:
    """The session, alive or ended, or None. Raises StorageUnavailable."""
    row = await services.database.find(_FIND, (session_id, to_micros(now)))
    if row is None:
        return None
    person_id, risk, sealed, device_id, ended_at, is_live, device_lives, methods, clients = cast(
        tuple[bytes, int | None, bytes | None, bytes | None, int | None, int, int | None, str | None, str | None], row
    )
    return Running(
        id=session_id,
        person_id=person_id,
        risk=risk,
        seen=open_seen(services.sealer, session_id, sealed),
        device_id=device_id,
        device_lives=device_lives is not None,
        is_live=bool(is_live),
        methods=frozenset(methods.split(",") if methods else ()),
        clients=tuple(clients.split(",")) if clients else (),
        sealed=sealed,
        ended_at=ended_at,
    )


def kept_row(services: Services, running: Running, assessment: Assessment, seen: Seen | None) -> Row:
    """The parameters of `KEEP_ASSESSMENT`; without `seen` that stays as it is."""
    return (
        running.id,
        running.risk,
        running.sealed,
        running.ended_at,
        assessment.score,
        msgspec.json.encode(assessment).decode(),
        seal_seen(services.sealer, running.id, seen) if seen is not None else running.sealed,
    )
