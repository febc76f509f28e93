"""What the commands find in the log of a deployment that ran for a while."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from datetime import datetime
from typing import TypeVar

from sqlalchemy import insert

from base.ids import new_id
from identity.services import Services
from identity.tables import credentials
from server.composition import open_services
from server.master_key import load_master_keys
from server.schema import prepare_database
from server.settings import load_settings
from tests.risk.past import Past, write_past
from tests.server.command_line import CommandLine

Result = TypeVar("Result")


async def _on(cli: CommandLine, work: Callable[[Services], Awaitable[Result]]) -> Result:
    settings = load_settings(environ=cli.environ).settings
    await asyncio.to_thread(prepare_database, settings)
    async with open_services(settings, load_master_keys(settings)) as services:
        return await work(services)


def write(cli: CommandLine, made: Callable[[datetime], Iterable[Past]]) -> None:
    """Writes what `made` gives for now."""

    async def work(services: Services) -> None:
        await write_past(services, made(services.clock()))

    asyncio.run(_on(cli, work))


def give_totp(cli: CommandLine, person_id: bytes) -> None:
    """Gives somebody an authenticator app."""

    async def work(services: Services) -> None:
        now = services.clock()
        row = {"id": new_id(now), "person_id": person_id, "kind": "totp", "attributes": {}, "version": 1}
        async with services.database.transaction() as db:
            await db.execute(insert(credentials).values(**row, created_at=now))

    asyncio.run(_on(cli, work))


def scorer_in_use(cli: CommandLine) -> str:
    """The calibration that a server which starts now scores with."""

    async def work(services: Services) -> str:
        return services.risk.scoring.scorer.calibration.id

    return asyncio.run(_on(cli, work))
