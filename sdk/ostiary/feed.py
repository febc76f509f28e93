"""The feed of revocations, followed in the background: what `Verifier(…, feed=feed)` refuses within a second."""

import os
import re
import ssl
import time
import weakref
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import anyio
import httpx2

from ostiary.client_tokens import ClientTokens
from ostiary.clocks import since_boot
from ostiary.discovery import parse_issuer
from ostiary.errors import ConfigurationError
from ostiary.feed_http import OwnTokens, TokenFunction
from ostiary.feed_lease import Lease, LeaseState
from ostiary.feed_thread import FeedSettings, FeedThread
from ostiary.fetch import Route
from ostiary.revocations import Revocations

SCOPE = "feed:read"

_NAME = re.compile(r"[A-Za-z0-9._-]{1,48}")


@dataclass(frozen=True, slots=True)
class FeedStats:
    """How things stand. `seq` is the last entry of `epoch` that is in force here, `acknowledged` the last told so.

    `age_s` is how old what is known may be, infinite before the first head; `entries` are in force. `connections`
    counts attempts; `is_polling` is so while the stream does not work. `last_error` is empty while all is well.
    """

    epoch: str | None
    seq: int
    acknowledged: int | None
    state: LeaseState
    age_s: float
    entries: int
    connections: int
    is_polling: bool
    last_error: str


