"""The feed's four requests, as a follower makes them (docs/feed.md): bounded in time and size, never redirected."""

import inspect
import json
import re
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Mapping
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from threading import Lock
from typing import Protocol

import anyio
import httpx2

from ostiary.call_values import CallFailed, is_bearer_token
from ostiary.client_calls import open_client
from ostiary.feed_gzip import Unpacker
from ostiary.feed_lines import FeedRefused
from ostiary.feed_sse import EventReader, ServerEvent
from ostiary.fetch import Route

MAX_SNAPSHOT_BYTES = 67_108_864
MAX_DELTA_BYTES = 8_388_608
SNAPSHOT_S = 30.0
NDJSON = "application/x-ndjson"
EVENTS = "text/event-stream"
# So many lines a delta has at most: one that has fewer is all there is.
PAGE = 1000

_SECONDS = re.compile(r"[0-9]{1,6}")


class FeedGone(Exception):
    """The log does not go on from where we are: a snapshot is needed."""


class OwnTokens(Protocol):
    """Where this service's own token comes from."""

    async def token(self) -> str:
        """A token; raises where there is none."""

    def forget(self, token: str) -> None:
        """It was refused."""


class TokenFunction:
    """The program's own function for tokens. A blocking one runs beside the loop; it should remember its answer."""

    def __init__(self, function: Callable[[], str | Awaitable[str]]) -> None:
        self._function = function

    async def token(self) -> str:
        """What the function gives; CallFailed with the kind of its error, whose words may hold a secret."""
        call = _Call(self._function)
        try:
            await anyio.to_thread.run_sync(call.carry_out, abandon_on_cancel=True)
            given = call.take()
            token: object = await given if inspect.isawaitable(given) else given
        except Exception as error:
            raise CallFailed(f"the token function raised {type(error).__name__}") from error
        finally:
            call.abandon()
        if not isinstance(token, str) or not is_bearer_token(token):
            raise CallFailed("the token function must return the access token as text")
        return token

    def forget(self, token: str) -> None:
        """The function knows best how long its tokens are good."""


class _Call:
    """One call in a thread. A coroutine that it gives to nobody, since the feed was closed meanwhile, is closed too:
    Python would complain in the program's name that it was never awaited."""

    def __init__(self, function: Callable[[], object]) -> None:
        self._function = function
        self._lock = Lock()
        self._is_wanted = True
        self._given: object = None

    def carry_out(self) -> None:
        given = self._function()
        with self._lock:
            if self._is_wanted:
                self._given = given
                return
        _close(given)

    def take(self) -> object:
        given, self._given = self._given, None
        return given

    def abandon(self) -> None:
        with self._lock:
            self._is_wanted = False
        _close(self.take())


def _close(given: object) -> None:
    if inspect.iscoroutine(given):
        given.close()


@dataclass(frozen=True, slots=True)
class Document:
    """The lines of a snapshot or delta, the head's text, and when it was asked for (monotonic seconds)."""

    lines: list[bytes]
    head: bytes
    asked: float


@dataclass(frozen=True, slots=True)
class EventStream:
    """An open stream, and when it was asked for (monotonic seconds)."""

    response: httpx2.Response
    asked: float

    async def read(self) -> AsyncGenerator[ServerEvent, None]:
        """Its events, one after the other, to the stream's end."""
        reader = EventReader()
        async with aclosing(self.response.aiter_raw()) as pieces:
            async for piece in pieces:
                for event in reader.read(piece):
                    yield event


