"""Events cannot be written: the alert goes out by another way, once, and says when it is over (S44, F5)."""

import logging
from datetime import datetime, timedelta
from ipaddress import ip_network
from pathlib import Path

import pytest
from sqlalchemy import select

from audit.alerts.emergency import EmergencyAlert, make_probe
from audit.alerts.messages import Message
from audit.alerts.pagerduty import PagerDuty
from audit.alerts.receivers import Receiver
from audit.alerts.slack import Slack
from audit.alerts.webhook import Webhook
from audit.tables import alerts
from base.database import Database
from base.errors import StorageUnavailable
from base.outbound import Outbound
from server.alerting import make_emergency
from tests.audit.alerts.desk import Desk, open_desk
from tests.audit.alerts.test_receivers import settings
from tests.http_receiver import HttpReceiver
from tests.oauth.test_storage_faults import broken
from tests.world import MovableClock

pytestmark = pytest.mark.anyio

OUTBOUND = Outbound(allow=(ip_network("127.0.0.0/8"),), timeout_s=1)


class Trouble:
    """A database as the emergency alert sees it: how many requests were refused, and whether a write goes well."""

    def __init__(self) -> None:
        self.clock = MovableClock()
        self.refused = 0
        self.can_write = True

    async def probe(self) -> None:
        if not self.can_write:
            raise StorageUnavailable("disk full")

    def alert(self, *receivers: Receiver) -> EmergencyAlert:
        return EmergencyAlert(lambda: self.refused, self.probe, receivers, settings(), self.clock)


async def passes(trouble: Trouble, alert: EmergencyAlert, seconds: int, *, refused: int = 0) -> None:
    """So many seconds with a round each, and `refused` requests in each."""
    for _ in range(seconds):
        trouble.clock.move(seconds=1)
        trouble.refused += refused
        await alert.round()
        await alert.finish()


def told(receiver: HttpReceiver) -> list[object]:
    return [post.document["type"] for post in receiver.posts]


async def test_a_log_that_cannot_be_written_is_told_once_a_quiet_time_and_when_it_is_over(
    caplog: pytest.LogCaptureFixture,
) -> None:
    trouble = Trouble()
    async with HttpReceiver().running() as receiver:
        alert = trouble.alert(Webhook(OUTBOUND, receiver.url, [b"k" * 32]))
        await passes(trouble, alert, 60)
        assert receiver.posts == []
        trouble.can_write = False
        await passes(trouble, alert, 5, refused=2)
        assert receiver.posts == []
        with caplog.at_level(logging.WARNING, "ostiary.alerts"):
            # Nobody asks any more, and still nothing can be written.
            await passes(trouble, alert, 600)
            assert told(receiver) == ["alert.opened"]
            await passes(trouble, alert, 600)
            assert told(receiver) == ["alert.opened"] * 2
            trouble.can_write = True
            await passes(trouble, alert, 30)
    assert told(receiver) == ["alert.opened", "alert.opened", "alert.over"]
    data = [post.document["data"] for post in receiver.posts]
    assert isinstance(data[0], dict)
    assert isinstance(data[2], dict)
    assert data[0]["summary"] == "The audit log cannot be written"
    assert (data[0]["rule"], data[0]["severity"], data[0]["count"]) == ("audit_writing_failed", "HIGH", 10)
    assert data[2]["id"] == data[0]["id"]
    assert data[2]["summary"] == "It is over: The audit log cannot be written"
    assert "webhook-signature" in receiver.posts[0].headers
    levels = [(record.levelname, record.getMessage().partition(" since")[0]) for record in caplog.records]
    assert levels == [
        ("CRITICAL", "the audit log cannot be written"),
        ("CRITICAL", "the audit log cannot be written"),
        ("WARNING", "events are written again; 10 requests were refused meanwhile"),
    ]


async def test_a_trouble_that_ends_within_five_seconds_wakes_nobody() -> None:
    trouble = Trouble()
    async with HttpReceiver().running() as receiver:
        alert = trouble.alert(Webhook(OUTBOUND, receiver.url, []))
        for _ in range(5):
            await passes(trouble, alert, 3, refused=1)
            await passes(trouble, alert, 30)
    assert receiver.posts == []


