"""One request to the server's intake, and the token for it. Blocking: it runs in the emitter's own thread."""

import inspect
import re
import ssl
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import parsedate_to_datetime

import anyio
import httpx2

from ostiary.discovery import IssuerAddress
from ostiary.emitter_rules import Outcome, Verdict, batch_key, judge

EVENTS_PATH = "/api/v1/audit/events"
MAX_ANSWER_BYTES = 1_048_576
# Halfway between what the server finds too old (30 days) and now.
_OLD = timedelta(days=15)

_TOKEN = re.compile(r"[!-~]+")

TokenSource = Callable[[], str | Awaitable[str]]


class TokenUnavailable(Exception):
    """The program's token function failed; says the kind of error and never its text, which may hold a secret."""


class IntakeClient:
    """Sends batches over one connection that is kept. For one thread at a time."""

    def __init__(
        self,
        address: IssuerAddress,
        token: TokenSource,
        *,
        timeout_s: float,
        ssl_context: ssl.SSLContext | None,
        transport: httpx2.BaseTransport | None,
    ) -> None:
        self._url = address.issuer.rstrip("/") + EVENTS_PATH
        self._token, self._timeout_s = token, timeout_s
        self._client = httpx2.Client(
            transport=transport,
            verify=ssl_context or True,
            # A proxy from the environment has no business between two programs of one machine.
            trust_env=not address.is_loopback,
            timeout=timeout_s,
            follow_redirects=False,
            headers={"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "ostiary-sdk"},
        )

    def send(self, body: bytes, *, count: int) -> Verdict:
        """What the server says to a batch. A refused token is asked for once more; nothing is raised."""
        try:
            verdict = self._send_once(body, count=count)
            if verdict.outcome is Outcome.TOKEN_REFUSED:
                verdict = self._send_once(body, count=count)
        except TokenUnavailable as error:
            return Verdict(Outcome.NOT_NOW, f"no token: {error}")
        except (httpx2.HTTPError, httpx2.StreamError, TimeoutError, OSError) as error:
            return Verdict(Outcome.NOT_NOW, f"no answer: {type(error).__name__}: {error}"[:200])
        return verdict

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _send_once(self, body: bytes, *, count: int) -> Verdict:
        headers = {
            "Authorization": f"Bearer {self._ask_token()}",
            "Content-Type": "application/json",
            "Idempotency-Key": batch_key(body),
        }
        ends_at = time.monotonic() + self._timeout_s
        with self._client.stream("POST", self._url, content=body, headers=headers) as response:
            answer = bytearray()
            for chunk in response.iter_bytes():
                answer += chunk
                if len(answer) > MAX_ANSWER_BYTES or time.monotonic() > ends_at:
                    raise TimeoutError("the answer is larger or slower than it may be")
        verdict = judge(
            response.status_code, bytes(answer), retry_after=response.headers.get("retry-after", ""), count=count
        )
        return replace(verdict, server_at=server_time(response.headers.get("date", ""), now=datetime.now(UTC)))

    def _ask_token(self) -> str:
        try:
            given = self._token()
            token: object = anyio.run(_wait_for, given, self._timeout_s) if inspect.isawaitable(given) else given
        except Exception as error:
            raise TokenUnavailable(f"the token function raised {type(error).__name__}") from error
        if not isinstance(token, str) or not _TOKEN.fullmatch(token):
            raise TokenUnavailable("the token function must return the access token as text")
        return token


def server_time(date: str, *, now: datetime) -> datetime:
    """What time the server has by its `Date` header; where that says nothing, a time that only old events are before.

    So an event that it refuses for its `at` can be told to be too old or too far ahead, whose clock ever is wrong.
    """
    try:
        found = parsedate_to_datetime(date)
    except (ValueError, TypeError, OverflowError):
        return now - _OLD
    return found if found.tzinfo is not None else found.replace(tzinfo=UTC)


async def _wait_for(given: Awaitable[str], timeout_s: float) -> str:
    with anyio.fail_after(timeout_s):
        return await given
