"""A deployment that a browser can reach: the whole application on a loopback port of its own."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest
import uvicorn

from tests.databases import Databases
from tests.world import World, open_world


@dataclass(frozen=True, slots=True)
class Site:
    """A deployment behind an address."""

    world: World
    address: str

    def url(self, path: str) -> str:
        """The whole address of a page."""
        return self.address + path


@asynccontextmanager
async def open_site(
    databases: Databases, folder: Path, *, refusal_deadline: timedelta | None = None, **settings: str | None
) -> AsyncIterator[Site]:
    """The application over a fresh SQLite database in `folder`, on `localhost`; `settings` as in `open_world`."""
    with socket.socket() as listening, databases.sqlite(folder) as url:
        listening.bind(("127.0.0.1", 0))
        address = f"http://localhost:{listening.getsockname()[1]}"
        async with open_world(
            url, folder, clock=None, policy=None, refusal_deadline=refusal_deadline, issuer=address, **settings
        ) as world:
            config = uvicorn.Config(world.app.asgi, log_level="warning", lifespan="off")
            server = uvicorn.Server(config)
            serving = asyncio.create_task(server.serve(sockets=[listening]))
            while not server.started:
                await asyncio.sleep(0.01)
            yield Site(world, address)
            server.should_exit = True
            await serving


@pytest.fixture
async def site(databases: Databases, tmp_path: Path) -> AsyncIterator[Site]:
    """The application over a fresh SQLite database, served on `localhost`."""
    async with open_site(databases, tmp_path) as opened:
        yield opened
