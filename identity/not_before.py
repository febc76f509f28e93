"""Until when tokens are refused whose owner was revoked: exact to the second, and none from before gets away.

Tokens say the second after the last such moment of their owners (`issue_moment`), so one that was issued just now may
say a moment ahead: a revocation that follows another one at once must be later than that.
"""

from datetime import datetime, timedelta

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import GRANT, show_id
from base.tables import not_before
from feed.entries import LONGEST_TOKEN, Entry, Kind
from identity.tables import clients, grants, people

_SECOND = timedelta(seconds=1)


def refused_until(at: datetime, *said: datetime | None) -> datetime:
    """`at`, or the second after the last of the moments `said` before."""
    return max([at, *(each + _SECOND for each in said if each is not None)])


async def client_refused_until(db: AsyncConnection, client_id: str, *, at: datetime) -> datetime:
    """Until when every token is refused that was issued to this application itself, where it is closed at `at`."""
    query = select(clients.c.not_before).where(clients.c.client_id == client_id).with_for_update()
    return refused_until(at, (await db.execute(query)).scalar_one_or_none(), await _of_everyone(db))


async def everyone_refused_until(db: AsyncConnection, *, at: datetime) -> datetime:
    """Until when everybody's tokens are refused; for some `tell_who_is_ahead` says more."""
    return refused_until(at, await _of_everyone(db))


async def tell_who_is_ahead(db: AsyncConnection, *, at: datetime) -> list[Entry]:
    """Entries for those whose tokens may say a moment after `at`, beside the one for everyone; grants still live then.

    They were revoked a moment before, or by a clock that ran ahead, and nobody else is to wait for that.
    """
    told: list[Entry] = []
    moments = select(clients.c.client_id, clients.c.not_before).where(clients.c.not_before > at - _SECOND)
    for client_id, said in (await db.execute(moments)).all():
        until = said + _SECOND
        await db.execute(update(clients).where(clients.c.client_id == client_id).values(not_before=until))
        told.append(Entry(Kind.CLIENT, client_id, until + LONGEST_TOKEN, not_before=until))
    # Nobody waits here for a person's row: who holds it may wait for us.
    theirs = select(grants.c.id).join(people, people.c.id == grants.c.person_id)
    theirs = theirs.where(people.c.not_before > at - _SECOND, grants.c.ended_at.is_(None))
    alive = (await db.execute(theirs)).scalars()
    return told + [Entry(Kind.GRANT, show_id(GRANT, grant_id), at + LONGEST_TOKEN) for grant_id in alive]


async def _of_everyone(db: AsyncConnection) -> datetime | None:
    query = select(not_before.c.at).where(not_before.c.name == "everyone")
    found: datetime | None = (await db.execute(query)).scalar_one_or_none()
    return found