class FeedClient:
    """Requests to one issuer's feed over connections that are kept; for one event loop, closed by `aclose`.

    FeedRefused, FeedGone, CallFailed, and whatever else networks, transports and token functions raise.
    """

    def __init__(
        self,
        route: Route,
        tokens: OwnTokens,
        *,
        follower: str,
        transport: httpx2.AsyncBaseTransport | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._base = route.address.issuer.rstrip("/") + "/feed/v1/"
        self._timeout_s = route.timeout_s
        self._tokens, self._follower, self._monotonic = tokens, follower, monotonic
        self._client = open_client(route, transport=transport)

    async def aclose(self) -> None:
        """Closes the connections."""
        await self._client.aclose()

    async def prepare(self) -> None:
        """Has a token before something is asked for; raises what the tokens' source raises."""
        await self._tokens.token()

    async def snapshot(self) -> Document:
        """All that is in force."""
        headers = {"Accept": NDJSON, "Accept-Encoding": "gzip"}
        with anyio.fail_after(SNAPSHOT_S):
            body, asked = await self._read("snapshot", {}, headers, most_bytes=MAX_SNAPSHOT_BYTES)
        first, end, rest = body.partition(b"\n")
        if not end:
            raise FeedRefused("a snapshot must begin with the line of its head")
        return Document(_lines(rest), _head(first), asked)

    async def delta(self, epoch: str, after: int, *, wait_s: int = 0) -> Document:
        """The entries after a number; waits so long for the first one. FeedGone where the log does not go so far."""
        asked_for = {"epoch": epoch, "after": str(after), "follower": self._follower}
        if wait_s:
            asked_for["wait"] = str(wait_s)
        with anyio.fail_after(self._timeout_s + wait_s):
            body, asked = await self._read("delta", asked_for, {"Accept": NDJSON}, most_bytes=MAX_DELTA_BYTES)
        lines = _lines(body)
        if not lines:
            raise FeedRefused("a delta must end with the line of its head")
        return Document(lines[:-1], _head(lines[-1]), asked)

    @asynccontextmanager
    async def events(self, epoch: str, seq: int) -> AsyncIterator[EventStream]:
        """The stream of what comes after a number."""
        headers = {"Accept": EVENTS, "Last-Event-ID": f"{epoch}:{seq}"}
        response, asked = await self._send("GET", "events", {"follower": self._follower}, headers, None)
        try:
            _check(response, media_type=EVENTS, encodings=("identity",))
            yield EventStream(response, asked)
        finally:
            await response.aclose()

    async def acknowledge(self, epoch: str, seq: int) -> None:
        """Tells the server that everything up to a number is in force here."""
        await self._tell({"epoch": epoch, "seq": seq})

    async def say_goodbye(self, epoch: str, seq: int) -> None:
        """Tells the server that nothing is accepted here any more by what the feed said, so nobody waits for us."""
        await self._tell({"epoch": epoch, "seq": seq, "leaving": True})

    async def _tell(self, parts: Mapping[str, object]) -> None:
        said = json.dumps({"follower": self._follower, **parts}).encode()
        with anyio.fail_after(self._timeout_s):
            response, _ = await self._send("POST", "ack", {}, {"Content-Type": "application/json"}, said)
            await response.aclose()
        if response.status_code != 204:
            raise CallFailed(f"the server answered an acknowledgement with {response.status_code}")

    async def _read(
        self, name: str, asked_for: Mapping[str, str], headers: Mapping[str, str], *, most_bytes: int
    ) -> tuple[bytes, float]:
        response, asked = await self._send("GET", name, asked_for, headers, None)
        try:
            _check(response, media_type=NDJSON, encodings=("identity", "gzip"))
            is_packed = response.headers.get("content-encoding") == "gzip"
            unpacker = Unpacker(is_packed=is_packed, most_bytes=most_bytes)
            async for piece in response.aiter_raw():
                unpacker.take(piece)
        finally:
            await response.aclose()
        return unpacker.finish(), asked

    async def _send(
        self, method: str, name: str, asked_for: Mapping[str, str], headers: Mapping[str, str], body: bytes | None
    ) -> tuple[httpx2.Response, float]:
        """An answer whose body was not read yet. A refused token is asked for once more."""
        token = await self._tokens.token()
        response, asked = await self._send_once(method, name, asked_for, headers, body, token)
        if response.status_code != 401:
            return response, asked
        await response.aclose()
        self._tokens.forget(token)
        token = await self._tokens.token()
        return await self._send_once(method, name, asked_for, headers, body, token)

    async def _send_once(
        self,
        method: str,
        name: str,
        asked_for: Mapping[str, str],
        headers: Mapping[str, str],
        body: bytes | None,
        token: str,
    ) -> tuple[httpx2.Response, float]:
        sent = {**headers, "Authorization": f"Bearer {token}"}
        # Whoever asks bounds the whole; a bound for each read would cut streams and long polls.
        patience = httpx2.Timeout(self._timeout_s, read=None)
        request = self._client.build_request(
            method, self._base + name, params=dict(asked_for), headers=sent, content=body, timeout=patience
        )
        asked = self._monotonic()
        return await self._client.send(request, stream=True, auth=None), asked


def _check(response: httpx2.Response, *, media_type: str, encodings: tuple[str, ...]) -> None:
    if response.status_code == 410:
        raise FeedGone
    if response.status_code != 200:
        retry_after = response.headers.get("retry-after", "")
        wait_s = float(retry_after) if _SECONDS.fullmatch(retry_after) else 0
        raise CallFailed(f"the feed was answered with {response.status_code}", retry_after_s=wait_s)
    if response.headers.get("content-type", "").partition(";")[0].strip().lower() != media_type:
        raise FeedRefused(f"the feed must be answered as {media_type}")
    if response.headers.get("content-encoding", "identity") not in encodings:
        raise FeedRefused("the feed is compressed against our wish")


def _lines(body: bytes) -> list[bytes]:
    *lines, rest = body.split(b"\n")
    if rest:
        raise FeedRefused("every line of the feed must have its end")
    return lines


def _head(line: bytes) -> bytes:
    """The signed text of the line `{"head":"…"}`."""
    try:
        said = json.loads(line) if len(line) <= 16_384 else None
    except (ValueError, RecursionError):
        said = None
    head = said.get("head") if isinstance(said, dict) else None
    if not isinstance(head, str) or not head.isascii():
        raise FeedRefused("the line of the head must be a JSON object with it")
    return head.encode()
