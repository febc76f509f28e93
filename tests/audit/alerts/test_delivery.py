"""Receivers that are away, slow, endless or sent elsewhere; what is tried again, given up, and sent once more."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import update

from audit.alerts.outgoing import FIRST_WAIT, GIVES_UP_AFTER, GONE, LONGEST_WAIT, next_try
from audit.tables import deliveries
from base.clock import utc_now
from server import alert_desk
from tests.audit.alerts.desk import Desk, locked, names_of_events, open_desk
from tests.http_receiver import HttpReceiver

pytestmark = pytest.mark.anyio

NOW = utc_now()


@asynccontextmanager
async def desk_with_slack(database_url: str, folder: Path, **settings: str) -> AsyncIterator[tuple[Desk, HttpReceiver]]:
    """A deployment with a webhook and Slack."""
    async with AsyncExitStack() as stack:
        slack = await stack.enter_async_context(HttpReceiver().running())
        asked = {"alert__slack_url": slack.url, **settings}
        desk = await stack.enter_async_context(open_desk(database_url, folder, clock=None, **asked))
        slack.posts.clear()
        yield desk, slack


def test_waits_grow_from_seconds_to_hours_and_end_after_a_day() -> None:
    at, tries = NOW, 0
    while True:
        tries += 1
        due_at = next_try(tries, created_at=NOW, now=at, chance=1.0)
        if due_at is None:
            break
        assert timedelta(0) < due_at - at <= LONGEST_WAIT
        at = due_at
    assert 15 < tries < 30
    assert GIVES_UP_AFTER - LONGEST_WAIT <= at - NOW < GIVES_UP_AFTER


def test_waits_are_spread_so_that_many_do_not_come_back_together() -> None:
    times = [next_try(1, created_at=NOW, now=NOW, chance=chance) for chance in (0.0, 0.5, 1.0)]
    assert times == [NOW + FIRST_WAIT * part for part in (0.5, 0.75, 1.0)]


@pytest.mark.parametrize(
    ("mood", "status", "words"),
    [
        ("answer", 500, "it answered 500"),
        ("answer", 404, "it answered 404"),
        ("answer", 302, "it redirects, which is not followed (302)"),
        ("hang", 200, "no answer in time (1 s)"),
        ("endless", 200, "no answer in time (1 s)"),
        ("cut", 200, "its answer is no HTTP, or was cut"),
    ],
)
async def test_what_a_receiver_does_is_noted_and_it_is_tried_again(
    desk: Desk, mood: str, status: int, words: str
) -> None:
    """S48, F8"""
    person = await desk.world.person(password=None)
    desk.receiver.mood, desk.receiver.status = mood, status
    await desk.tell(locked(person))
    await desk.round()
    [first] = await desk.deliveries()
    assert words in (first.reason or "")
    assert "SECRET" not in (first.reason or "")
    assert (first.tries, first.sent_at, first.failed_at) == (1, None, None)
    assert timedelta(seconds=4) < first.due_at - desk.clock() <= FIRST_WAIT
    # Not before its time, and then once.
    await desk.round()
    assert len(desk.receiver.posts) == 1
    desk.receiver.mood, desk.receiver.status = "answer", 200
    desk.clock.move(seconds=10)
    await desk.round()
    await desk.round()
    [again] = await desk.deliveries()
    assert (again.tries, again.reason) == (2, None)
    assert again.sent_at is not None
    # To the receiver both are one message.
    assert len(desk.receiver.posts) == 2
    assert len({post.headers["webhook-id"] for post in desk.receiver.posts}) == 1
    assert len({post.headers["webhook-timestamp"] for post in desk.receiver.posts}) == 2


async def test_a_receiver_that_hangs_holds_up_no_other(database_url: str, tmp_path: Path) -> None:
    """F8: each message is a task of its own, and each receiver has its own hands."""
    async with desk_with_slack(database_url, tmp_path, outbound__timeout_s="30") as (desk, slack):
        people = [await desk.world.person(f"person{number}", password=None) for number in range(6)]
        desk.receiver.mood = "hang"
        await desk.tell(*[locked(person) for person in people])
        sending = desk.alerting.sending
        for _ in range(4):
            await desk.alerting.round()
            # Everything to Slack is done while the webhook still says nothing.
            for task, name in list(sending._tasks.items()):
                if name == "slack":
                    await task
        assert len(slack.posts) == 6
        assert len(desk.receiver.posts) <= 4
        assert set(sending._tasks.values()) == {"webhook"}
        sent = {each.receiver for each in await desk.deliveries() if each.sent_at is not None}
        assert sent == {"slack"}
        for task in list(sending._tasks):
            task.cancel()


async def test_what_never_arrives_is_given_up_after_a_day_with_an_event_and_no_alert_about_it(
    database_url: str, tmp_path: Path
) -> None:
    async with open_desk(database_url, tmp_path, clock=None, alert__escalate_s="86400") as desk:
        await check_given_up(desk)


async def check_given_up(desk: Desk) -> None:
    """The webhook never answers well, for more than a day."""
    person = await desk.world.person(password=None)
    desk.receiver.status = 500
    await desk.tell(locked(person))
    await desk.round()
    rounds = 0
    while not (await desk.deliveries())[0].failed_at:
        desk.clock.move(hours=1)
        await desk.round()
        rounds += 1
        assert rounds < 40
    await desk.sequencer.round()
    await desk.round()
    first = (await desk.deliveries())[0]
    assert "it answered 500" in (first.reason or "")
    [told] = await desk.world.events("admin.alert_undelivered")
    [alert] = await desk.alerts()
    assert told["data"] == {
        "alert": f"alr_{alert.id.hex()}", "rule": "high_event", "receiver": "webhook", "reason": "it answered 500",
        "tries": first.tries,
    }  # fmt: skip
    assert (told["severity"], told["outcome"], told["actor"]) == ("MEDIUM", "failure", "system")
    assert await desk.rules() == [("high_event", 1)]


async def test_a_dead_letter_is_sent_again_when_somebody_asks(desk: Desk) -> None:
    person = await desk.world.person(password=None)
    await desk.tell(locked(person))
    desk.receiver.status = 500
    await desk.round()
    async with desk.world.services.database.transaction() as db:
        await db.execute(update(deliveries).values(failed_at=desk.clock(), reason="it answered 500"))
    desk.receiver.status = 200
    desk.clock.move(hours=1)
    await desk.round()
    posts = len(desk.receiver.posts)
    failed = await alert_desk.list_failed(desk.settings, desk.world.services, limit=10)
    assert [each["receiver"] for each in failed] == [f"webhook at 127.0.0.1:{desk.receiver.port}"]
    now = desk.clock()
    again = await alert_desk.send_again(desk.world.services, None, by="cli", now=now)
    assert [each["receiver"] for each in again] == ["webhook"]
    await desk.round()
    # The escalation was due meanwhile, too.
    assert len(desk.receiver.posts) == posts + 1
    assert all(each.sent_at is not None and each.failed_at is None for each in await desk.deliveries())
    assert "admin.alert_sent_again" in await names_of_events(desk)
    assert await alert_desk.send_again(desk.world.services, None, by="cli", now=now) == []


async def test_what_waits_for_a_receiver_that_is_gone_is_given_up_after_a_day(
    database_url: str, tmp_path: Path
) -> None:
    async with desk_with_slack(database_url, tmp_path) as (desk, slack):
        person = await desk.world.person(password=None)
        slack.status = 500
        await desk.tell(locked(person))
        await desk.round()
        desk.settings = desk.settings.model_copy(
            update={"alert": desk.settings.alert.model_copy(update={"slack_url": None})}
        )
        without = desk.alert()
        desk.clock.move(hours=12)
        await desk.alerting.stop()
        await desk.round(without)
        assert not any(each.failed_at for each in await desk.deliveries())
        desk.clock.move(hours=13)
        await desk.round(without)
        given_up = [each for each in await desk.deliveries() if each.failed_at]
        assert [(each.receiver, each.reason) for each in given_up] == [("slack", GONE)]


async def test_without_a_receiver_alerts_are_kept_all_the_same(database_url: str, tmp_path: Path) -> None:
    settings = {"alert__webhook_url": "", "alert__webhook_secret": ""}
    async with open_desk(database_url, tmp_path, clock=None, **settings) as desk:
        await desk.tell(locked(await desk.world.person(password=None)))
        await desk.round()
        assert await desk.rules() == [("high_event", 1)]
        assert await desk.deliveries() == []
