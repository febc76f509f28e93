"""A receiver that hangs, and two server processes: people sign in as ever, and the alert arrives once (F8)."""

import asyncio
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.audit.alerts.desk import LOOPBACK, SECRET
from tests.databases import Databases
from tests.http_receiver import HttpReceiver
from tests.identity.forms import sign_in
from tests.server_process import RemoteWorld, start_processes
from tests.world import open_world

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PATIENCE_S = 60.0


async def until(is_so: Callable[[], bool]) -> None:
    """Waits as long as a busy machine may need."""
    ends_at = time.monotonic() + PATIENCE_S
    while not is_so():
        assert time.monotonic() < ends_at, "it did not come in time"
        await asyncio.sleep(0.05)


async def test_people_sign_in_while_a_receiver_hangs_and_the_alert_arrives_once_it_does_not(
    databases: Databases, redis_url: str, tmp_path: Path
) -> None:
    async with HttpReceiver(mood="hang").running() as receiver:
        settings = {
            "OSTIARY_ALERT__WEBHOOK_URL": receiver.url,
            "OSTIARY_ALERT__WEBHOOK_SECRET": SECRET,
            "OSTIARY_OUTBOUND__ALLOW": LOOPBACK,
            "OSTIARY_OUTBOUND__TIMEOUT_S": "10",
        }
        with (
            databases.postgres() as url,
            start_processes(tmp_path, count=2, database_url=url, redis_url=redis_url, **settings) as processes,
        ):
            async with open_world(url, tmp_path, redis_url=redis_url) as local:
                worlds = [RemoteWorld(local.services, local.app, local.clock, process=one) for one in processes]
                await attack_and_sign_in(worlds, receiver)
    for process in ("process0", "process1"):
        said = (tmp_path / process / "server.log").read_text()
        assert "Traceback" not in said
        assert said.count("are tried again: 127.0.0.1") <= 1
        assert "SECRET" not in said


async def attack_and_sign_in(worlds: list[RemoteWorld], receiver: HttpReceiver) -> None:
    """Somebody guesses a password until the account is locked; others sign in while nobody can be told."""
    await worlds[0].person("mallory")
    people = [await worlds[0].person(f"person{number}") for number in range(6)]
    async with worlds[0].browser() as browser:
        for _ in range(5):
            await sign_in(browser, "mallory", "a wrong password, once more")
    await until(lambda: bool(locked_posts(receiver)))
    for number, _ in enumerate(people):
        async with worlds[number % 2].browser() as browser:
            answer = await sign_in(browser, f"person{number}")
            assert answer.status_code == 303
            assert (await browser.get("/account")).status_code == 200
    assert len(await worlds[0].events("login.succeeded")) == len(people)
    # The same call still waits for an answer, and nobody made another one.
    assert len(locked_posts(receiver)) == 1
    receiver.mood = "answer"
    await until(lambda: len(locked_posts(receiver)) > 1)
    await asyncio.sleep(2)
    assert len(set(locked_posts(receiver))) == 1
    assert len(locked_posts(receiver)) == 2


def locked_posts(receiver: HttpReceiver) -> list[str]:
    """The ids of the messages about the locked account, as often as they were sent."""
    return [post.headers["webhook-id"] for post in receiver.posts if b"lockout.started" in post.body]
