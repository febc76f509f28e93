"""The only way anything is revoked: each function writes the state, the feed entry and the event together (S44).

Ending a session or a person always writes the grants beneath it too, so a token request that is under way at the same
moment waits for the same row and then finds it ended (I2).
"""

from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, select, text, update
from sqlalchemy.dialects.postgresql import insert as postgres_insert
from sqlalchemy.dialects.sqlite import insert as sqlite_insert
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import (
    EVERYTHING_REVOKED,
    GRANT_ENDED,
    LOGIN_CONSENT_WITHDRAWN,
    SESSION_ENDED,
    SESSIONS_ENDED,
    TOKEN_REVOKED,
)
from audit.record import Event, Origin
from base.ids import GRANT, PERSON, SESSION, show_id
from base.tables import not_before
from feed.entries import EVERYONE, LONGEST_TOKEN, Entry, Kind, publish, publish_all
from identity.catalogue import touch
from identity.links import void_links
from identity.not_before import client_refused_until, everyone_refused_until, tell_who_is_ahead
from identity.services import Services
from identity.tables import clients, consents, grants, people, revoked_tokens, sessions


async def revoke_token(
    db: AsyncConnection,
    services: Services,
    jti: str,
    *,
    expires_at: datetime,
    client_id: str | None,
    grant: str | None = None,
    now: datetime,
    actor: str | None = None,
    origin: Origin = Origin(),
) -> None:
    """Revokes one access token, asked for by its client, or by `actor`; safe to repeat."""
    insert = sqlite_insert if services.database.is_sqlite else postgres_insert
    row = insert(revoked_tokens).values(jti=jti, expires_at=expires_at).on_conflict_do_nothing()
    if (await db.execute(row.returning(revoked_tokens.c.jti))).first() is None:
        return
    await publish(db, Entry(Kind.TOKEN, jti, expires_at + timedelta(minutes=1)), now=now)
    data = {"kind": "access_token", "jti": jti, "grant": grant}
    by = actor or client_id or "system"
    event = Event(type=TOKEN_REVOKED, actor=by, subject=grant, client_id=client_id, origin=origin, data=data)
    await services.emitter.emit(db, event, now=now)