class Feed:
    """Follows an issuer's feed (docs/feed.md) in one daemon thread a process. Make one at start and share it.

    The service proves itself by `client_id` and `client_secret` (client credentials with the scope `feed:read`), or by
    `token`, a function, blocking or async, that returns such an access token; it runs in or beside the feed's own
    loop and must not share connections with the program's.

    The thread begins by `start`, or with the first verification; a process that forks has one of its own in each
    child. `folder` keeps the last state on disk (mode 0600), so that a cold start refuses what was revoked at once.
    `follower` names this service's instance at the server (1 to 48 of A-Z a-z 0-9 . _ -; the process's number and a
    random part are added); without it, it is the machine's name.

    `close`, `aclose`, `with` or the program's end stop the thread and say goodbye to the server, which otherwise counts
    this process until its lease is lost for sure. A feed that was closed vouches for nothing: its state is lost.

    Nothing that a server or a network does raises here: it makes `state` stale, then lost. Bad settings raise
    ConfigurationError. `ssl_context` brings a private CA; `transport`, `clock` (epoch seconds) and `monotonic` are for
    tests; a transport is used from the feed's thread.
    """

    def __init__(
        self,
        issuer: str,
        *,
        client_id: str | None = None,
        client_secret: str | None = None,
        token: Callable[[], str | Awaitable[str]] | None = None,
        folder: str | os.PathLike[str] | None = None,
        follower: str | None = None,
        timeout_s: float = 5,
        ssl_context: ssl.SSLContext | None = None,
        transport: httpx2.AsyncBaseTransport | None = None,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = since_boot,
    ) -> None:
        if follower is not None and not _NAME.fullmatch(follower):
            raise ConfigurationError("follower must be 1 to 48 of A-Z a-z 0-9 . _ -")
        if not 0 < timeout_s <= 60:
            raise ConfigurationError("timeout_s must be above 0 and at most 60")
        route = Route(parse_issuer(issuer), timeout_s, ssl_context)
        tokens = _own_tokens(route, client_id=client_id, client_secret=client_secret, token=token, transport=transport)
        self._issuer = issuer
        self._monotonic = monotonic
        self._inner = FeedThread(
            FeedSettings(
                route=route,
                tokens=tokens,
                follower=follower,
                folder=None if folder is None else Path(folder),
                transport=transport,
                clock=clock,
                monotonic=monotonic,
            )
        )
        # The same objects in every process; asked for at each request, so they stand here.
        self._revocations, self._lease = self._inner.log.revocations, self._inner.lease
        # Also at the program's end, and when nobody holds the feed any more.
        self._closing = weakref.finalize(self, self._inner.close)

    @property
    def issuer(self) -> str:
        """Whose feed it is."""
        return self._issuer

    @property
    def revocations(self) -> Revocations:
        """What is refused. The same object for as long as the feed lives, in a forked child too."""
        return self._revocations

    @property
    def stats(self) -> FeedStats:
        """How things stand at this moment."""
        inner, now = self._inner, self._monotonic()
        follower = inner.follower
        told = follower.acks.acknowledged if follower is not None else None
        return FeedStats(
            epoch=inner.log.epoch,
            seq=inner.log.seq,
            acknowledged=told[1] if told is not None and told[0] == inner.log.epoch else None,
            state=inner.lease.state(now),
            age_s=inner.lease.age_s(now),
            entries=len(inner.log.revocations),
            connections=follower.connections if follower is not None else 0,
            is_polling=follower is not None and follower.is_polling,
            last_error=follower.last_error if follower is not None else "",
        )

    def start(self) -> None:
        """Begins to follow now rather than with the first verification; costs nothing when it has begun."""
        if not self._inner.is_started:
            self._inner.start()

    def age_s(self) -> float:
        """How old what is known may be, by the monotonic clock; infinite before the first head."""
        return self._lease.age_s(self._monotonic())

    def lease_by(self, monotonic: Callable[[], float]) -> Lease:
        """What `age_s` goes by, for readers in a hurry; by another clock than the feed's own one that says nothing."""
        return self._lease if monotonic is self._monotonic else Lease()

    def state(self, now: float | None = None) -> LeaseState:
        """Fresh, stale or lost, by the usual bounds; `FailurePolicy.state(feed.age_s())` goes by your own."""
        self._inner.start()
        return self._lease.state(self._monotonic() if now is None else now)

    def wait_ready(self, timeout_s: float = 10) -> bool:
        """Begins, and waits until the feed has been heard once, so long at most; whether it may be built upon now."""
        self._inner.start()
        self._inner.watchers.ready.wait(timeout_s)
        return self.state() is not LeaseState.LOST

    async def until_ready(self, timeout_s: float = 10) -> bool:
        """`wait_ready` for an event loop, which goes on meanwhile."""
        return await anyio.to_thread.run_sync(self.wait_ready, timeout_s, abandon_on_cancel=True)

    def on_change(self, callback: Callable[[], None]) -> Callable[[], None]:
        """Calls back after each change of what is refused; returns a function that ends that.

        It is called in the feed's own thread, which waits for it: hand over to a loop (`loop.call_soon_threadsafe`)
        and return. It is not called because time passes; ask `state` for that. What it raises is logged.
        """
        return self._inner.watchers.add(callback)

    def close(self, timeout_s: float = 2) -> None:
        """Stops following, waiting so long at most, says goodbye, and saves what is known to `folder`; for good."""
        self._closing.detach()
        self._inner.close(timeout_s)

    async def aclose(self, timeout_s: float = 2) -> None:
        """`close` for an event loop, which goes on meanwhile."""
        await anyio.to_thread.run_sync(self.close, timeout_s)

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self.close()


def _own_tokens(
    route: Route,
    *,
    client_id: str | None,
    client_secret: str | None,
    token: Callable[[], str | Awaitable[str]] | None,
    transport: httpx2.AsyncBaseTransport | None,
) -> OwnTokens:
    if token is not None:
        if client_id is not None or client_secret is not None or not callable(token):
            raise ConfigurationError("give client_id and client_secret, or token, which must be a function")
        return TokenFunction(token)
    if client_id is None or client_secret is None:
        raise ConfigurationError("client_id and client_secret must be given, or token")
    return ClientTokens(
        route.address.issuer,
        client_id=client_id,
        client_secret=client_secret,
        scope=SCOPE,
        resource=route.address.issuer,
        timeout_s=route.timeout_s,
        ssl_context=route.ssl_context,
        transport=transport,
    )
