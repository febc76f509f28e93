"""People at the sign-in page: attempts prepared one by one, then posted by several browsers at once."""

import asyncio
import re
import secrets
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha256
from itertools import count
from urllib.parse import parse_qs, urlencode, urlsplit

import msgspec

from base.secret_values import b64url
from benchmarks.browser import Connection, Reply
from benchmarks.deployment import API_SCOPES, CALLBACK, PASSWORD, PEOPLE, Deployment
from benchmarks.processes import BenchmarkFailed

SIGNED_IN = 303
FORM_TOKEN = re.compile(r'<input type="hidden" name="form_token" value="([^"]+)">')
_NUMBERS = count()


@dataclass(frozen=True, slots=True)
class Attempt:
    """A form that is filled in and not yet sent, in a browser that has never been here."""

    cookies: dict[str, str]
    form: dict[str, str]


@dataclass(frozen=True, slots=True)
class Posted:
    """What came of posting attempts: how long all of them took, and their answers."""

    seconds: float
    replies: tuple[Reply, ...]

    @property
    def statuses(self) -> Counter[int]:
        """How many answers had which status."""
        return Counter(reply.status for reply in self.replies)


async def prepare(connection: Connection) -> Attempt:
    """Opens the sign-in page and fills in the form; each attempt is the next person's."""
    page = await connection.get("/signin")
    token = FORM_TOKEN.search(page.body)
    if page.status != 200 or token is None:
        raise BenchmarkFailed(f"the sign-in page answered {page.status} without a form")
    username = f"person{next(_NUMBERS) % PEOPLE}"
    return Attempt(page.cookies, {"form_token": token[1], "username": username, "password": PASSWORD})


async def prepare_many(port: int, number: int) -> list[Attempt]:
    """As many attempts as asked for, over one connection."""
    connection = Connection(port)
    try:
        return [await prepare(connection) for _ in range(number)]
    finally:
        await connection.close()


async def post_all(port: int, attempts: Sequence[Attempt], *, browsers: int) -> Posted:
    """Posts prepared attempts, `browsers` at a time; connections are open before the clock starts."""
    waiting = list(reversed(attempts))
    connections = [Connection(port) for _ in range(min(browsers, len(waiting)))]
    await asyncio.gather(*(connection.open() for connection in connections))
    replies: list[Reply] = []

    async def browse(connection: Connection) -> None:
        while waiting:
            attempt = waiting.pop()
            replies.append(await connection.post("/signin", attempt.form, attempt.cookies))

    began = time.perf_counter()
    try:
        await asyncio.gather(*(browse(connection) for connection in connections))
    finally:
        spent = time.perf_counter() - began
        await asyncio.gather(*(connection.close() for connection in connections))
    return Posted(spent, tuple(replies))


async def sign_in_many(port: int, number: int, *, browsers: int, ends_at: float | None = None) -> int:
    """Opens the page and signs in, `number` times at most and until `ends_at` (monotonic); returns how often.

    Raises BenchmarkFailed where an answer is neither a sign-in nor a 503.
    """
    left, done = number, 0

    async def browse() -> None:
        nonlocal left, done
        connection = Connection(port)
        try:
            while left > 0 and (ends_at is None or time.monotonic() < ends_at):
                left -= 1
                attempt = await prepare(connection)
                reply = await connection.post("/signin", attempt.form, attempt.cookies)
                done += _check(reply)
        finally:
            await connection.close()

    await asyncio.gather(*(browse() for _ in range(browsers)))
    return done


def _check(reply: Reply) -> bool:
    if reply.status not in (SIGNED_IN, 503):
        raise BenchmarkFailed(f"a sign-in was answered with {reply.status}")
    return reply.status == SIGNED_IN


async def seed_refresh_tokens(deployment: Deployment, number: int) -> list[str]:
    """Fresh refresh tokens, a grant each, by the authorization endpoint in a browser that has signed in."""
    connection = Connection(deployment.port)
    try:
        attempt = await prepare(connection)
        signed_in = await connection.post("/signin", attempt.form, attempt.cookies)
        _check(signed_in)
        return [await _authorize(connection, deployment, signed_in.cookies) for _ in range(number)]
    finally:
        await connection.close()


async def _authorize(connection: Connection, deployment: Deployment, cookies: dict[str, str]) -> str:
    verifier = secrets.token_urlsafe(48)
    client = {"client_id": deployment.web.client_id, "redirect_uri": CALLBACK}
    asked = {
        **client,
        "response_type": "code",
        "scope": " ".join(["openid", *API_SCOPES]),
        "code_challenge": b64url(sha256(verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    answer = await connection.get("/oauth/authorize?" + urlencode(asked), cookies)
    code = parse_qs(urlsplit(answer.header("location") or "").query).get("code", [""])[0]
    form = {"grant_type": "authorization_code", "code": code, "code_verifier": verifier, **client}
    tokens = await connection.post("/oauth/token", {**form, "client_secret": deployment.web.secret})
    if tokens.status != 200:
        raise BenchmarkFailed(f"no refresh token: {answer.status} {answer.header('location')}, then {tokens.body}")
    return str(msgspec.json.decode(tokens.body)["refresh_token"])
