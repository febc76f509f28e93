"""Two server processes and one mail server that is away at first: every letter arrives, and once (F14)."""

import asyncio
import time
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from sqlalchemy import func, select

from base.tables import outbox
from identity.mail.letter_values import Fact, LetterKind
from identity.mail.notices import send_letter
from tests.databases import Databases
from tests.server_process import start_processes
from tests.services import free_port
from tests.smtp_server import SmtpServer
from tests.world import ISSUER, World, open_world

pytestmark = [pytest.mark.anyio, pytest.mark.slow]

PATIENCE_S = 30.0


async def promise(world: World, addresses: list[str]) -> None:
    services = replace(world.services, settings=replace(world.services.settings, has_mail=True))
    now = world.clock()
    facts: dict[str, Fact] = {"link": f"{ISSUER}/verify/olk_x", "expires_at": now + timedelta(hours=1)}
    async with services.database.transaction() as db:
        for address in addresses:
            await send_letter(db, services, LetterKind.VERIFY, to=address, facts=facts, now=now)


async def all_sent(world: World) -> bool:
    async with world.services.database.reading() as db:
        waiting = select(func.count()).select_from(outbox).where(outbox.c.sent_at.is_(None))
        return (await db.execute(waiting)).scalar_one() == 0


async def test_letters_that_were_promised_while_the_mail_server_was_away_arrive_once(
    databases: Databases, redis_url: str, tmp_path: Path
) -> None:
    port = free_port()
    addresses = [f"person{number}@example.com" for number in range(30)]
    with (
        databases.postgres() as url,
        start_processes(
            tmp_path,
            count=2,
            database_url=url,
            redis_url=redis_url,
            OSTIARY_SMTP_URL=f"smtp://127.0.0.1:{port}",
            OSTIARY_MAIL__SENDER="no-reply@example.com",
        ),
    ):
        async with open_world(url, tmp_path) as world:
            await promise(world, addresses)
            await asyncio.sleep(2)
            async with SmtpServer(delay_s=0.01).running(port) as server:
                ends_at = time.monotonic() + PATIENCE_S
                while not await all_sent(world):
                    assert time.monotonic() < ends_at, f"{len(server.arrived)} letters arrived in time"
                    await asyncio.sleep(0.1)
                assert sorted(letter.to for letter in server.arrived) == sorted(addresses)
                assert {str(letter.message["from"]) for letter in server.arrived} == {"Ostiary <no-reply@example.com>"}
    for process in ("process0", "process1"):
        said = (tmp_path / process / "server.log").read_text()
        assert said.count("letters wait") <= 1, said
        assert "Traceback" not in said
