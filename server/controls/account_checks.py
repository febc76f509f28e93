"""Checks on accounts, factors, sessions and applications: what the records of this room say now."""

from collections.abc import Sequence
from datetime import timedelta

from sqlalchemy import BigInteger, select, type_coerce

from audit.catalogue import LOCKOUT_STARTED, LOGIN_SUCCEEDED, PASSWORD_SET
from audit.reports.found import list_events
from audit.reports.sections.administration import is_act
from audit.reports.tally import within
from audit.tables import events
from base.ids import PERSON, SESSION, show_id
from identity.access_review.applications import load_clients_access
from identity.access_review.people import is_live_session, load_people
from identity.access_review.review_values import ClientAccess, Flag, PersonAccess, flags_of_client, flags_of_person
from identity.tables import sessions, signing_keys
from server.controls.checks import Answer, Facts, Run
from server.controls.rows import count_rows, events_where, find_event, show_moment

_MICROS = 1_000_000
_KEY_OLD = timedelta(days=365)


async def shared_actor(facts: Facts) -> Answer:
    """Administrative acts of the period by the command line, which is nobody in particular."""
    db, inside = facts.scope.db, within(facts.scope.period)
    by_command = events.c.actor == "cli"
    return Answer(
        failing=await count_rows(db, events, inside, is_act(), by_command),
        looked_at=await count_rows(db, events, inside, is_act()),
        example=await find_event(db, inside, is_act(), by_command),
    )


async def _people_with(facts: Facts, flag: Flag, *, only: str = "") -> Answer:
    found = await load_people(facts.scope.db, facts.scope.now)
    looked = [each for each in found if only in ("", each.state) or (only == "closed" and each.state != "active")]
    return _answer_people(looked, [each for each in looked if flag in flags_of_person(each, facts.scope.now)])


def _answer_people(looked: Sequence[PersonAccess], failing: Sequence[PersonAccess], *, is_set: bool = True) -> Answer:
    example = show_person(failing[0]) if failing else None
    return Answer(failing=len(failing), looked_at=len(looked), example=example, is_set=is_set)


def show_person(person: PersonAccess) -> str:
    """An account as an example shows it."""
    seen = show_moment(person.last_seen_at) if person.last_seen_at else "never"
    factors = ",".join(sorted(person.factors)) or "none"
    role = " administrator" if person.is_admin else ""
    return (
        f"{show_id(PERSON, person.id)}: {person.state}{role}, last seen {seen}, second factors {factors},"
        f" live sessions and grants {person.live}"
    )


async def closed_but_live(facts: Facts) -> Answer:
    """Closed accounts whose sessions or grants still live."""
    return await _people_with(facts, Flag.CLOSED_BUT_LIVE, only="closed")


async def unused_accounts(facts: Facts) -> Answer:
    """Active accounts that were not used for 90 days."""
    return await _people_with(facts, Flag.UNUSED, only="active")


async def bare_administrators(facts: Facts) -> Answer:
    """Active administrators without a second factor."""
    found = [each for each in await load_people(facts.scope.db, facts.scope.now) if each.state == "active"]
    admins = [each for each in found if each.is_admin]
    return _answer_people(admins, [each for each in admins if not each.has_strong])


async def single_factor_accounts(facts: Facts) -> Answer:
    """Active accounts that have a password and nothing else."""
    found = [each for each in await load_people(facts.scope.db, facts.scope.now) if each.state == "active"]
    bare = [each for each in found if each.has_password and not each.has_strong]
    return _answer_people(found, bare)


async def single_factor_signins(facts: Facts) -> Answer:
    """Sign-ins of the period by a password alone, and whether a second factor is demanded of everybody."""
    # Bodies are canonical, so a list of one method has one spelling.
    alone = events.c.body.contains('"methods":["pwd"]', autoescape=True)
    found = await events_where(facts, (LOGIN_SUCCEEDED.name,), alone)
    required = facts.settings.mfa.required
    return Answer(failing=found.failing, looked_at=found.looked_at, example=found.example, is_set=required)


