"""Alerts of one deployment: its receivers from the settings, and what identity knows that the rules ask for."""

from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.alerts.emergency import EmergencyAlert, make_probe
from audit.alerts.mail import MailReceiver
from audit.alerts.mail import MailServer as AlertMailServer
from audit.alerts.pagerduty import PagerDuty
from audit.alerts.receivers import Receiver
from audit.alerts.sending import AlertSending
from audit.alerts.signing import parse_secret
from audit.alerts.slack import Slack
from audit.alerts.values import AlertSettings, Limits
from audit.alerts.watch import AlertWatch
from audit.alerts.webhook import Webhook
from base.errors import StorageUnavailable
from base.ids import PERSON, parse_id, show_id
from base.outbound import Outbound
from identity.services import Services
from identity.tables import clients, people
from server.mail_sending import find_server
from server.setting_values import split_list
from server.settings import Settings

# A HIGH event waits for its number (0.1 s), and for the round that sees it and sends it: well within 2 s.
ALERT_S = 0.5
EMERGENCY_S = 1.0


@dataclass(frozen=True, slots=True)
class Receivers:
    """Who is told: `opened` of every alert, `last` of those that nobody acknowledged; `all` is both, each once."""

    opened: tuple[Receiver, ...]
    last: tuple[Receiver, ...]

    @property
    def all(self) -> tuple[Receiver, ...]:
        return tuple({receiver.name: receiver for receiver in (*self.opened, *self.last)}.values())


class Alerting:
    """One process's part in alerts, beside its requests."""

    def __init__(self, watch: AlertWatch, sending: AlertSending) -> None:
        self.watch = watch
        self.sending = sending

    async def round(self) -> None:
        """Sees what is new, and begins to send what is due."""
        try:
            await self.watch.round()
        finally:
            # A fault of the watch must not keep back what it has seen before.
            await self.sending.round()

    async def stop(self) -> None:
        """Lets another process watch, and gives what is on its way a moment."""
        for part in (self.watch, self.sending):
            # The lease and the claims end by themselves.
            with suppress(StorageUnavailable):
                await part.stop()


def make_alerting(settings: Settings, services: Services) -> Alerting:
    """What watches and sends; without a receiver alerts are kept for `ostiary alert list`."""
    told, receivers = alert_settings(settings), make_receivers(settings, services.audit.outbound)
    watch = AlertWatch(
        services.audit,
        told,
        find_administrators,
        receivers=tuple(receiver.name for receiver in receivers.opened),
        last=tuple(receiver.name for receiver in receivers.last),
    )
    return Alerting(watch, AlertSending(services.audit, told, receivers.all, find_names))


def make_emergency(settings: Settings, services: Services, count: Callable[[], int]) -> EmergencyAlert:
    """What tells that events cannot be written; `count` is how many requests were refused for it since the start."""
    receivers = make_receivers(settings, services.audit.outbound).all
    probe = make_probe(services.database)
    return EmergencyAlert(count, probe, receivers, alert_settings(settings), services.clock)


def alert_settings(settings: Settings) -> AlertSettings:
    """What the alerts' room is told."""
    alert = settings.alert
    return AlertSettings(
        limits=Limits(alert.account_failures, alert.address_accounts, alert.lockouts),
        quiet=timedelta(seconds=alert.quiet_s),
        escalate_after=timedelta(seconds=alert.escalate_s),
        issuer=settings.issuer,
        service_name=settings.service_name,
        language=alert.language,
    )


def make_receivers(settings: Settings, outbound: Outbound) -> Receivers:
    """The receivers that are set."""
    alert = settings.alert
    posted: list[Receiver] = []
    if alert.webhook_url:
        keys = [parse_secret(each) for each in split_list(alert.webhook_secret or "")]
        posted.append(Webhook(outbound, alert.webhook_url, keys))
    if alert.slack_url:
        posted.append(Slack(outbound, alert.slack_url))
    if alert.pagerduty_key:
        posted.append(PagerDuty(outbound, alert.pagerduty_url, alert.pagerduty_key))
    opened = (*posted, *_mail(settings, alert.email))
    return Receivers(opened, (*opened, *_mail(settings, alert.escalate_email)))


def _mail(settings: Settings, addresses: str | None) -> list[MailReceiver]:
    server = find_server(settings)
    if server is None:
        return []
    told = AlertMailServer(server.address, server.sender, server.tls)
    return [MailReceiver(told, address) for address in dict.fromkeys(split_list(addresses or ""))]


async def find_administrators(db: AsyncConnection, ids: Collection[str]) -> frozenset[str]:
    """Which of these people are administrators."""
    query = select(people.c.id).where(people.c.id.in_(_people(ids)), people.c.is_admin.is_(True))
    return frozenset(show_id(PERSON, row.id) for row in (await db.execute(query)).all())


async def find_names(db: AsyncConnection, ids: Collection[str]) -> Mapping[str, str]:
    """What people and applications are called, by their public ids; those that are gone have no name."""
    known = select(people.c.id, people.c.username, people.c.profile).where(people.c.id.in_(_people(ids)))
    named = select(clients.c.client_id, clients.c.name).where(clients.c.client_id.in_(list(ids)))
    names = {show_id(PERSON, row.id): _name(row.username, row.profile) for row in (await db.execute(known)).all()}
    names |= {row.client_id: row.name for row in (await db.execute(named)).all()}
    return {each: name for each, name in names.items() if name}


def _people(ids: Collection[str]) -> list[bytes]:
    return [found for each in ids if (found := parse_id(PERSON, each)) is not None]


def _name(username: str | None, profile: Mapping[str, object]) -> str:
    name = profile.get("name")
    return username or (name if isinstance(name, str) else "")
