"""The score of a session that is under way: renewed where something new is known of it, and what follows from that.

A session is not signed in to again: what this request says lies over what was last known, and what it does not say
stays. So a missing signal changes nothing, and a service's own address is never taken for the person's (S35).
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Literal

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import RISK_CRITICAL, RISK_LOWERED, RISK_RAISED
from audit.record import Event, Origin
from base.ids import SESSION, show_id
from base.statements import Unit
from base.within import run
from feed.entries import LONGEST_TOKEN, Entry, Kind, publish
from identity import revocation
from identity.assessing.notes import note_of, place_fields
from identity.assessing.reading import History, read_history
from identity.assessing.running import KEEP_ASSESSMENT, Running, find_running, kept_row
from identity.assessing.seen import Seen, open_seen
from identity.assessing.sightings import Seeing, look
from identity.grant_store import Grant
from identity.services import Services
from identity.signin.next_step import PRIMARY
from identity.tables import grants, session_proofs
from identity.values import LiveSession
from policy.assurance import AAL1, amr_of
from policy.running import within_session
from policy.values import RiskThresholds
from risk.place import Place
from risk.places.edge_places import EdgePlace
from risk.sighting import Sighting
from risk.values import CRITICAL_FROM, Assessment

Why = Literal["sign_in", "refresh", "introspection", "signal"]
Effect = Literal["keep", "step_up", "end"]

# A request that looks as the last one did is not assessed again within a minute; a report is not waited for.
EVERY_S = 60.0
# Of those who assess one session at once, each but one finds it changed and looks again.
_TRIES = 8
_EFFECTS: Mapping[Effect, Mapping[str, str]] = {
    "keep": {},
    "step_up": {"effect": "second_factor"},
    "end": {"effect": "ended"},
}
# What a second factor comes after. A passkey is both at once, and is asked for again as a whole.
_LEFT = frozenset({"pwd"})
_ENDED_WHY = {None: "risk", "address_blocked": "blocked_address", "taken_over": "reported_takeover"}


@dataclass(frozen=True, slots=True)
class Rescored:
    """A session's score now, and what followed from it; `methods` are what is still proven in it."""

    risk: int | None
    effect: Effect = "keep"
    methods: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class _Asked:
    """Who asks for a session's score: the event says `why`. `grant`: an offline grant may outlive its session.

    `waits`: within a minute only what looks otherwise is assessed. `is_browser`: it brings its cookies, `cookie` being
    the digest of the device's; `opens` is the application that it is about to open.
    """

    seeing: Seeing | None
    why: Why
    now: datetime
    origin: Origin
    grant: Grant | None = None
    waits: bool = False
    is_browser: bool = False
    cookie: bytes | None = None
    opens: str | None = None


async def rescore_session(
    services: Services,
    session_id: bytes,
    seeing: Seeing | None,
    why: Why,
    now: datetime,
    *,
    origin: Origin = Origin(),
) -> Rescored | None:
    """The session's score, made anew, with everything that follows from it; None where there is no live session.

    `seeing` is None where nothing was seen of the person. Raises StorageUnavailable.
    """
    return await _rescore(services, session_id, _Asked(seeing, why, now, origin))


async def rescore_browser(
    services: Services,
    session: LiveSession,
    seeing: Seeing,
    *,
    cookie: bytes | None,
    opens: str | None,
    now: datetime,
    origin: Origin,
) -> bool:
    """Looks at a live session whose browser comes to the sign-in's pages: True where it is not what it was, and has to
    be read again. A session that was never assessed stays so. Raises StorageUnavailable.

    `cookie` is the digest of the browser's device cookie, `opens` the application that it asks for.
    """
    if session.risk is None:
        return False
    asked = _Asked(seeing, "sign_in", now, origin, waits=True, is_browser=True, cookie=cookie, opens=opens)
    found = await _rescore(services, session.id, asked)
    return found is None or found.risk != session.risk or found.effect != "keep"


