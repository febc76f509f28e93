"""Assessing a sign-in, and what is learned from one that led to a session."""

from dataclasses import replace
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection
from starlette.requests import Request

from audit.record import Origin
from base.clock import to_micros
from base.statements import Statement
from base.within import run, send
from identity.assessing.reading import PROFILE_AAD, open_profile, read_history
from identity.assessing.seen import Assessed
from identity.assessing.sightings import Seeing, look, see
from identity.devices import read_device
from identity.services import Services
from identity.values import SigninAttempt
from policy.assurance import AAL2, met_by
from risk.history.activity import count_failure, count_successes
from risk.history.profile import Profile
from risk.keys import address_digest
from risk.signals.credentials import PASSWORD_BREACHED
from risk.values import MEDIUM_FROM

_FIND_PROFILE = Statement(
    "find risk profile",
    (("person", "bytea"),),
    ("SELECT sealed FROM risk_profiles WHERE person_id = :person",),
    "SELECT n, sealed FROM input JOIN risk_profiles ON person_id = person",
)
_KEEP_PROFILE = Statement(
    "keep risk profile",
    (("person", "bytea"), ("sealed", "bytea"), ("now", "bigint")),
    (
        "INSERT INTO risk_profiles (person_id, sealed, updated_at, version) VALUES (:person, :sealed, :now, 1)"
        " ON CONFLICT (person_id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at,"
        " version = risk_profiles.version + 1 RETURNING version",
    ),
    ", kept AS (INSERT INTO risk_profiles (person_id, sealed, updated_at, version)"
    " SELECT DISTINCT ON (person) person, sealed, now, 1 FROM input ORDER BY person, n DESC"
    " ON CONFLICT (person_id) DO UPDATE SET sealed = excluded.sealed, updated_at = excluded.updated_at,"
    " version = risk_profiles.version + 1) SELECT n FROM input",
)
WHOLE_AFTER_S = 6 * 3600.0
# The person's mailbox says as much of who they are as a second factor does.
_VOUCHING = frozenset({"mail_code", "recovery"})


async def assess_signin(
    services: Services,
    request: Request,
    person_id: bytes,
    *,
    session_id: bytes | None = None,
    is_breached: bool = False,
    now: datetime,
) -> Assessed:
    """How sure we are that this request comes from the person, before anything of it is learned.

    `session_id`: the session that a further proof is for. `is_breached`: the password that was proven is known from a
    breach. Raises StorageUnavailable.
    """
    cookie = read_device(request, services)
    seeing = see(services, request, has_cookie=cookie is not None, now=now)
    history = await read_history(services, person_id, seeing, cookie=cookie, session_id=session_id, now=now)
    risk, around = services.risk, replace(history.surroundings, is_breached=is_breached)
    assessment = risk.scoring.assess(history.sighting, history.profile, risk.crowd.population, around)
    return Assessed(assessment, history.sighting, seeing.address)


def was_breached(attempt: SigninAttempt) -> bool:
    """Whether an earlier step of this sign-in proved a password that is known from a breach."""
    reasons = attempt.assessment.reasons if attempt.assessment else ()
    return any(each.signal == PASSWORD_BREACHED for each in reasons)


def may_learn(attempt: SigninAttempt) -> bool:
    """Whether this sign-in says what is usual for its person: it was low-risk, or more than a password was proven."""
    if attempt.assessment is None or attempt.assessment.refusal is not None:
        return False
    methods = frozenset(proof.method for proof in attempt.proofs)
    return attempt.assessment.score < MEDIUM_FROM or AAL2 in met_by(methods) or bool(methods & _VOUCHING)


async def learn_signin(
    db: AsyncConnection, services: Services, person_id: bytes, assessed: Assessed, device_id: bytes, *, now: datetime
) -> None:
    """Takes a sign-in into the person's history, under the device that it made or found, and into everyone's."""
    row = await run(db, _FIND_PROFILE, (person_id,))
    sealed = row[0] if row is not None else None
    profile = open_profile(services, person_id, sealed if isinstance(sealed, bytes) else None) or Profile.empty()
    sighting = replace(assessed.sighting, device=device_id.hex())
    share = share_in_everyone(profile, sighting.at_s)
    services.risk.crowd.note(sighting, before=profile, weight=share)
    body = profile.learn(sighting, trial=share).to_bytes()
    await send(db, _KEEP_PROFILE, (person_id, services.sealer.seal(body, aad=PROFILE_AAD + person_id), to_micros(now)))
    for key in activity_keys(services, assessed):
        await count_successes(db, key, share, now=now)


def share_in_everyone(before: Profile, at_s: float) -> float:
    """What a sign-in counts among everyone's: whole after six hours, less the sooner it follows the one before.

    So whoever signs in to an account of their own all day long makes no network, device or browser usual, and earns
    their address no more patience than anybody else; and who signs in with a stolen password again and again from
    where nothing is asked does not make it usual for its person to come on new devices.
    """
    return min(1.0, max(0.0, at_s - before.last_s) / WHOLE_AFTER_S) if before.signins else 1.0


async def note_failure(
    db: AsyncConnection, services: Services, origin: Origin, account: bytes, *, now: datetime
) -> None:
    """A proof failed: it counts at the account (a person's id, or a digest of what was typed), address and network."""
    key = services.risk.key.digest("account", account)
    seeing = look(services, origin.address, origin.user_agent, now=now)
    await count_failure(db, [key, *activity_keys(services, seeing)], key, now=now)


def activity_keys(services: Services, seen: Seeing | Assessed) -> list[bytes]:
    """The digests of address and network, where there is an address."""
    key, network = services.risk.key, seen.sighting.network
    address = address_digest(key, seen.address)
    if address is None or network is None:
        return []
    return sorted((address, key.digest("network", network)))
