"""`ostiary serve`: checks, opens sockets, prepares the database, announces itself, answers until it is told to stop."""

import asyncio
import contextlib
import signal
import socket
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass

import uvicorn
import uvloop
from starlette.types import ASGIApp

from server.app import App, build
from server.composition import open_services
from server.logs import set_up_logging
from server.master_key import load_master_keys, prepare_data_dir
from server.ops import Operations
from server.protocol import BoundedProtocol
from server.schema import prepare_database
from server.settings import Settings
from server.sockets import open_sockets
from server.tls import ReloadingTls

GRACE_S = 25
# A stop ends a connection that took nothing for as long as this.
STALLED_S = 1.5
KEEP_ALIVE_S = 65
REPEATED_WITHIN_S = 1.0

Announce = Callable[[App], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Prepared:
    """What is ready before the first process answers: sockets, keys and certificate."""

    settings: Settings
    master_keys: tuple[bytes, ...]
    sockets: Sequence[socket.socket]
    ops_sockets: Sequence[Sequence[socket.socket]]
    tls: ReloadingTls | None


def prepare(settings: Settings) -> Prepared:
    """Opens and checks everything that can fail at a start; raises NotReady with one sentence."""
    tls = ReloadingTls(settings.tls_cert, settings.tls_key) if settings.tls_cert and settings.tls_key else None
    sockets = open_sockets(settings.listen, setting="OSTIARY_LISTEN")
    # Each process has its own counters, so each has its own operations port: the next ones after the first.
    ops_sockets = [
        open_sockets(
            [type(address)(address.host, address.port + number) for address in settings.ops_listen],
            setting="OSTIARY_OPS_LISTEN",
        )
        for number in range(settings.workers if settings.ops_listen else 0)
    ]
    prepare_data_dir(settings.data_dir)
    master_keys = load_master_keys(settings)
    prepare_database(settings)
    return Prepared(settings, master_keys, sockets, ops_sockets, tls)


def serve(settings: Settings, announce: Announce) -> None:
    """Answers until SIGTERM or SIGINT; `announce` is called once, when the first process answers."""
    set_up_logging()
    prepared = prepare(settings)
    if settings.workers > 1:
        from server.workers import run_workers

        run_workers(prepared, announce)
        return
    run_process(prepared, 0, announce)


def run_process(prepared: Prepared, number: int, announce: Announce | None) -> None:
    """One process of the server, until it is told to stop."""
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_answer_requests(prepared, number, announce))


async def _answer_requests(prepared: Prepared, number: int, announce: Announce | None) -> None:
    async with open_services(prepared.settings, prepared.master_keys) as services:
        services.policies.check_loaded()
        app = build(prepared.settings, services)
        operations = Operations(services, app.metrics)
        main = make_server(app.asgi, prepared.tls)
        side = make_server(operations, None)

        _obey_signals(main, operations, app)
        app.background.start()
        beside = [asyncio.create_task(prepared.tls.watch())] if prepared.tls else []
        if prepared.ops_sockets:
            beside.append(asyncio.create_task(side.serve(list(prepared.ops_sockets[number]))))
        answering = asyncio.create_task(main.serve(list(prepared.sockets)))
        try:
            await _announce_when_started(main, answering, operations, app, announce)
            await answering
        finally:
            side.should_exit = True
            await _end(beside, prepared.tls is not None)
            await app.close()


def _obey_signals(main: "Server", operations: Operations, app: App) -> None:
    loop = asyncio.get_running_loop()
    asked_at = 0.0

    def stop() -> None:
        nonlocal asked_at
        if not main.should_exit:
            asked_at = loop.time()
            operations.stopping = main.should_exit = True
            app.feed.hub.end_streams()
        elif loop.time() - asked_at > REPEATED_WITHIN_S:
            # A second signal does not wait for requests under way. What comes at once is no second one: Ctrl-C and
            # systemd reach every process of a group, and the parent of several passes its own on.
            main.force_exit = True

    for name in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(name, stop)


async def _announce_when_started(
    main: "Server", answering: asyncio.Task[None], operations: Operations, app: App, announce: Announce | None
) -> None:
    ready = asyncio.create_task(main.answers.wait())
    await asyncio.wait({ready, answering}, return_when=asyncio.FIRST_COMPLETED)
    if not ready.done():
        ready.cancel()
        return
    operations.started = True
    if announce is not None:
        await announce(app)


async def _end(beside: list[asyncio.Task[None]], watches_tls: bool) -> None:
    if watches_tls:
        beside[0].cancel()
    await asyncio.gather(*beside, return_exceptions=True)


class Server(uvicorn.Server):
    """uvicorn's server; `answers` is set once connections are answered."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.answers = asyncio.Event()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, and then tells that connections are answered."""
        await super().startup(sockets)
        self.answers.set()

    async def shutdown(self, sockets: list[socket.socket] | None = None) -> None:
        """As uvicorn's, but whoever takes nothing of an answer does not keep the process for the whole grace."""
        watch = asyncio.create_task(self._end_stalled())
        try:
            await super().shutdown(sockets)
        finally:
            watch.cancel()

    async def _end_stalled(self) -> None:
        before: dict[object, int] = {}
        while True:
            left: dict[object, int] = {}
            for connection in list(self.server_state.connections):
                left[connection] = size = connection.transport.get_write_buffer_size()
                if size and before.get(connection) == size:
                    connection.transport.abort()
            before = left
            await asyncio.sleep(STALLED_S)

    @contextlib.contextmanager
    def capture_signals(self) -> Iterator[None]:
        """Signals are ours: two servers share this process, and a clean stop exits with 0."""
        yield


def make_server(app: ASGIApp, tls: ReloadingTls | None) -> Server:
    """A server of one application over HTTP/1.1, and over TLS where a certificate is given."""
    config = uvicorn.Config(
        app,
        loop="none",
        http=BoundedProtocol,
        ws="none",
        lifespan="off",
        log_config=None,
        access_log=False,
        server_header=False,
        # Addresses behind proxies are established by the edge, from trusted proxies alone.
        proxy_headers=False,
        backlog=2048,
        timeout_keep_alive=KEEP_ALIVE_S,
        timeout_graceful_shutdown=GRACE_S,
        ssl_context_factory=None if tls is None else lambda config, default: tls.context,
    )
    return Server(config)
