"""`ostiary revoke token|grant|session|person|client|everyone`: no longer accepted, here at once and everywhere soon."""

import re
from collections.abc import Awaitable, Callable
from datetime import datetime

import click
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import GRANT, PERSON, SESSION, parse_id, show_id
from feed.entries import LONGEST_TOKEN
from identity import revocation
from identity.clients import load_client
from identity.errors import Refused
from identity.services import Services
from identity.tables import grants, sessions
from server.api.feed import show_batch
from server.commands.frame import ACTOR, Frame, framed
from server.commands.reach import Reach, wait_for_reach
from server.commands.user_facts import load_person

WHY = "revoked"
_JTI = re.compile(r"[A-Za-z0-9_-]{1,64}")

# Revokes something in the transaction, and says what it was.
Work = Callable[[AsyncConnection, Services, datetime], Awaitable[str]]


@click.group("revoke")
def command() -> None:
    """What is no longer to be accepted: refused here at once, and by every service that follows the feed."""


@command.command("token")
@click.argument("jti")
@framed
def token(frame: Frame, jti: str) -> None:
    """One access token, by its jti: the log tells it with each token that was issued."""
    if not _JTI.fullmatch(jti):
        raise click.UsageError("JTI: expected the jti of an access token, 1 to 64 of A-Z a-z 0-9 _ -, not the token")

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        until = now + LONGEST_TOKEN
        await revocation.revoke_token(db, services, jti, expires_at=until, client_id=None, now=now, actor=ACTOR)
        return jti

    _revoke(frame, "token", work)


@command.command("grant")
@click.argument("grant_id", metavar="GRANT")
@framed
def grant(frame: Frame, grant_id: str) -> None:
    """One grant (grt_…) with its refresh tokens and access tokens."""
    known = parse_id(GRANT, grant_id)

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        if known is None or (await db.execute(select(grants.c.id).where(grants.c.id == known))).first() is None:
            raise Refused("grant", f"there is no grant {grant_id}")
        await revocation.end_grant(db, services, known, why=WHY, now=now, actor=ACTOR)
        return grant_id

    _revoke(frame, "grant", work)


@command.command("session")
@click.argument("session_id", metavar="SESSION")
@framed
def session(frame: Frame, session_id: str) -> None:
    """One session (ses_…) with the grants under it."""
    known = parse_id(SESSION, session_id)

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        if known is None or (await db.execute(select(sessions.c.id).where(sessions.c.id == known))).first() is None:
            raise Refused("session", f"there is no session {session_id}")
        await revocation.end_session(db, services, known, why=WHY, now=now, actor=ACTOR)
        return session_id

    _revoke(frame, "session", work)


@command.command("person")
@click.argument("who")
@framed
def person(frame: Frame, who: str) -> None:
    """Everything of a person: sessions, grants, and every token issued until now; they may sign in again."""

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        found = await load_person(db, who)
        await revocation.revoke_person(db, services, found.id, why=WHY, now=now, actor=ACTOR)
        return show_id(PERSON, found.id)

    _revoke(frame, "person", work)


@command.command("client")
@click.argument("client_id")
@framed
def client(frame: Frame, client_id: str) -> None:
    """Every grant of an application, and every token issued to it until now; it may get new ones."""

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        await load_client(db, client_id)
        await revocation.revoke_client(db, services, client_id, why=WHY, now=now, actor=ACTOR)
        return client_id

    _revoke(frame, "client", work)


@command.command("everyone")
@click.option("--yes", is_flag=True, help="Yes, everything of everybody.")
@framed
def everyone(frame: Frame, yes: bool) -> None:
    """Every session, grant and token of the deployment: all people sign in anew; for an emergency."""
    if not yes:
        raise click.UsageError("this signs out everybody and ends every token: say --yes as well")

    async def work(db: AsyncConnection, services: Services, now: datetime) -> str:
        await revocation.revoke_everyone(db, services, why=WHY, now=now, actor=ACTOR)
        return "*"

    _revoke(frame, "everyone", work)


def _revoke(frame: Frame, kind: str, work: Work) -> None:
    async def carried_out(services: Services, now: datetime) -> tuple[str, Reach]:
        async with services.database.transaction() as db:
            subject = await work(db, services, now)
        return subject, await wait_for_reach(services.database, services.clock, now)

    subject, reach = frame.with_services(carried_out)
    shown = "Everything of everyone" if kind == "everyone" else f"The {kind} {subject}"
    document = {
        "revoked": {"kind": kind, "subject": subject},
        "entries": reach.entries,
        "seq": reach.seq,
        "reached": reach.reached,
        "connected": reach.connected,
        "followers": reach.followers,
        "batch": reach.batch and show_batch(reach.batch),
    }
    frame.answer(document, f"{shown} is revoked. {reach.words}" if reach.entries else reach.words)
