"""Real server processes: `ostiary serve` over TLS, several of them over one PostgreSQL and one Redis.

What cannot be seen inside one process is tested here: two caches, two writers, sockets, certificates, signals.
"""

import asyncio
import base64
import ssl
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import httpx2
import trustme

from tests.server.process import environment, ports, serving
from tests.world import ISSUER, MASTER_KEY, CreatedClient, World, open_world

HOST = ISSUER.removeprefix("https://")
# S18, S39: within one second at every process. The second more is for a machine that is busy with other tests.
KNOWN_WITHIN_S = 2.0


@dataclass(frozen=True, slots=True)
class Process:
    """One process of a deployment: where it listens, and the authority that its certificate comes from."""

    issuer: str
    port: int
    pid: int
    trust: ssl.SSLContext
    authority: Path


async def soon(is_so: Callable[[], Awaitable[bool]]) -> None:
    """Returns as soon as it is so; fails where a process does not notice in time."""
    ends_at = time.monotonic() + KNOWN_WITHIN_S
    while not await is_so():
        assert time.monotonic() < ends_at, "a process did not notice in time"
        await asyncio.sleep(0.05)


class ToProcess(httpx2.AsyncBaseTransport):
    """Takes requests for the deployment's public name to one process, as its load balancer would."""

    def __init__(self, process: Process) -> None:
        self._inner = httpx2.AsyncHTTPTransport(verify=process.trust)
        self._port = process.port

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The process's answer; certificate and Host header are those of the public name."""
        url = request.url.copy_with(host="127.0.0.1", port=self._port)
        extensions = {**request.extensions, "sni_hostname": request.url.host}
        headers, stream = request.headers, request.stream
        sent = httpx2.Request(request.method, url, headers=headers, stream=stream, extensions=extensions)
        return await self._inner.handle_async_request(sent)

    async def aclose(self) -> None:
        """Closes its connections."""
        await self._inner.aclose()


@dataclass
class RemoteWorld(World):
    """A deployment whose requests are answered by a process of its own; people and clients are made beside it.

    `services` and `clock` are the test's own: moving the clock does not move the process's.
    """

    process: Process | None = None
    fleet: "list[RemoteWorld]" = field(default_factory=list)

    async def client(self, **asked: object) -> CreatedClient:
        """As `World.client`; returns when every process of the fleet knows it, which must be soon (S18)."""
        made = await super().client(**asked)

        async def is_known(world: RemoteWorld) -> bool:
            form = {"grant_type": "refresh_token", "refresh_token": "x"}
            refused = await world.token(made, **form)
            return bool(refused.json()["error"] != "invalid_client")

        for world in self.fleet:
            await soon(partial(is_known, world))
        return made

    def browser(self, *, address: str = "198.51.100.7") -> httpx2.AsyncClient:
        """A browser whose requests travel through TLS; `address` is what a trusted proxy vouches for."""
        assert self.process
        return httpx2.AsyncClient(
            transport=ToProcess(self.process),
            base_url=self.process.issuer,
            headers={"x-forwarded-for": address},
            timeout=30,
        )


@contextmanager
def start_processes(
    folder: Path, *, count: int, database_url: str, redis_url: str | None, issuer: str | None = ISSUER, **settings: str
) -> Iterator[list[Process]]:
    """`count` processes of one deployment. Without an issuer, the one process's own address is it."""
    authority = trustme.CA()
    certificate = authority.issue_cert(HOST, "localhost", "127.0.0.1")
    certificate_path, key_path = folder / "tls.pem", folder / "tls.key"
    for blob in certificate.cert_chain_pems:
        blob.write_to_path(certificate_path, append=True)
    certificate.private_key_pem.write_to_path(key_path)
    authority.cert_pem.write_to_path(folder / "authority.pem")
    trust = ssl.create_default_context()
    authority.configure_trust(trust)
    asked = {
        "OSTIARY_DATABASE_URL": database_url,
        "OSTIARY_MASTER_KEY": base64.b64encode(MASTER_KEY).decode(),
        "OSTIARY_TLS_CERT": str(certificate_path),
        "OSTIARY_TLS_KEY": str(key_path),
        "OSTIARY_TRUSTED_PROXIES": "127.0.0.1/32",
        "OSTIARY_DEMO": "off",
        # Every test comes from one address.
        "OSTIARY_RATE__PER_ADDRESS": "10000",
        "OSTIARY_RATE__PER_NETWORK": "10000",
        # Letters are promised and wait: nothing listens there.
        "OSTIARY_SMTP_URL": "smtp://127.0.0.1:9",
        "OSTIARY_MAIL__SENDER": "no-reply@id.example.com",
        **({"OSTIARY_ISSUER": issuer} if issuer else {}),
        **({"OSTIARY_REDIS_URL": redis_url} if redis_url else {}),
        **settings,
    }
    with ExitStack() as stack:
        started = []
        for number in range(count):
            own = folder / f"process{number}"
            own.mkdir()
            environ = environment(own, **ports(**asked))
            welcome, process = stack.enter_context(serving(environ))
            port = int(environ["OSTIARY_LISTEN"].rpartition(":")[2])
            started.append(Process(welcome["issuer"], port, process.pid, trust, folder / "authority.pem"))
        yield started


@asynccontextmanager
async def open_remote_worlds(
    folder: Path, *, count: int, database_url: str, redis_url: str | None = None, issuer: str | None = ISSUER
) -> AsyncIterator[list[RemoteWorld]]:
    """One world for each of `count` processes over one database and one Redis."""
    with start_processes(
        folder, count=count, database_url=database_url, redis_url=redis_url, issuer=issuer
    ) as processes:
        told = processes[0].issuer
        async with open_world(database_url, folder, redis_url=redis_url, issuer=told) as local:
            worlds = [RemoteWorld(local.services, local.app, local.clock, process=one) for one in processes]
            for world in worlds:
                world.fleet = worlds
            yield worlds
