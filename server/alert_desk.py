"""What operators do with alerts, for commands and later pages: look, acknowledge, test, send again."""

import asyncio
import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts import outgoing, store
from audit.alerts.mail import write
from audit.alerts.messages import Message, compose, ids_in
from audit.alerts.outgoing import StoredDelivery
from audit.alerts.receivers import DeliveryFailed, Receiver
from audit.alerts.rules import TEST
from audit.alerts.sending import load_events
from audit.alerts.values import ALERT, Purpose, StoredAlert
from audit.catalogue import ALERT_TESTED
from audit.record import Event
from base.ids import new_id, show_id
from identity.errors import Refused
from identity.services import Services
from server.alerting import alert_settings, find_names, make_receivers
from server.settings import Settings

COLUMNS = ("id", "opened_at", "severity", "rule", "count", "about", "acknowledged_by")
FAILED_COLUMNS = ("alert", "failed_at", "receiver", "tries", "reason")


@dataclass(frozen=True, slots=True)
class Shown:
    """An alert with everything about it, for programs and for people."""

    document: dict[str, object]
    words: str


@dataclass(frozen=True, slots=True)
class Tested:
    """What a receiver answered: `reason` is None where it took the test."""

    receiver: str
    reason: str | None


async def list_alerts(services: Services, *, only_open: bool, limit: int) -> list[dict[str, object]]:
    """The newest alerts, newest first."""
    async with services.database.reading() as db:
        found = await store.list_alerts(db, only_open=only_open, limit=limit)
        names = await find_names(db, set().union(*(ids_in(alert, None) for alert in found)))
    return [_document(alert, names) for alert in found]


async def list_failed(settings: Settings, services: Services, *, limit: int) -> list[dict[str, object]]:
    """The messages that were given up, oldest first."""
    async with services.database.reading() as db:
        found = await outgoing.list_deliveries(db, only_failed=True, limit=limit)
    return [_message(each, _shown_names(settings, services)) for each in found]


async def show(settings: Settings, services: Services, alert_id: bytes, *, now: datetime) -> Shown:
    """One alert, as its letter says it, with its messages; raises Refused where there is none."""
    async with services.database.reading() as db:
        alert = await _load(db, alert_id)
        event = (await load_events(db, services.audit, [alert])).get(alert.id)
        names = await find_names(db, ids_in(alert, event))
        sent = await outgoing.list_deliveries(db, [alert.id])
    message = compose(
        alert,
        event,
        delivery=os.urandom(16).hex(),
        purpose=Purpose.OPENED if alert.acknowledged_at is None else Purpose.ACKNOWLEDGED,
        names=names,
        settings=alert_settings(settings),
        now=now,
    )
    told = [_message(each, _shown_names(settings, services)) for each in sent]
    document = {**_document(alert, names), "event": message.event, "messages": told}
    lines = [f"{each['receiver']}: {each['purpose']}, {_outcome(each)}" for each in told]
    return Shown(document, "\n".join([write(message).text.partition("\n-- \n")[0].strip(), "", *lines]).strip())


async def acknowledge(settings: Settings, services: Services, alert_id: bytes, *, by: str, now: datetime) -> bool:
    """Whether nobody had before; raises Refused where there is no such alert."""
    receivers = make_receivers(settings, services.audit.outbound).opened
    tells = [receiver.name for receiver in receivers if receiver.hears_acknowledgements]
    async with services.database.transaction() as db:
        await _load(db, alert_id)
        return await store.acknowledge(db, services.emitter, alert_id, by=by, tells=tells, now=now)


async def send_again(services: Services, alert_id: bytes | None, *, by: str, now: datetime) -> list[dict[str, object]]:
    """What was given up and is tried for another day; raises Refused where there is no such alert."""
    async with services.database.transaction() as db:
        if alert_id is not None:
            await _load(db, alert_id)
        found = await outgoing.send_again(db, services.emitter, alert_id, by=by, now=now)
    return [{"alert": show_id(ALERT, each), "receiver": receiver} for each, receiver in found]


async def test(settings: Settings, services: Services, *, by: str, now: datetime) -> list[Tested]:
    """Sends a test to every receiver at once; nothing of it is stored but its event."""
    receivers = make_receivers(settings, services.audit.outbound).all
    message = _test_message(settings, now)
    results = await asyncio.gather(*(_try(receiver, message) for receiver in receivers))
    if receivers:
        event = Event(type=ALERT_TESTED, actor=by, data={"receivers": [each.name for each in receivers]})
        async with services.database.transaction() as db:
            await services.emitter.emit(db, event, now=now)
    return list(results)


async def _try(receiver: Receiver, message: Message) -> Tested:
    try:
        await receiver.send(message)
    except DeliveryFailed as failure:
        return Tested(receiver.shown, str(failure))
    return Tested(receiver.shown, None)


def _test_message(settings: Settings, now: datetime) -> Message:
    alert = StoredAlert(
        id=new_id(now),
        rule=TEST.name,
        topic="",
        severity=TEST.severity.value,
        opened_at=now,
        last_at=now,
        count=1,
        first_event=None,
        last_event=None,
        facts={},
        acknowledged_at=None,
        acknowledged_by=None,
        escalated_at=None,
    )
    delivery = os.urandom(16).hex()
    told = alert_settings(settings)
    return compose(alert, None, delivery=delivery, purpose=Purpose.TEST, names={}, settings=told, now=now)


async def _load(db: AsyncConnection, alert_id: bytes) -> StoredAlert:
    alert = await store.find_alert(db, alert_id)
    if alert is None:
        raise Refused("alert", "there is no such alert; `ostiary alert list` shows those that there are")
    return alert


def _document(alert: StoredAlert, names: Mapping[str, str]) -> dict[str, object]:
    subject = alert.facts.get("subject")
    return {
        "id": show_id(ALERT, alert.id),
        "rule": alert.rule,
        "severity": alert.severity,
        "opened_at": alert.opened_at.isoformat(timespec="seconds"),
        "last_at": alert.last_at.isoformat(timespec="seconds"),
        "count": alert.count,
        "about": names.get(subject, subject) if isinstance(subject, str) else None,
        "facts": alert.facts,
        "acknowledged_at": alert.acknowledged_at and alert.acknowledged_at.isoformat(timespec="seconds"),
        "acknowledged_by": alert.acknowledged_by,
        "escalated_at": alert.escalated_at and alert.escalated_at.isoformat(timespec="seconds"),
    }


def _message(sent: StoredDelivery, shown: Mapping[str, str]) -> dict[str, object]:
    return {
        "alert": show_id(ALERT, sent.alert_id),
        "receiver": shown.get(sent.receiver, sent.receiver),
        "purpose": sent.purpose,
        "tries": sent.tries,
        "due_at": None if sent.sent_at or sent.failed_at else sent.due_at.isoformat(timespec="seconds"),
        "sent_at": sent.sent_at and sent.sent_at.isoformat(timespec="seconds"),
        "failed_at": sent.failed_at and sent.failed_at.isoformat(timespec="seconds"),
        "reason": sent.reason,
    }


def _outcome(message: Mapping[str, object]) -> str:
    if message["sent_at"]:
        return f"taken at {message['sent_at']}"
    if message["failed_at"]:
        return f"given up after {message['tries']} tries: {message['reason']}"
    return f"is tried next at {message['due_at']}" + (f" ({message['reason']})" if message["reason"] else "")


def _shown_names(settings: Settings, services: Services) -> dict[str, str]:
    return {each.name: each.shown for each in make_receivers(settings, services.audit.outbound).all}