async def end_grant(
    db: AsyncConnection,
    services: Services,
    grant_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends one grant with its refresh family and access tokens; safe to repeat."""
    await _end_grants(db, services, grants.c.id == grant_id, why=why, now=now, actor=actor, origin=origin)


async def end_client_grants(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    client_id: str,
    *,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Withdraws what a person allowed an application: forgets the consent, ends every grant."""
    await db.execute(consents.delete().where(consents.c.person_id == person_id, consents.c.client_id == client_id))
    theirs = (grants.c.person_id == person_id) & (grants.c.client_id == client_id)
    await _end_grants(db, services, theirs, why="consent_withdrawn", now=now, actor=actor, origin=origin)
    subject = show_id(PERSON, person_id)
    event = Event(
        type=LOGIN_CONSENT_WITHDRAWN, actor=actor, subject=subject, person=person_id, client_id=client_id, origin=origin
    )
    await services.emitter.emit(db, event, now=now)


async def end_session(
    db: AsyncConnection,
    services: Services,
    session_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends one session and the grants that live under it; safe to repeat."""
    await _end_sessions(db, services, sessions.c.id == session_id, why=why, now=now, actor=actor, origin=origin)


async def end_person_sessions(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    why: str,
    keep: bytes | None = None,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends all of a person's sessions but `keep`, with the grants that live under them.

    What a recovery was to give to a sign-in ends, too, first: a sign-in takes the rows in this order.
    """
    await void_links(db, "recovered", person_id)
    theirs = sessions.c.person_id == person_id
    if keep is not None:
        theirs &= sessions.c.id != keep
    await _end_sessions(db, services, theirs, why=why, now=now, actor=actor, origin=origin)
    subject = show_id(PERSON, person_id)
    event = Event(
        type=SESSIONS_ENDED, actor=actor, subject=subject, person=person_id, origin=origin, data={"why": why}
    )  # fmt: skip
    await services.emitter.emit(db, event, now=now)


async def end_oldest_sessions(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    most: int,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends the live sessions of a person beyond the `most` that were begun or used last."""
    if not services.database.is_sqlite:
        # Sign-ins that run side by side would not see each other's session.
        number = int.from_bytes(person_id[-8:], "big", signed=True)
        await db.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": number})
    alive = (sessions.c.person_id == person_id, sessions.c.ended_at.is_(None), sessions.c.idle_expires_at > now)
    newest = select(sessions.c.id).where(*alive).order_by(sessions.c.last_seen_at.desc(), sessions.c.id.desc())
    beyond = (await db.execute(newest.offset(most))).scalars().all()
    if beyond:
        await _end_sessions(
            db, services, sessions.c.id.in_(beyond), why="too_many", now=now, actor=actor, origin=origin
        )


async def revoke_person(
    db: AsyncConnection,
    services: Services,
    person_id: bytes,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends everything of a person: sessions, grants, offline ones too, and every token issued until now."""
    change = update(people).where(people.c.id == person_id)
    change = change.values(not_before=now, updated_at=now, version=people.c.version + 1)
    sub = (await db.execute(change.returning(people.c.sub))).scalar_one()
    await publish(db, Entry(Kind.PERSON, sub, now + LONGEST_TOKEN, not_before=now), now=now)
    await end_person_sessions(db, services, person_id, why=why, now=now, actor=actor, origin=origin)
    theirs = grants.c.person_id == person_id
    await _end_grants(db, services, theirs, why=why, now=now, actor=actor, origin=origin)


async def revoke_client(
    db: AsyncConnection,
    services: Services,
    client_id: str,
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin = Origin(),
) -> None:
    """Ends every grant of an application, and every token issued to it until now."""
    await _wait_for_everyone(db, services)
    # Its own tokens have no grant, so this alone refuses them: those too that it got since the request came in.
    at = await client_refused_until(db, client_id, at=max(now, services.clock()))
    change = update(clients).where(clients.c.client_id == client_id)
    await db.execute(change.values(not_before=at, updated_at=now, version=clients.c.version + 1))
    await touch(db, "catalogue")
    await publish(db, Entry(Kind.CLIENT, client_id, at + LONGEST_TOKEN, not_before=at), now=now)
    await _end_grants(db, services, grants.c.client_id == client_id, why=why, now=now, actor=actor, origin=origin)


async def revoke_everyone(
    db: AsyncConnection, services: Services, *, why: str, now: datetime, actor: str, origin: Origin = Origin()
) -> None:
    """Ends every session and grant of the deployment, and every token issued until now: an emergency.

    One event tells it all, and mostly one entry; who was signed in begins anew, and services get new tokens at once.
    """
    await _hold_up_everyone(db, services)
    at = await everyone_refused_until(db, at=max(now, services.clock()))
    await _store_everyone(db, services, at)
    await touch(db, "catalogue")
    everyone = Entry(Kind.EVERYONE, EVERYONE, at + LONGEST_TOKEN, not_before=at)
    await publish_all(db, [everyone, *await tell_who_is_ahead(db, at=at)], now=now)
    ended = [
        (await db.execute(update(table).where(table.c.ended_at.is_(None)).values(ended_at=now, ended_why=why))).rowcount
        for table in (sessions, grants)
    ]
    data = {"why": why, "sessions": ended[0], "grants": ended[1]}
    await services.emitter.emit(db, Event(type=EVERYTHING_REVOKED, actor=actor, origin=origin, data=data), now=now)


async def _hold_up_everyone(db: AsyncConnection, services: Services) -> None:
    """Lets nobody begin a session or use a grant until this transaction ends; nothing tells followers of each of them.

    What was committed before is seen and ended, however much there is. SQLite has one writer at a time anyway.
    """
    if not services.database.is_sqlite:
        # An emergency may take longer than what people wait for, both to get its turn and to come to its end.
        await db.execute(text("SET LOCAL statement_timeout = '10min'"))
        await db.execute(text("SET LOCAL lock_timeout = '10s'"))
        # In the order in which codes are issued; who holds a session's row must not wait for us.
        await db.execute(text("LOCK TABLE sessions, grants IN EXCLUSIVE MODE"))


async def _wait_for_everyone(db: AsyncConnection, services: Services) -> None:
    """Waits for an emergency that is under way before any row is held that it needs, so that neither waits for both."""
    if not services.database.is_sqlite:
        # What every change of these tables takes; it conflicts with the emergency's lock alone.
        await db.execute(text("LOCK TABLE sessions, grants IN ROW EXCLUSIVE MODE"))


async def _store_everyone(db: AsyncConnection, services: Services, at: datetime) -> None:
    insert = sqlite_insert if services.database.is_sqlite else postgres_insert
    row = insert(not_before).values(name="everyone", at=at)
    await db.execute(row.on_conflict_do_update(index_elements=["name"], set_={"at": row.excluded.at}))


async def tell_suspended(db: AsyncConnection, person_id: bytes, *, suspended: bool, now: datetime) -> None:
    """Tells enforcement points that a person may act no more, or again."""
    sub = (await db.execute(select(people.c.sub).where(people.c.id == person_id))).scalar_one()
    await publish(db, Entry(Kind.FACTS, sub, now + LONGEST_TOKEN, facts={"suspended": suspended}), now=now)


async def _end_sessions(
    db: AsyncConnection,
    services: Services,
    which: ColumnElement[bool],
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    change = update(sessions).where(which, sessions.c.ended_at.is_(None)).values(ended_at=now, ended_why=why)
    ended = (await db.execute(change.returning(sessions.c.id, sessions.c.person_id))).all()
    for session_id, person_id in ended:
        shown = show_id(SESSION, session_id)
        await publish(db, Entry(Kind.SESSION, shown, now + LONGEST_TOKEN), now=now)
        event = Event(
            type=SESSION_ENDED,
            actor=actor,
            subject=show_id(PERSON, person_id),
            person=person_id,
            session_id=session_id,
            origin=origin,
            data={"why": why},
        )
        await services.emitter.emit(db, event, now=now)
    under = grants.c.session_id.in_([session_id for session_id, _ in ended]) & grants.c.offline.is_(False)
    if ended:
        await _end_grants(db, services, under, why=why, now=now, actor=actor, origin=origin)


async def _end_grants(
    db: AsyncConnection,
    services: Services,
    which: ColumnElement[bool],
    *,
    why: str,
    now: datetime,
    actor: str,
    origin: Origin,
) -> None:
    change = update(grants).where(which, grants.c.ended_at.is_(None)).values(ended_at=now, ended_why=why)
    returned = change.returning(grants.c.id, grants.c.person_id, grants.c.client_id, grants.c.session_id)
    ended = (await db.execute(returned)).all()
    entries = [Entry(Kind.GRANT, show_id(GRANT, row.id), now + LONGEST_TOKEN) for row in ended]
    await publish_all(db, entries, now=now)
    events = [
        Event(
            type=GRANT_ENDED,
            actor=actor,
            subject=show_id(PERSON, row.person_id),
            person=row.person_id,
            client_id=row.client_id,
            session_id=row.session_id,
            origin=origin,
            data={"grant": show_id(GRANT, row.id), "why": why},
        )
        for row in ended
    ]
    await services.emitter.emit_all(db, events, now=now)
