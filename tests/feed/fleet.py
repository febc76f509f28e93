"""A deployment as it stands in a company: server processes behind one address, and services with the SDK beside."""

import asyncio
import base64
import json
import os
import sys
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from itertools import count
from pathlib import Path
from typing import cast

import httpx2
import msgspec
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import new_id
from identity import revocation
from identity.grant_store import find_grant
from identity.oauth.person_tokens import mint_for_grant
from identity.tables import grants
from identity.tokens import AccessToken, mint_access_token
from tests.feed.wire_cutter import WireCutter, wire_to
from tests.server.process import ROOT, environment, ports, serving
from tests.world import API, MASTER_KEY, CreatedClient, World, open_world

ACTOR = "cli"
ANSWERS_WITHIN_S = 90.0

Revoke = Callable[[AsyncConnection], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Victim:
    """A token, and what will make it worthless."""

    kind: str
    token: str
    revoke: Revoke = field(repr=False)


@dataclass(slots=True)
class Service:
    """One process of a service that follows the feed."""

    process: asyncio.subprocess.Process

    async def tell(self, **command: object) -> None:
        """Sends a command."""
        assert self.process.stdin is not None
        self.process.stdin.write(json.dumps(command).encode() + b"\n")
        await self.process.stdin.drain()

    async def hear(self) -> dict[str, object]:
        """Its next answer."""
        assert self.process.stdout is not None
        async with asyncio.timeout(ANSWERS_WITHIN_S):
            line = await self.process.stdout.readline()
        assert line, "the service's process has ended"
        return msgspec.json.decode(line, type=dict[str, object])

    async def try_all(self, tokens: Sequence[str], *, sensitivity: str = "ordinary") -> list[str]:
        """What it says of each token."""
        await self.tell(do="try", tokens=tokens, sensitivity=sensitivity)
        return cast(list[str], (await self.hear())["tried"])


@dataclass
class Fleet:
    """The deployment, with the clients that tokens are made for."""

    world: World
    wire: WireCutter
    pids: list[int]
    services: list[Service]
    client: CreatedClient
    _numbers: "count[int]" = field(default_factory=count)

    async def victims(self, amounts: dict[str, int]) -> list[Victim]:
        """So many tokens of each kind, all good."""
        makers = {
            "token": self._of_itself,
            "grant": self._of_grant,
            "session": self._of_session,
            "person": self._of_person,
            "client": self._of_client,
        }
        return [await makers[kind]() for kind, amount in amounts.items() for _ in range(amount)]

    async def _of_itself(self) -> Victim:
        minted = self._mint_for(self.client.client.client_id)
        expires_at = self.world.clock() + self.world.services.settings.access_token_ttl

        async def revoke(db: AsyncConnection) -> None:
            now = self.world.clock()
            client_id = self.client.client.client_id
            await revocation.revoke_token(
                db, self.world.services, minted[1], expires_at=expires_at, client_id=client_id, now=now
            )

        return Victim("token", minted[0], revoke)

    async def _of_client(self) -> Victim:
        client_id = (await self.world.client(name=f"victim {next(self._numbers)}")).client.client_id
        revoke = partial(revocation.revoke_client, client_id=client_id)
        return Victim("client", self._mint_for(client_id)[0], self._now(revoke))

    async def _of_grant(self) -> Victim:
        _, _, grant_id, token = await self._signed_in()
        return Victim("grant", token, self._now(partial(revocation.end_grant, grant_id=grant_id)))

    async def _of_session(self) -> Victim:
        _, session_id, _, token = await self._signed_in()
        return Victim("session", token, self._now(partial(revocation.end_session, session_id=session_id)))

    async def _of_person(self) -> Victim:
        person_id, _, _, token = await self._signed_in()
        return Victim("person", token, self._now(partial(revocation.revoke_person, person_id=person_id)))

    def _now(self, revoke: Callable[..., Awaitable[None]]) -> Revoke:
        async def carry_out(db: AsyncConnection) -> None:
            await revoke(db, self.world.services, why="test", now=self.world.clock(), actor=ACTOR)

        return carry_out

    def _mint_for(self, client_id: str) -> tuple[str, str]:
        services = self.world.services
        told = AccessToken(services.settings.issuer, client_id, API, client_id, "orders:read")
        signer, ttl = services.keys.signer("ES256"), services.settings.access_token_ttl
        minted = mint_access_token(signer, told, issued_at=self.world.clock(), ttl=ttl)
        return minted.text, minted.jti

    async def _signed_in(self) -> tuple[bytes, bytes, bytes, str]:
        """A person, their session, a grant in it, and the grant's access token."""
        services, now = self.world.services, self.world.clock()
        person = await self.world.person(f"victim{next(self._numbers)}", password=None)
        async with httpx2.AsyncClient() as browser:
            session_id = await self.world.sign_in(browser, person)
        values = {
            "id": new_id(now),
            "person_id": person.id,
            "client_id": self.client.client.client_id,
            "session_id": session_id,
            "offline": False,
            "scope": "orders:read",
            "audience": API,
            "claims": {"amr": ["pwd"]},
            "auth_time": now,
            "created_at": now,
        }
        async with services.database.transaction() as db:
            await db.execute(grants.insert().values(values))
        grant = await find_grant(services.database, cast(bytes, values["id"]), now=now)
        assert grant is not None
        _, body = await mint_for_grant(
            services, self.client.client, grant, scope="orders:read", nonce=None, now=self.world.clock()
        )
        return person.id, session_id, grant.id, str(body["access_token"])

    async def revoke(self, victim: Victim) -> int:
        """Revokes and returns the moment of the acknowledgement, in nanoseconds."""
        async with self.world.services.database.transaction() as db:
            await victim.revoke(db)
        return time.monotonic_ns()

    async def measure(self, victims: Sequence[Victim], *, within_s: float) -> list[float | None]:
        """Milliseconds from acknowledgement to refusal, of each victim at each service; None where it never came."""
        tokens = [victim.token for victim in victims]
        for service in self.services:
            assert await service.try_all(tokens) == ["accepted"] * len(tokens)
            await service.tell(do="watch", tokens=tokens, within_s=within_s)
            assert await service.hear() == {"watching": True}
        acknowledged = [await self.revoke(victim) for victim in victims]
        took: list[float | None] = []
        for service in self.services:
            refused = cast(list[int | None], (await service.hear())["refused"])
            pairs = zip(acknowledged, refused, strict=True)
            took += [None if at is None else (at - since) / 1e6 for since, at in pairs]
        return took


@asynccontextmanager
async def open_fleet(
    folder: Path, *, database_url: str, redis_url: str | None, servers: int = 2, services: int = 3
) -> AsyncIterator[Fleet]:
    """A running deployment whose services know the feed."""
    async with AsyncExitStack() as stack:
        wire = await stack.enter_async_context(wire_to())
        issuer = f"http://localhost:{wire.port}"
        settings = {
            "OSTIARY_ISSUER": issuer,
            "OSTIARY_DATABASE_URL": database_url,
            "OSTIARY_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
            "OSTIARY_DEMO": "off",
            **({"OSTIARY_REDIS_URL": redis_url} if redis_url else {}),
        }
        pids = []
        for number in range(servers):
            own = folder / f"server{number}"
            own.mkdir()
            environ = environment(own, **ports(**settings))
            pids.append(stack.enter_context(serving(environ))[1].pid)
            wire.ports.append(int(environ["OSTIARY_LISTEN"].rpartition(":")[2]))
        world = await stack.enter_async_context(
            open_world(database_url, folder, redis_url=redis_url, issuer=issuer, demo="off")
        )
        client = await world.client(grants=("client_credentials",), scopes=("feed:read",))
        started = [await _start_service(stack, folder, number, issuer, client) for number in range(services)]
        yield Fleet(world, wire, pids, started, client)


async def _start_service(
    stack: AsyncExitStack, folder: Path, number: int, issuer: str, client: CreatedClient
) -> Service:
    told = {
        "issuer": issuer,
        "audience": API,
        "client_id": client.client.client_id,
        "client_secret": client.secret,
        "name": f"service-{number}",
        "folder": str(folder / f"service{number}"),
    }
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "tests.feed.sdk_process", json.dumps(told), cwd=ROOT, env={**os.environ},
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
