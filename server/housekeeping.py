"""Removes rows that can mean nothing any more, a few at a time, so that the database does not grow with use.

Nothing is removed that a check still looks at: a spent code stays beyond its expiry, so that its second use is seen
(S5); ended sessions and grants stay a month, for the account pages and for late questions, and a session as long as a
grant of it lives. Failure counters stay a day, longer than they count.
"""

from collections.abc import Iterator
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, Table, and_, delete, exists, func, or_, select

from audit.alerts.outgoing import is_over as alerts_over
from audit.tables import alerts, intake_batches
from base.database import Database
from base.tables import outbox
from feed.entries import KEPT_EXPIRED
from feed.tables import feed, feed_batches, feed_followers
from identity.mail.outbox import is_over as letters_over
from identity.tables import attempts, grants, lockouts, revoked_tokens, sessions, single_use
from risk.history.activity import WINDOW, WINDOWS_KEPT
from risk.tables import risk_activity, risk_reports

DAY = timedelta(days=1)
BATCHES_KEPT = timedelta(days=2)
KEPT = timedelta(days=30)
BATCH = 500

Rule = tuple[Table, ColumnElement[bool]]


def expired(now: datetime) -> Iterator[Rule]:
    """What may go at this moment, in this order: grants before the sessions that they hang on."""
    yield attempts, attempts.c.expires_at < now
    yield single_use, single_use.c.expires_at < now - DAY
    yield revoked_tokens, revoked_tokens.c.expires_at < now - DAY
    # The last one holds the chain that the next one goes on with.
    newest = select(func.max(feed.c.seq)).scalar_subquery()
    yield feed, and_(feed.c.expires_at < now - KEPT_EXPIRED, feed.c.seq < newest)
    yield feed_followers, feed_followers.c.heard_at < now - DAY
    yield feed_batches, feed_batches.c.numbered_at < now - KEPT
    yield outbox, letters_over(now)
    yield intake_batches, intake_batches.c.created_at < now - BATCHES_KEPT
    yield alerts, alerts_over(now)
    yield risk_activity, risk_activity.c.began_at < now - WINDOWS_KEPT * WINDOW
    yield risk_reports, risk_reports.c.expires_at < now - KEPT
    is_over = or_(lockouts.c.until.is_(None), lockouts.c.until < now)
    is_kept = and_(lockouts.c.kept_until.is_not(None), lockouts.c.kept_until > now)
    yield lockouts, and_(lockouts.c.first_at < now - DAY, is_over, ~is_kept)
    old_session = or_(sessions.c.ended_at < now - KEPT, sessions.c.expires_at < now - KEPT)
    # A grant that hangs on a session must not outlive it: without the session's row it would look like an offline one.
    bound = exists().where(sessions.c.id == grants.c.session_id, old_session)
    yield grants, or_(grants.c.ended_at < now - KEPT, and_(grants.c.offline.is_(False), bound))
    yield grants, grants.c.refresh_expires_at < now - KEPT
    # Its code was never redeemed.
    yield grants, and_(grants.c.refresh_key.is_(None), grants.c.offline, grants.c.created_at < now - KEPT)
    yield sessions, and_(old_session, ~_has_bound_grant())


def _has_bound_grant() -> ColumnElement[bool]:
    # An offline grant that lives goes on being assessed by how its session looked.
    is_bound = or_(grants.c.offline.is_(False), grants.c.ended_at.is_(None))
    return exists().where(grants.c.session_id == sessions.c.id, is_bound)


async def remove_expired(database: Database, *, now: datetime) -> int:
    """Deletes what has expired, in short transactions of `BATCH` rows; returns how many rows went."""
    removed = 0
    for table, rule in expired(now):
        while True:
            gone = await _remove_some(database, table, rule)
            removed += gone
            if gone < BATCH:
                break
    return removed


async def _remove_some(database: Database, table: Table, rule: ColumnElement[bool]) -> int:
    key = next(iter(table.primary_key.columns))
    async with database.reading() as db:
        found = (await db.execute(select(key).where(rule).limit(BATCH))).scalars().all()
    if not found:
        # Most minutes there is nothing to do, and no writer has to wait for it.
        return 0
    async with database.transaction() as db:
        await db.execute(delete(table).where(key.in_(found), rule))
    return len(found)