async def rescore_grant(
    services: Services, grant: Grant, seeing: Seeing | None, *, why: Why, now: datetime, origin: Origin
) -> Grant:
    """The living grant as it is after its session was assessed, where that is due: with the new score, lowered where a
    second factor is asked for, and not alive where the session was ended for it. Raises StorageUnavailable.

    A session that was never assessed stays so, and its tokens say no score.
    """
    if grant.session_id is None or grant.risk is None:
        return grant
    asked = _Asked(seeing, why, now, origin, grant, waits=True)
    if not _is_due(open_seen(services.sealer, grant.session_id, grant.seen), asked):
        return grant
    found = await _rescore(services, grant.session_id, asked)
    if found is None:
        return grant
    claims = lowered(grant.claims, found.methods) if found.effect == "step_up" else grant.claims
    return replace(grant, risk=found.risk, claims=claims, is_alive=found.effect != "end")


def see_caller(
    services: Services,
    address: str | None,
    user_agent: str | None,
    *,
    edge_place: EdgePlace | None = None,
    now: datetime,
) -> Seeing:
    """How a request looks that brings no cookies: an app's refresh, or what a service saw.

    A user agent counts where it is a browser's: apps send what their library calls itself, which says nothing.
    """
    is_browser = user_agent is not None and user_agent.startswith("Mozilla/")
    return look(services, address, user_agent if is_browser else None, edge_place=edge_place, now=now)


def thresholds_of(services: Services, clients: tuple[str, ...]) -> RiskThresholds:
    """The strictest of the applications that the session opened: each guards the one session that all of them share."""
    deployment = services.settings.risk_thresholds
    found = [services.catalogue.find_client(each) for each in clients]
    own = [each.risk_thresholds or deployment for each in found if each is not None] or [deployment]
    return RiskThresholds(
        min(each.notice for each in own), min(each.step_up for each in own), min(each.strong for each in own)
    )


def find_crossed(before: int | None, now: int, thresholds: RiskThresholds) -> int | None:
    """The threshold that was crossed last on the way from `before` to `now`, None where there was none."""
    was, steps = -1 if before is None else before, (thresholds.notice, thresholds.step_up, thresholds.strong)
    risen = [step for step in steps if was < step <= now]
    fallen = [step for step in steps if now < step <= was]
    return max(risen) if risen else min(fallen, default=None)


def lowered(claims: Mapping[str, list[str]], methods: frozenset[str]) -> dict[str, list[str]]:
    """A grant's claims once nothing but what a sign-in begins with counts any more, and that as one factor."""
    kept = set(amr_of(methods & PRIMARY)) - {"mfa"}
    return {**claims, "acr": [AAL1], "amr": [name for name in claims.get("amr", []) if name in kept]}


async def tell_renewed(db: AsyncConnection, services: Services, running: Running, score: int, *, now: datetime) -> None:
    """Tells services the new score of a session in which its person proved something, where a threshold was crossed;
    `running` is how it was before. The events of the proof say the rest."""
    if find_crossed(running.risk, score, thresholds_of(services, running.clients)) is not None:
        entry = Entry(Kind.FACTS, show_id(SESSION, running.id), now + LONGEST_TOKEN, facts={"risk": score})
        await publish(db, entry, now=now)


