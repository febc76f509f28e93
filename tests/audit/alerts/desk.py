"""A deployment with receivers of the test's own, whose rounds the test runs by hand."""

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from sqlalchemy import select

from audit import catalogue as kinds
from audit.alerts.outgoing import StoredDelivery, list_deliveries
from audit.alerts.store import list_alerts
from audit.alerts.values import StoredAlert
from audit.ledger.numbering import make_sequencer
from audit.record import Event, Origin, RiskNote
from base.cursors import load_cursor
from base.ids import PERSON, show_id
from identity.person_values import Person
from server.alerting import Alerting, make_alerting
from server.settings import Settings, load_settings
from tests.http_receiver import HttpReceiver
from tests.world import ISSUER, MovableClock, World, open_world

SECRET = "whsec_MDEyMzQ1Njc4OWFiY2RlZmdoaWprbG1ub3BxcnN0dXY="
LOOPBACK = "127.0.0.0/8"


@dataclass
class Desk:
    """One deployment with its alerting; `alert(…)` makes that of another process."""

    world: World
    receiver: HttpReceiver
    settings: Settings
    alerting: Alerting = field(init=False)

    def __post_init__(self) -> None:
        self.alerting = self.alert()
        self.sequencer = make_sequencer(self.world.services.audit)

    @property
    def clock(self) -> MovableClock:
        return self.world.clock

    def alert(self) -> Alerting:
        """The part of another process."""
        return make_alerting(self.settings, self.world.services)

    async def tell(self, *events: Event, at: datetime | None = None) -> None:
        """Lets things happen, and numbers them."""
        async with self.world.services.database.transaction() as db:
            await self.world.services.emitter.emit_all(db, events, now=at or self.clock())
        await self.sequencer.round()

    async def round(self, *parts: Alerting) -> None:
        """One round of each process (of the one, where none is named), and all that it sent."""
        for part in parts or (self.alerting,):
            await part.round()
        for part in parts or (self.alerting,):
            await part.sending.finish()

    async def alerts(self) -> list[StoredAlert]:
        """All alerts, oldest first."""
        async with self.world.services.database.reading() as db:
            return (await list_alerts(db))[::-1]

    async def rules(self) -> list[tuple[str, int]]:
        """The rule and the count of each alert, oldest first."""
        return [(alert.rule, alert.count) for alert in await self.alerts()]

    async def deliveries(self) -> list[StoredDelivery]:
        """All messages, oldest first."""
        async with self.world.services.database.reading() as db:
            return await list_deliveries(db)

    async def cursor(self) -> int | None:
        """How far the watch has come."""
        async with self.world.services.database.reading() as db:
            return await load_cursor(db, "alerts")

    def told(self) -> list[tuple[object, object]]:
        """What the webhook was told: the type and the summary of each message."""
        return [(post.document["type"], _data(post.document)["summary"]) for post in self.receiver.posts]


def _data(document: Mapping[str, object]) -> dict[str, object]:
    data = document["data"]
    assert isinstance(data, dict)
    return data


@asynccontextmanager
async def open_desk(
    database_url: str, folder: Path, *, clock: MovableClock | None = None, **settings: str
) -> AsyncIterator[Desk]:
    """A deployment with a webhook that the test looks into; `settings` are environment names in lower case."""
    async with AsyncExitStack() as stack:
        receiver = await stack.enter_async_context(HttpReceiver().running())
        asked = {
            "issuer": ISSUER,
            "outbound__allow": LOOPBACK,
            "outbound__timeout_s": "1",
            "smtp_url": "smtp://127.0.0.1:9",
            "mail__sender": "Ostiary <no-reply@id.example.com>",
            "alert__webhook_url": receiver.url,
            "alert__webhook_secret": SECRET,
            **settings,
        }
        environ = {f"OSTIARY_{name.upper()}": value for name, value in asked.items() if value}
        loaded = load_settings(environ={**environ, "OSTIARY_SECRETS_DIR": str(folder / "none")}).settings
        world = await stack.enter_async_context(
            open_world(
                database_url,
                folder,
                clock=clock,
                outbound__allow=LOOPBACK,
                outbound__timeout_s=asked["outbound__timeout_s"],
            )
        )
        desk = Desk(world, receiver, loaded)
        # What the start of a deployment itself did is told before the test begins.
        await desk.sequencer.round()
        await desk.round()
        receiver.posts.clear()
        yield desk


# ---- things that happen


def locked(person: Person) -> Event:
    """A HIGH event about a person."""
    shown = show_id(PERSON, person.id)
    data = {"failures": 5, "until": 1700000000, "scope": "person"}
    return Event(
        type=kinds.LOCKOUT_STARTED, actor="anonymous", outcome="denied", subject=shown, person=person.id,
        origin=Origin(address="198.51.100.7"), data=data,
    )  # fmt: skip


def failed(account: Person | str, *, address: str = "198.51.100.7", reason: str = "wrong_password") -> Event:
    """A failed sign-in at an account that exists, or at a name that nobody has."""
    if isinstance(account, str):
        data: dict[str, object] = {"reason": "unknown_account", "typed_digest": account}
        return Event(
            type=kinds.LOGIN_FAILED, actor="anonymous", outcome="failure", origin=Origin(address=address), data=data
        )
    is_closed = reason != "wrong_password"
    return Event(
        type=kinds.LOGIN_REFUSED if is_closed else kinds.LOGIN_FAILED, actor="anonymous",
        outcome="denied" if is_closed else "failure", subject=show_id(PERSON, account.id), person=account.id,
        origin=Origin(address=address), data={"reason": reason},
    )  # fmt: skip


def new_device(person: Person, *, device_id: bytes = b"d" * 16) -> Event:
    """A person signs in with a device that nobody has seen."""
    shown = show_id(PERSON, person.id)
    return Event(
        type=kinds.DEVICE_ADDED, actor=shown, subject=shown, person=person.id, device_id=device_id,
        origin=Origin(address="203.0.113.9"), personal={"label": "Firefox on Linux"},
    )  # fmt: skip


def new_country(person: Person, country: str = "NL") -> Event:
    """A person signs in from a country where they never were."""
    shown = show_id(PERSON, person.id)
    return Event(
        type=kinds.LOGIN_NEW_COUNTRY, actor=shown, person=person.id, origin=Origin(address="203.0.113.9"),
        place={"country": country},
    )  # fmt: skip


def critical(person: Person) -> Event:
    """A sign-in looks like somebody else's."""
    risk = RiskNote(score=96, level="critical", calibration="shipped", log_odds=5.5)
    data = {"to": 96, "threshold": 90, "why": "sign_in", "effect": "strong_factor"}
    return Event(
        type=kinds.RISK_CRITICAL, actor="anonymous", person=person.id, outcome="denied",
        origin=Origin(address="203.0.113.9"), data=data, risk=risk, place={"city": "Delft", "country": "NL"},
    )  # fmt: skip


def reused(person: Person, *, client_id: str = "cli_orders") -> Event:
    """A refresh token that was spent comes back."""
    return Event(
        type=kinds.TOKEN_REUSED, actor=client_id, outcome="denied", subject=show_id(PERSON, person.id),
        person=person.id, client_id=client_id, data={"kind": "refresh_token", "grant": "grt_1"},
    )  # fmt: skip


async def names_of_events(desk: Desk) -> list[str]:
    """The names of everything that happened, in order."""
    from audit.tables import events

    async with desk.world.services.database.reading() as db:
        return list((await db.execute(select(events.c.name).order_by(events.c.at, events.c.id))).scalars())