def idle_longer_than(seconds: int) -> Run:
    """Live sessions that may stay unused for longer."""

    async def run(facts: Facts) -> Answer:
        db, now = facts.scope.db, facts.scope.now
        idle = type_coerce(sessions.c.idle_expires_at, BigInteger) - type_coerce(sessions.c.last_seen_at, BigInteger)
        live, longer = is_live_session(now), idle > seconds * _MICROS
        query = select(sessions.c.id, sessions.c.last_seen_at, sessions.c.idle_expires_at).where(live, longer)
        row = (await db.execute(query.order_by(sessions.c.last_seen_at).limit(1))).first()
        example = None
        if row is not None:
            times = f"last seen {show_moment(row.last_seen_at)}, open until {show_moment(row.idle_expires_at)}"
            example = f"{show_id(SESSION, bytes(row.id))}: {times}"
        return Answer(
            failing=await count_rows(db, sessions, live, longer),
            looked_at=await count_rows(db, sessions, live),
            example=example,
            is_set=facts.settings.session.idle_s <= seconds and facts.settings.session.keep_s <= seconds,
        )

    return run


def lockout_weaker_than(failures: int, seconds: int) -> Run:
    """Lockouts of the period that came later or ended sooner."""

    async def run(facts: Facts) -> Answer:
        found = await list_events(facts.scope.db, facts.scope.period, LOCKOUT_STARTED.name)
        weak = []
        for each in found:
            lasted_s = (each.number("until") or 0) - each.at.timestamp()
            # The event states whole seconds.
            if lasted_s < seconds - 1 or (each.number("failures") or 0) > failures:
                weak.append(f"{each.ref}: {each.name} at {show_moment(each.at)}, {each.data}")
        told = facts.settings.lockout
        return Answer(
            failing=len(weak),
            looked_at=len(found),
            example=weak[0] if weak else None,
            is_set=told.failures <= failures and told.duration_s >= seconds,
        )

    return run


def shorter_passwords_than(length: int) -> Run:
    """Passwords that came in by import, whose length nobody here ever saw."""

    async def run(facts: Facts) -> Answer:
        imported = events.c.body.contains('"why":"import"', autoescape=True)
        found = await events_where(facts, (PASSWORD_SET.name,), imported)
        is_set = facts.settings.password.min_length >= length
        return Answer(failing=found.failing, looked_at=found.looked_at, example=found.example, is_set=is_set)

    return run


async def _clients_with(facts: Facts, flag: Flag) -> Answer:
    now = facts.scope.now
    looked = [each for each in await load_clients_access(facts.scope.db, now) if not each.is_disabled]
    if flag is Flag.OLD_SECRET:
        looked = [each for each in looked if each.secret_at is not None]
    failing = [each for each in looked if flag in flags_of_client(each, now)]
    example = show_client(failing[0]) if failing else None
    return Answer(failing=len(failing), looked_at=len(looked), example=example)


def show_client(client: ClientAccess) -> str:
    """An application as an example shows it."""
    used = show_moment(client.last_used_at) if client.last_used_at else "never"
    secret = show_moment(client.secret_at) if client.secret_at else "none"
    return f"{client.client_id}: {' '.join(client.grants)}, last used {used}, oldest secret of {secret}"


async def old_secrets(facts: Facts) -> Answer:
    """Applications with a secret that is older than a year."""
    return await _clients_with(facts, Flag.OLD_SECRET)


async def unused_clients(facts: Facts) -> Answer:
    """Applications that were not used for 90 days."""
    return await _clients_with(facts, Flag.UNUSED)


async def old_keys(facts: Facts) -> Answer:
    """Keys that have signed for more than a year."""
    db, c = facts.scope.db, signing_keys.c
    signs, old = c.state == "active", c.active_at < facts.scope.now - _KEY_OLD
    row = (await db.execute(select(c.kid, c.alg, c.active_at).where(signs, old).order_by(c.active_at).limit(1))).first()
    return Answer(
        failing=await count_rows(db, signing_keys, signs, old),
        looked_at=await count_rows(db, signing_keys, signs),
        example=row and f"{row.kid}: {row.alg}, signs since {show_moment(row.active_at)}",
    )
