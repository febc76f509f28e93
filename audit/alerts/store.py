"""Alerts in the database: opened, grown, escalated, acknowledged, each in the caller's transaction."""

# ruff: noqa: S608 - hot statements are put together from constants of this file; values travel as parameters

from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta

from sqlalchemy import ColumnElement, RowMapping, and_, insert, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.values import ALERT, AlertSettings, Purpose, StoredAlert
from audit.catalogue import ALERT_ACKNOWLEDGED
from audit.emit import Emitter
from audit.record import Event
from audit.tables import alerts, deliveries
from base.clock import to_micros
from base.ids import new_id, parse_id, show_id
from base.statements import Statement

# However steadily it goes on: whoever acknowledged yesterday must hear of it again.
LONGEST = timedelta(days=1)
# The time of the id is that at which the alert was made, however old its events were.
_UNANSWERED = (
    "SELECT 1 FROM alerts a WHERE a.acknowledged_at IS NULL AND a.escalated_at IS NULL"
    " AND a.id > {after} AND a.id <= {until} LIMIT 1"
)
# Asked once a second, mostly in vain.
IS_UNANSWERED = Statement(
    name="alerts unanswered",
    columns=(("after", "bytea"), ("until", "bytea")),
    sqlite=(_UNANSWERED.format(after=":after", until=":until"),),
    postgres=f"SELECT n, 1 FROM input WHERE EXISTS ({_UNANSWERED.format(after='input.after', until='input.until')})",
)


async def raise_alert(
    db: AsyncConnection,
    *,
    rule: str,
    topic: str,
    severity: str,
    first_event: bytes,
    last_event: bytes,
    at: datetime,
    last_at: datetime,
    before: int,
    times: int,
    facts: Mapping[str, object],
    settings: AlertSettings,
    receivers: Sequence[str],
    now: datetime,
) -> bytes:
    """The id of the alert about this: one that is still going on, which grows, else a new one that is sent.

    It happened `times`, from `at` to `last_at`; a new alert counts what happened `before` it was one, too.
    """
    # A clock that ran ahead left alerts of times to come; they must not take in what happens until then.
    quiet = alerts.c.last_at > at - settings.quiet, alerts.c.last_at <= at + settings.quiet
    same = select(alerts).where(
        alerts.c.rule == rule, alerts.c.topic == topic, *quiet, alerts.c.opened_at > at - LONGEST
    )
    known = (await db.execute(same.order_by(alerts.c.opened_at.desc()).limit(1))).mappings().first()
    if known is not None:
        grown = {"count": known["count"] + times, "last_at": max(known["last_at"], last_at), "last_event": last_event}
        grown["facts"] = {**known["facts"], **facts, "first_seq": known["facts"].get("first_seq")}
        await db.execute(update(alerts).where(alerts.c.id == known["id"]).values(**grown))
        return bytes(known["id"])
    alert_id = new_id(now)
    named = {"id": alert_id, "rule": rule, "topic": topic, "severity": severity, "facts": facts}
    happened = {"opened_at": at, "last_at": last_at, "first_event": first_event, "last_event": last_event}
    await db.execute(insert(alerts).values(count=before + times, **named, **happened))
    await send_to(db, alert_id, receivers, Purpose.OPENED, now=now)
    return alert_id


async def send_to(
    db: AsyncConnection, alert_id: bytes, receivers: Sequence[str], purpose: Purpose, *, now: datetime
) -> None:
    """Promises a message about an alert to each receiver, due at once."""
    rows = [
        {
            "id": new_id(now),
            "alert_id": alert_id,
            "receiver": receiver,
            "purpose": purpose.value,
            "created_at": now,
            "due_at": now,
            "tries": 0,
        }
        for receiver in receivers
    ]
    if rows:
        await db.execute(insert(deliveries), rows)


def unanswered_between(settings: AlertSettings, now: datetime) -> tuple[bytes, bytes]:
    """The ids between which alerts lie that waited too long for somebody.

    What lay for a day while nobody watched is in the list, and would only come as a flood.
    """
    return _last_id(now - LONGEST), _last_id(now - settings.escalate_after)


def _last_id(at: datetime) -> bytes:
    """The greatest id (RFC 9562 §5.7) of a moment."""
    return (to_micros(at) // 1000).to_bytes(6, "big") + b"\xff" * 10


def _is_unanswered(settings: AlertSettings, now: datetime) -> ColumnElement[bool]:
    after, until = unanswered_between(settings, now)
    is_open = and_(alerts.c.acknowledged_at.is_(None), alerts.c.escalated_at.is_(None))
    return and_(is_open, alerts.c.id > after, alerts.c.id <= until)


async def escalate(
    db: AsyncConnection, settings: AlertSettings, receivers: Sequence[str], *, now: datetime
) -> list[bytes]:
    """Says again, to all of `receivers`, what nobody acknowledged; returns which alerts."""
    again = update(alerts).where(_is_unanswered(settings, now)).values(escalated_at=now).returning(alerts.c.id)
    ids = [bytes(row.id) for row in (await db.execute(again)).all()]
    for alert_id in ids:
        await send_to(db, alert_id, receivers, Purpose.ESCALATED, now=now)
    return ids


async def acknowledge(
    db: AsyncConnection,
    emitter: Emitter,
    alert_id: bytes,
    *,
    by: str,
    tells: Sequence[str],
    now: datetime,
) -> bool:
    """Notes that somebody looks after an alert, and tells the receivers in `tells`; False where somebody did before."""
    open_ = update(alerts).where(alerts.c.id == alert_id, alerts.c.acknowledged_at.is_(None))
    taken = open_.values(acknowledged_at=now, acknowledged_by=by).returning(alerts.c.rule)
    row = (await db.execute(taken)).first()
    if row is None:
        return False
    # What would only say that nobody answers is not true any more.
    pending = deliveries.c.sent_at.is_(None), deliveries.c.failed_at.is_(None)
    escalations = deliveries.delete().where(
        deliveries.c.alert_id == alert_id, deliveries.c.purpose == Purpose.ESCALATED.value, *pending
    )
    await db.execute(escalations)
    await send_to(db, alert_id, tells, Purpose.ACKNOWLEDGED, now=now)
    data = {"alert": show_id(ALERT, alert_id), "rule": row.rule}
    await emitter.emit(db, Event(type=ALERT_ACKNOWLEDGED, actor=by, data=data), now=now)
    return True


async def find_alert(db: AsyncConnection, alert_id: bytes) -> StoredAlert | None:
    """The alert with this id, or None."""
    row = (await db.execute(select(alerts).where(alerts.c.id == alert_id))).mappings().first()
    return None if row is None else _alert(row)


async def list_alerts(
    db: AsyncConnection, *, only_open: bool = False, ids: Sequence[bytes] | None = None, limit: int = 100
) -> list[StoredAlert]:
    """The newest alerts, newest first; `only_open`: those that nobody acknowledged."""
    query = select(alerts).order_by(alerts.c.opened_at.desc(), alerts.c.id.desc()).limit(limit)
    if only_open:
        query = query.where(alerts.c.acknowledged_at.is_(None))
    if ids is not None:
        query = query.where(alerts.c.id.in_(list(ids)))
    return [_alert(row) for row in (await db.execute(query)).mappings()]


def parse_alert_id(text: str) -> bytes | None:
    """The id behind `alr_…`, or None."""
    return parse_id(ALERT, text)


def _alert(row: RowMapping) -> StoredAlert:
    return StoredAlert(**{name: row[name] for name in StoredAlert.__dataclass_fields__})