async def end_with_grants(
    db: AsyncConnection,
    services: Services,
    session_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    """Ends a session with all of its grants: whoever sat there would have taken the offline ones along."""
    await revocation.end_session(db, services, session_id, why=why, now=now, actor=actor, origin=origin)
    theirs = select(grants.c.id).where(grants.c.session_id == session_id, grants.c.ended_at.is_(None))
    for grant_id in (await db.execute(theirs)).scalars().all():
        await revocation.end_grant(db, services, bytes(grant_id), why=why, now=now, actor=actor, origin=origin)


async def _rescore(services: Services, session_id: bytes, asked: _Asked) -> Rescored | None:
    running: Running | None = None
    for _ in range(_TRIES):
        running = await find_running(services, session_id, now=asked.now)
        if running is None or not (running.is_live or (asked.grant and asked.grant.offline)):
            return None
        if asked.waits and not _is_due(running.seen, asked) and not _is_short(services, running, asked):
            return Rescored(running.risk, methods=running.methods)
        found = await _assess(services, running, asked)
        if found is not None:
            return found
    # Others assessed it again and again meanwhile: what they found counts.
    return Rescored(running.risk, methods=running.methods) if running else None


def _is_due(seen: Seen | None, asked: _Asked) -> bool:
    seeing = asked.seeing
    if seen is None or not 0 <= asked.now.timestamp() - seen.checked_s < EVERY_S:
        return True
    if seeing is None:
        return False
    told = _looks_of(seeing.sighting)
    return any(new is not None and new != last for new, last in zip(told, _looks_of(seen.last), strict=True))


def _looks_of(sighting: Sighting) -> tuple[str | None, ...]:
    """What a request tells by itself; an empty user agent tells that the browser hides it."""
    return sighting.address, sighting.user_agent, sighting.languages


def _is_short(services: Services, running: Running, asked: _Asked, score: int | None = None) -> bool:
    """Whether an application asks for more at this score (the session's own), and what there is was proven at a lower
    one: perhaps by somebody else, for an application that asks for less."""
    now = running.risk if score is None else score
    if asked.opens is None or now is None or not running.methods - _LEFT:
        return False
    needed = thresholds_of(services, (asked.opens,)).step_up
    return (running.seen.proven_at if running.seen else 0) < needed <= now


async def _assess(services: Services, running: Running, asked: _Asked) -> Rescored | None:
    """What was found, and is stored; None where the session changed meanwhile."""
    seeing, seen = _laid_over(running, asked), running.seen
    began = _on_its_device(seen.began, running, is_first=True) if seen else None
    history = await read_history(
        services, running.person_id, seeing, cookie=asked.cookie, session_id=running.id, began=began, now=asked.now
    )
    risk = services.risk
    around = replace(history.surroundings, is_breached=seen is not None and seen.is_breached)
    assessment = risk.scoring.assess(history.sighting, history.profile, risk.crowd.population, around)
    is_hearsay = asked.why == "introspection" or (seen is None and running.sealed is not None)
    if is_hearsay and assessment.refusal is None and assessment.score < (running.risk or 0):
        # What a service says of an address, and a look of which the one before does not open (S35), may make us less
        # sure, and never surer.
        return Rescored(running.risk, methods=running.methods)
    found = _weigh(services, running, asked, assessment, seeing.sighting.place)
    row = kept_row(services, running, assessment, _seen_now(running, history, seeing, asked))
    if found.crossed is None and found.effect == "keep":
        is_kept = await services.database.write(Unit(KEEP_ASSESSMENT, row)) is not None
        return Rescored(assessment.score, methods=running.methods) if is_kept else None
    async with services.database.transaction() as db:
        if await run(db, KEEP_ASSESSMENT, row) is None:
            return None
        await _follow(db, services, running, asked, found)
    return Rescored(assessment.score, found.effect, running.methods)


@dataclass(frozen=True, slots=True)
class _Found:
    """An assessment and what follows from it. `is_critical`: it has reached that level now, whatever follows."""

    assessment: Assessment
    place: Place
    crossed: int | None
    is_critical: bool
    effect: Effect


def _weigh(services: Services, running: Running, asked: _Asked, assessment: Assessment, place: Place) -> _Found:
    thresholds = thresholds_of(services, running.clients)
    crossed = find_crossed(running.risk, assessment.score, thresholds)
    is_critical = (-1 if running.risk is None else running.risk) < CRITICAL_FROM <= assessment.score
    effect: Effect = "end"
    if assessment.refusal is None:
        effect = within_session(running.risk, assessment.score, thresholds)
    if effect == "keep" and _is_short(services, running, asked, assessment.score):
        effect, crossed = "step_up", thresholds_of(services, (asked.opens or "",)).step_up
    return _Found(assessment, place, CRITICAL_FROM if is_critical else crossed, is_critical, effect)


def _laid_over(running: Running, asked: _Asked) -> Seeing:
    """How the session looks now: what this request says over what was last known, on the device that it began on."""
    new, seen = asked.seeing, running.seen
    if seen is None:
        sighting = new.sighting if new else Sighting(at_s=asked.now.timestamp())
        return Seeing(_on_its_device(sighting, running), new.address if new else None)
    last, address = seen.last, seen.address
    if new is not None and new.sighting.address is not None:
        here, address = new.sighting, new.address
        # Within a network the place stays the one that was told at the sign-in, by an edge perhaps.
        place = last.place if here.network == last.network else here.place
        last = replace(last, at_s=here.at_s, address=here.address, network=here.network, place=place)
    if new is not None and new.sighting.user_agent is not None:
        last = replace(last, user_agent=new.sighting.user_agent, browser=new.sighting.browser)
    if new is not None:
        last = replace(last, languages=new.sighting.languages or last.languages, tls=new.sighting.tls or last.tls)
    if new is not None and asked.is_browser:
        # It brings what it has: the cookie says which device it is (`read_history`).
        return Seeing(replace(last, device=None, has_cookie=new.sighting.has_cookie), address)
    return Seeing(_on_its_device(last, running), address)


def _on_its_device(sighting: Sighting, running: Running, *, is_first: bool = False) -> Sighting:
    """A session is bound to its device, which may have become known by this very sign-in, or was removed since."""
    if running.device_id is None:
        return sighting
    device = running.device_id.hex() if running.device_lives or is_first else None
    return replace(sighting, device=device, has_cookie=True)


def _seen_now(running: Running, history: History, seeing: Seeing, asked: _Asked) -> Seen | None:
    checked_s = asked.now.timestamp()
    if running.seen is not None:
        return replace(running.seen, last=history.sighting, address=seeing.address, checked_s=checked_s)
    # How it began is not known; from here on changes are.
    known = asked.seeing is not None and asked.seeing.address is not None
    return Seen(history.sighting, history.sighting, seeing.address, checked_s) if known else None


def _event(running: Running, asked: _Asked, found: _Found, crossed: int) -> Event:
    """What the log says of a threshold that was crossed."""
    before, score = running.risk, found.assessment.score
    kind = RISK_LOWERED
    if before is None or before < crossed or found.effect == "step_up":
        kind = RISK_CRITICAL if found.is_critical else RISK_RAISED
    data: dict[str, object] = {"to": score, "threshold": crossed, "why": asked.why}
    if before is not None:
        data["from"] = before
    if kind is not RISK_LOWERED:
        data |= _EFFECTS[found.effect]
    return Event(
        type=kind,
        actor="system",
        person=running.person_id,
        client_id=asked.grant.client_id if asked.grant else None,
        session_id=running.id,
        device_id=running.device_id,
        origin=asked.origin,
        data=data,
        risk=note_of(found.assessment),
        place=place_fields(found.place),
    )


async def _follow(db: AsyncConnection, services: Services, running: Running, asked: _Asked, found: _Found) -> None:
    """What follows, in the transaction that holds the session's row."""
    now = asked.now
    if found.crossed is not None:
        await services.emitter.emit(db, _event(running, asked, found, found.crossed), now=now)
    if found.effect == "end":
        why = _ENDED_WHY[found.assessment.refusal]
        await end_with_grants(db, services, running.id, why=why, now=now, actor="system", origin=asked.origin)
        return
    facts: dict[str, object] = {"risk": found.assessment.score}
    if found.effect == "step_up":
        await _step_up(db, running)
        facts["acr"] = AAL1
    await publish(db, Entry(Kind.FACTS, show_id(SESSION, running.id), now + LONGEST_TOKEN, facts=facts), now=now)


async def _step_up(db: AsyncConnection, running: Running) -> None:
    """Leaves nothing proven but the password, here and in the session's grants; not even that where there was none."""
    beyond = session_proofs.c.session_id == running.id, session_proofs.c.method.not_in(_LEFT)
    await db.execute(delete(session_proofs).where(*beyond))
    theirs = select(grants.c.id, grants.c.claims).where(
        grants.c.session_id == running.id, grants.c.ended_at.is_(None)
    )  # fmt: skip
    for row in (await db.execute(theirs)).all():
        changed = update(grants).where(grants.c.id == row.id).values(claims=lowered(row.claims, running.methods))
        await db.execute(changed)
