"""A change by somebody who is signed in, made only while they still are (I2).

The request was let in before it waited for the database; meanwhile somebody may have ended everything of the person,
and what is changed after that must not be changed by the one who was thrown out.
"""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncConnection

from base.statements import Statement
from base.within import run
from identity.services import Services
from identity.values import LiveSession

# Two statements: what was committed while the first one waited is seen only by one after it. Whoever revokes
# everything of a person takes the rows in this order, too.
_HOLD_PERSON = Statement(
    "hold person for a change",
    (("person", "bytea"),),
    ("SELECT id FROM people WHERE id = :person AND state = 'active'",),
    "SELECT n, p.id FROM input JOIN people p ON p.id = input.person WHERE p.state = 'active' FOR NO KEY UPDATE OF p",
)
_HOLD_SESSION = Statement(
    "hold session for a change",
    (("session", "bytea"),),
    ("SELECT id FROM sessions WHERE id = :session AND ended_at IS NULL",),
    "SELECT n, s.id FROM input JOIN sessions s ON s.id = input.session WHERE s.ended_at IS NULL FOR NO KEY UPDATE OF s",
)


class SessionEnded(Exception):
    """The session ended before the change: nothing was changed, and the person has to sign in again."""


async def hold_session(db: AsyncConnection, session: LiveSession) -> bool:
    """Whether the session is alive and its person active; both stay so until the transaction ends.

    To be called before anything else in it: it takes the rows of the person and the session, in this order.
    """
    if await run(db, _HOLD_PERSON, (session.person_id,)) is None:
        return False
    return await run(db, _HOLD_SESSION, (session.id,)) is not None


@asynccontextmanager
async def within_session(services: Services, session: LiveSession) -> AsyncIterator[AsyncConnection]:
    """A write transaction for a change that whoever holds this session makes; raises SessionEnded."""
    async with services.database.transaction() as db:
        if not await hold_session(db, session):
            raise SessionEnded
        yield db
