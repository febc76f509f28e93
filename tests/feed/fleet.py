"""A deployment as it stands in a company: server processes behind one address, and services with the SDK beside."""

import asyncio
import base64
import json
import os
import sys
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import anyio
import msgspec

from tests.feed.histories import Histories, Told
from tests.feed.victims import Victim, Victims
from tests.feed.wire_cutter import WireCutter, wire_to
from tests.server.process import ROOT, environment, ports, serving
from tests.world import API, MASTER_KEY, CreatedClient, World, open_world

ANSWERS_WITHIN_S = 90.0
LOST_AFTER_S = 60.0
# So that no token of a long experiment ends by itself.
TTL_S = 900


@dataclass(slots=True)
class Service:
    """One process of a service that follows the feed."""

    process: asyncio.subprocess.Process

    async def tell(self, **command: object) -> None:
        """Sends a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self, within_s: float = ANSWERS_WITHIN_S) -> dict[str, object]:
        """Its next answer."""
        assert self.process.stdout is not None
        async with asyncio.timeout(within_s):
            line = await self.process.stdout.readline()
        assert line, "the service's process has ended"
        return msgspec.json.decode(line, type=dict[str, object])

    async def try_all(self, tokens: Sequence[str], *, sensitivity: str = "ordinary") -> list[str]:
        """What it says of each token."""
        await self.tell(do="try", tokens=tokens, sensitivity=sensitivity)
        return cast(list[str], (await self.hear())["tried"])


@dataclass
class ServerProcess:
    """One process of the server, which can be killed, and started again at the same address."""

    environ: dict[str, str]
    pid: int = 0
    _running: ExitStack = field(default_factory=ExitStack)

    async def start(self) -> None:
        """Returns when it answers."""
        _, process = await anyio.to_thread.run_sync(self._running.enter_context, serving(self.environ))
        self.pid = process.pid

    def signal(self, number: int) -> None:
        """Sends the process a signal."""
        os.kill(self.pid, number)

    async def stop(self) -> None:
        """Ends it, where it was not killed; cleans up after it in any case."""
        await anyio.to_thread.run_sync(self._running.close)

    @property
    def port(self) -> int:
        """Where it answers."""
        return int(self.environ["OSTIARY_LISTEN"].rpartition(":")[2])


@dataclass
class Fleet:
    """The deployment, with the clients that tokens are made for."""

    world: World
    wire: WireCutter
    servers: list[ServerProcess]
    services: list[Service]
    client: CreatedClient
    victims: Victims

    async def measure(
        self, victims: Sequence[Victim], *, within_s: float, midway: Callable[[], Awaitable[None]] | None = None
    ) -> list[float | None]:
        """Milliseconds from acknowledgement to refusal, of each victim at each service; None where it never came.

        `midway` is carried out when half of them are revoked.
        """
        tokens = [victim.token for victim in victims]
        for service in self.services:
            assert await service.try_all(tokens) == ["accepted"] * len(tokens)
            await service.tell(do="watch", tokens=tokens, within_s=within_s)
            assert await service.hear() == {"watching": True}
        half = len(victims) // 2
        acknowledged = await self.victims.revoke_all(victims[:half])
        if midway is not None:
            await midway()
        acknowledged += await self.victims.revoke_all(victims[half:])
        took: list[float | None] = []
        for service in self.services:
            refused = cast(list[int | None], (await service.hear(within_s + ANSWERS_WITHIN_S))["refused"])
            pairs = zip(acknowledged, refused, strict=True)
            took += [None if at is None else (at - since) / 1e6 for since, at in pairs]
        return took

    @asynccontextmanager
    async def followed(
        self, victims: Sequence[Victim], good: Sequence[Victim], *, within_s: float
    ) -> AsyncIterator[Histories]:
        """Every service looks at all of them all the time; it is known in the end what each was told, and when."""
        tokens, others = [each.token for each in victims], [each.token for each in good]
        for service in self.services:
            said = await service.try_all(tokens + others, sensitivity="sensitive")
            assert set(said) == {"accepted"}, "the machine is too busy for a fresh feed"
            await service.tell(do="follow", tokens=tokens, good=others, within_s=within_s)
            assert await service.hear() == {"following": True}
        histories = Histories(len(victims))
        yield histories
        for service in self.services:
            told = await service.hear(within_s + ANSWERS_WITHIN_S)
            histories.services.append(msgspec.convert(told, Told))
        for service in self.services:
            for way in ("sensitive", "ordinary"):
                said = await service.try_all(tokens, sensitivity=way)
                assert set(said) == {"revoked"}, f"forgotten, or not known in time: {Counter(said)}"


def _settings_of(issuer: str, database_url: str, redis_url: str | None) -> dict[str, str]:
    return {
        "OSTIARY_ISSUER": issuer,
        "OSTIARY_DATABASE_URL": database_url,
        "OSTIARY_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
        "OSTIARY_DEMO": "off",
        "OSTIARY_ACCESS_TOKEN__TTL_S": str(TTL_S),
        **({"OSTIARY_REDIS_URL": redis_url} if redis_url else {}),
    }


@asynccontextmanager
async def open_fleet(
    folder: Path,
    *,
    database_url: str,
    redis_url: str | None,
    servers: int = 2,
    services: int = 3,
    lost_after_s: float = LOST_AFTER_S,
) -> AsyncIterator[Fleet]:
    """A running deployment whose services know the feed."""
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(wire_to())
        issuer = f"http://localhost:{wire.port}"
        settings = _settings_of(issuer, database_url, redis_url)
        started = []
        for number in range(servers):
            own = folder / f"server{number}"
            own.mkdir()
            server = ServerProcess(environment(own, **ports(**settings)))
            stack.push_async_callback(server.stop)
            await server.start()
            wire.ports.append(server.port)
            started.append(server)
        world = await stack.enter_async_context(
            open_world(
                database_url, folder, redis_url=redis_url, issuer=issuer, demo="off", access_token__ttl_s=str(TTL_S)
            )
        )
        client = await world.client(grants=("client_credentials",), scopes=("feed:read",))
        told: dict[str, object] = {
            "issuer": issuer,
            "audience": API,
            "client_id": client.client.client_id,
            "client_secret": client.secret,
            "lost_after_s": lost_after_s,
        }
        beside = [await _start_service(stack, folder, number, told) for number in range(services)]
        yield Fleet(world, wire, started, beside, client, Victims(world, client))


async def _start_service(stack: AsyncExitStack, folder: Path, number: int, told: dict[str, object]) -> Service:
    own = {**told, "name": f"service-{number}", "folder": str(folder / f"service{number}")}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.feed.sdk_process", json.dumps(own), cwd=ROOT, env={**os.environ},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, limit=2**26,
    )  # fmt: skip
    stack.push_async_callback(_end, process)
    service = Service(process)
    assert await service.hear() == {"ready": True}
    return service


async def _end(process: asyncio.subprocess.Process) -> None:
    assert process.stdin is not None
    process.stdin.close()
    try:
        async with asyncio.timeout(10):
            await process.wait()
    except TimeoutError:
        process.kill()
        await process.wait()