async def test_a_receiver_that_is_away_is_asked_again_until_it_hears() -> None:
    trouble = Trouble()
    trouble.can_write = False
    async with HttpReceiver(status=500).running() as receiver, HttpReceiver(status=202).running() as duty:
        pager = PagerDuty(OUTBOUND, duty.url, "k" * 32)
        alert = trouble.alert(Webhook(OUTBOUND, receiver.url, []), pager)
        await passes(trouble, alert, 40, refused=1)
        assert len(receiver.posts) == 2
        receiver.status = 200
        await passes(trouble, alert, 60)
        assert len(receiver.posts) == 3
        assert len({post.headers["webhook-id"] for post in receiver.posts}) == 1
        trouble.can_write = True
        await passes(trouble, alert, 30)
    # The incident that was opened is closed.
    assert [post.document["event_action"] for post in duty.posts] == ["trigger", "resolve"]
    assert len({post.document["dedup_key"] for post in duty.posts}) == 1


async def test_a_receiver_that_hangs_does_not_hold_up_a_round() -> None:
    """F8"""
    trouble = Trouble()
    trouble.can_write = False
    async with HttpReceiver(mood="hang").running() as slow, HttpReceiver().running() as receiver:
        alert = trouble.alert(Webhook(OUTBOUND, slow.url, []), Slack(OUTBOUND, receiver.url))
        for _ in range(7):
            trouble.clock.move(seconds=1)
            trouble.refused += 1
            await alert.round()
        assert slow.posts == receiver.posts == []
        await alert.stop()
        assert len(receiver.posts) == 1


async def test_the_probe_writes_where_events_can_be_written_and_changes_nothing(desk: Desk) -> None:
    database = desk.world.services.database
    before = await desk.world.events()
    await make_probe(database)()
    assert await desk.world.events() == before
    async with broken(desk.world, "events"):
        with pytest.raises(StorageUnavailable):
            await make_probe(database)()


async def test_the_probe_of_a_database_that_is_away_says_so() -> None:
    database = Database("postgresql://nobody@127.0.0.1:9/none")
    with pytest.raises(StorageUnavailable):
        await make_probe(database)()
    await database.close()


async def test_a_sign_in_that_cannot_be_recorded_is_refused_counted_and_told(database_url: str, tmp_path: Path) -> None:
    """S44: 503, a metric, and an alert by another way; reads go on."""
    async with open_desk(database_url, tmp_path) as desk:
        world, metrics = desk.world, desk.world.app.metrics
        emergency = make_emergency(desk.settings, world.services, lambda: metrics.audit_write_failures)
        client = await world.client(grants=("client_credentials",), redirect_uris=(), scopes=())
        async with broken(world, "events"):
            for _ in range(7):
                answer = await world.token(client, grant_type="client_credentials", scope="orders:read")
                assert answer.status_code == 503
                async with world.browser() as browser:
                    assert (await browser.get("/.well-known/openid-configuration")).status_code == 200
                desk.clock.move(seconds=1)
                await emergency.round()
                await emergency.finish()
        assert metrics.audit_write_failures == 7
        assert b"ostiary_audit_write_failures_total 7.0" in metrics.text()
        assert desk.told() == [("alert.opened", "The audit log cannot be written")]
        for _ in range(12):
            desk.clock.move(seconds=1)
            await emergency.round()
        await emergency.finish()
        assert desk.told()[-1] == ("alert.over", "It is over: The audit log cannot be written")
        assert (await world.token(client, grant_type="client_credentials", scope="orders:read")).status_code == 200
        async with world.services.database.reading() as db:
            assert (await db.execute(select(alerts.c.rule))).scalars().all() == []
        assert timedelta(seconds=5) < emergency_lasted(desk) < timedelta(seconds=12)


def emergency_lasted(desk: Desk) -> timedelta:
    """From when to when, as the last message says."""
    data = desk.receiver.posts[-1].document["data"]
    assert isinstance(data, dict)
    return datetime.fromisoformat(data["last_at"]) - datetime.fromisoformat(data["opened_at"])


async def test_a_fault_of_ours_with_one_receiver_is_seen_and_keeps_nobody_from_being_told(
    caplog: pytest.LogCaptureFixture,
) -> None:
    class Faulty(Slack):
        async def send(self, message: Message) -> None:
            raise ValueError("a fault of ours")

    trouble = Trouble()
    trouble.can_write = False
    async with HttpReceiver().running() as receiver:
        alert = trouble.alert(Faulty(OUTBOUND, receiver.url), Webhook(OUTBOUND, receiver.url, []))
        await passes(trouble, alert, 8, refused=1)
    assert told(receiver) == ["alert.opened"]
    assert "cannot be told that the audit log cannot be written" in caplog.text
