"""Everything that the scorer must know about a person and around them, in one read."""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

import logging
from dataclasses import dataclass, replace
from datetime import datetime
from typing import cast

import msgspec

from base.clock import to_micros
from base.sealing import SealBroken
from base.statements import Row, Statement
from identity.assessing.seen import open_seen
from identity.assessing.sightings import Seeing
from identity.device_cookies import recognise
from identity.services import Services
from risk.history.activity import activity_of
from risk.history.packing import Unreadable
from risk.history.profile import Profile
from risk.keys import address_digest
from risk.sighting import Elsewhere, Reported, Sighting, Surroundings

log = logging.getLogger("ostiary.risk")

_MOST_SESSIONS = 5
PROFILE_AAD = b"risk profile "

_ACTIVITY = "SELECT {array}(failures, successes, people, people_before, began_at){text} FROM risk_activity WHERE key = "
_LIVE = "ended_at IS NULL AND idle_expires_at > {p}now AND expires_at > {p}now AND seen IS NOT NULL"


def _query(p: str, *, array: str, group: str, text: str, hexed: str) -> str:
    """The select list; `p` goes before a parameter's name, the others name one database's functions."""
    activity = _ACTIVITY.format(array=array, text=text)
    others = (
        f"SELECT id, seen FROM sessions WHERE person_id = {p}person AND {_LIVE.format(p=p)} AND id <> {p}session"
        f" ORDER BY last_seen_at DESC LIMIT {_MOST_SESSIONS}"
    )
    return f"""
    (SELECT id FROM devices WHERE person_id = {p}person AND cookie_digest = {p}cookie AND revoked_at IS NULL),
    (SELECT sealed FROM risk_profiles WHERE person_id = {p}person),
    (SELECT recovered_at FROM risk_profiles WHERE person_id = {p}person),
    ({activity}{p}account), ({activity}{p}address), ({activity}{p}network),
    (SELECT {group}({array}(kind, weight, source, created_at)){text} FROM risk_reports
        WHERE subject IN ({p}about_person, {p}about_session, {p}address) AND expires_at > {p}now),
    (SELECT {group}({array}({hexed.format("id")}, {hexed.format("seen")})){text} FROM ({others}) AS others),
    (SELECT max(created_at) FROM credentials WHERE person_id = {p}person AND kind = 'password'),
    (SELECT max(created_at) FROM credentials WHERE person_id = {p}person AND kind IN ('totp', 'passkey'))
    """


_SQLITE = _query(":", array="json_array", group="json_group_array", text="", hexed="hex({})")
_POSTGRES = _query("input.", array="json_build_array", group="json_agg", text="::text", hexed="encode({}, 'hex')")
_READ = Statement(
    "read risk history",
    (
        ("person", "bytea"),
        ("session", "bytea"),
        ("cookie", "bytea"),
        ("account", "bytea"),
        ("address", "bytea"),
        ("network", "bytea"),
        ("about_person", "bytea"),
        ("about_session", "bytea"),
        ("now", "bigint"),
    ),
    (f"SELECT {_SQLITE}",),
    f"SELECT n, {_POSTGRES} FROM input",
)
_NOBODY = b""
# What a service or an operator reports where somebody else holds the account: nobody gets in until it is recovered.
TAKEN_OVER = "taken_over"


@dataclass(frozen=True, slots=True)
class History:
    """What is remembered of a person, and what is known around this sighting, which knows its device now.

    `profile` is None where there is one that does not open.
    """

    sighting: Sighting
    profile: Profile | None
    surroundings: Surroundings


async def read_history(
    services: Services,
    person_id: bytes,
    seeing: Seeing,
    *,
    cookie: bytes | None,
    session_id: bytes | None = None,
    began: Sighting | None = None,
    now: datetime,
) -> History:
    """The person's history and what is known around this sighting.

    `cookie` is the digest of the browser's device cookie, `session_id` the session that the sighting belongs to and
    `began` how that looked at first. Raises StorageUnavailable.
    """
    key, sighting = services.risk.key, seeing.sighting
    params: Row = (
        person_id,
        session_id or _NOBODY,
        cookie or _NOBODY,
        key.digest("account", person_id),
        address_digest(key, seeing.address) or _NOBODY,
        key.digest("network", sighting.network) if sighting.network else _NOBODY,
        key.digest("person", person_id),
        key.digest("session", session_id) if session_id else _NOBODY,
        to_micros(now),
    )
    row = await services.database.find(_READ, params)
    if row is None:
        raise RuntimeError("a select without a source gives one row")
    if row[0] is None and cookie is not None:
        sighting = await recognise(services, person_id, sighting, cookie, now=now)
        seeing = replace(seeing, sighting=sighting)
    return _history_of(services, person_id, seeing, row, began=began, now=now)


def _history_of(
    services: Services, person_id: bytes, seeing: Seeing, row: Row, *, began: Sighting | None, now: datetime
) -> History:
    device, sealed, recovered, account, address, network, reports, others, password, factor = row
    sighting, known = seeing.sighting, seeing.address is not None
    if isinstance(device, bytes):
        sighting = replace(sighting, device=device.hex())
    lists = services.geography.kinds_of(seeing.address) if seeing.address else None
    recovered_s = _seconds(recovered)
    reported = _reported(cast(str | None, reports), recovered_s)
    surroundings = Surroundings(
        account=activity_of(_numbers(account), now),
        address=activity_of(_numbers(address), now) if known else None,
        network=activity_of(_numbers(network), now) if known else None,
        lists=lists,
        reported=reported,
        elsewhere=_elsewhere(services, cast(str | None, others)),
        password_changed_s=_seconds(password),
        factor_changed_s=_seconds(factor),
        recovered_s=recovered_s,
        began=began,
    )
    profile = open_profile(services, person_id, cast(bytes | None, sealed))
    return History(sighting, profile, surroundings)


def open_profile(services: Services, person_id: bytes, sealed: bytes | None) -> Profile | None:
    """The person's history, an empty one where there is none yet; None where there is one that does not open."""
    if sealed is None:
        return Profile.empty()
    try:
        return Profile.from_bytes(services.sealer.unseal(sealed, aad=PROFILE_AAD + person_id))
    except (SealBroken, Unreadable) as broken:
        log.warning("the sign-in history of a person does not open and begins anew: %s", broken)
        return None


def _numbers(joined: object) -> list[int] | None:
    return None if joined is None else msgspec.json.decode(cast(str, joined), type=list[int])


def _reported(joined: str | None, recovered_s: float | None) -> tuple[Reported, ...]:
    """What was reported; whoever got their account back by mail has answered a report that it was taken over."""
    rows = msgspec.json.decode(joined, type=list[tuple[str, int, str, int]]) if joined else []
    since = -1.0 if recovered_s is None else recovered_s
    told = (
        Reported(kind, weight / 1000, source)
        for kind, weight, source, at in rows
        if kind != TAKEN_OVER or at / 1_000_000 > since
    )
    return tuple(sorted(told, key=_by_kind))


def _by_kind(reported: Reported) -> tuple[str, float, str]:
    return reported.kind, reported.weight, reported.source


def _elsewhere(services: Services, joined: str | None) -> tuple[Elsewhere, ...]:
    rows = msgspec.json.decode(joined, type=list[tuple[str, str]]) if joined else []
    found = (open_seen(services.sealer, bytes.fromhex(each), bytes.fromhex(sealed)) for each, sealed in rows)
    return tuple(Elsewhere(seen.last.place, seen.last.at_s) for seen in found if seen is not None)


def _seconds(micros: object) -> float | None:
    return None if micros is None else cast(int, micros) / 1_000_000
