"""The rows of a person's pages: what a TOTP step costs beyond an empty page, and a page with fifty sessions."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from statistics import median as middle

from benchmarks.browser import Connection, Reply
from benchmarks.compare import Effort
from benchmarks.deployment import PASSWORD, Deployment
from benchmarks.figures import Figure
from benchmarks.own_people import APPS, SESSIONS
from benchmarks.processes import BenchmarkFailed, cpu_seconds, process_tree
from benchmarks.signins import FORM_TOKEN
from identity.factors.totp import TotpParameters, code_at

TOTP_LIMIT_MS = 2.0
SESSIONS_LIMIT_MS = 20.0
# Each person's app gives one code a step, and a code is taken one step early or late: one to become known at a
# browser, two to be measured there.
ROUNDS = 2
PAGES = 60
_PARAMETERS = TotpParameters()
_DONE = 303


def compare_totp(ours: Deployment, _effort: Effort, say: Callable[[str], None]) -> Figure:
    """CPU of `POST /signin/totp` with the right code, less that of the start page, in turns."""
    steps, empty = [], []
    browsers: dict[str, Mapping[str, str]] = {}
    asyncio.run(_totp_ms(ours, -1, browsers))
    for turn in range(ROUNDS):
        steps.append(asyncio.run(_totp_ms(ours, turn, browsers)))
        empty.append(asyncio.run(_page_ms(ours, "/", {})))
        say(f"  totp on {ours.kind}, round {turn + 1} of {ROUNDS}: {steps[-1]:.2f} ms, empty page {empty[-1]:.2f} ms")
    return Figure(
        row="totp",
        database=ours.kind,
        what="CPU of a TOTP step beyond an empty page",
        value=middle(step - page for step, page in zip(steps, empty, strict=True)),
        unit=" ms",
        sense="at most",
        limit=TOTP_LIMIT_MS,
        details={"step ms": middle(steps), "empty page ms": middle(empty), "steps a round": APPS},
    )


def measure_sessions(ours: Deployment, effort: Effort, say: Callable[[str], None]) -> Figure:
    """CPU of `/account/sessions` of a person with fifty sessions."""
    asyncio.run(_page_ms(ours, "/account/sessions", ours.own.cookies))
    found = [asyncio.run(_page_ms(ours, "/account/sessions", ours.own.cookies)) for _ in range(min(5, effort.pairs))]
    say(f"  sessions on {ours.kind}: {middle(found):.2f} ms")
    return Figure(
        row="sessions",
        database=ours.kind,
        what=f"CPU of /account/sessions with {SESSIONS} sessions",
        value=middle(found),
        unit=" ms",
        sense="at most",
        limit=SESSIONS_LIMIT_MS,
        details={"rounds": len(found), "pages a round": PAGES},
    )


async def _totp_ms(ours: Deployment, ahead: int, browsers: dict[str, Mapping[str, str]]) -> float:
    """Everybody's step with the code that is `ahead` of now, each after a password; `browsers` keeps device cookies."""
    connection = Connection(ours.port)
    try:
        # A step that ends meanwhile would make the codes too old.
        left_s = 30 - time.time() % 30
        if left_s < 20:
            await asyncio.sleep(left_s)
        step = int(time.time()) // 30 + ahead
        prepared = [await _to_code(connection, username, browsers.get(username, {})) for username in ours.own.apps]
        codes = [code_at(secret, _PARAMETERS, step) for secret in ours.own.apps.values()]
        sends = [
            lambda cookies=cookies, form={**form, "code": code}: connection.post("/signin/totp", form, cookies)
            for (cookies, form), code in zip(prepared, codes, strict=True)
        ]
        spent, replies = await _cpu_ms(ours, sends, _DONE)
        for username, reply in zip(ours.own.apps, replies, strict=True):
            kept = {name: value for name, value in reply.cookies.items() if name.endswith("device")}
            browsers[username] = kept or browsers.get(username, {})
        return spent
    finally:
        await connection.close()


async def _to_code(
    connection: Connection, username: str, known: Mapping[str, str]
) -> tuple[Mapping[str, str], Mapping[str, str]]:
    page = await connection.get("/signin", known)
    form = {"form_token": _token_of(page), "username": username, "password": PASSWORD}
    signed = await connection.post("/signin", form, {**known, **page.cookies})
    cookies = {**known, **page.cookies, **signed.cookies}
    asked = await connection.get("/signin/totp", cookies)
    return cookies, {"form_token": _token_of(asked)}


def _token_of(page: Reply) -> str:
    found = FORM_TOKEN.search(page.body)
    if page.status != 200 or found is None:
        raise BenchmarkFailed(f"a page of the sign-in answered {page.status} without a form")
    return found[1]


async def _page_ms(ours: Deployment, path: str, cookies: Mapping[str, str]) -> float:
    connection = Connection(ours.port)
    try:
        await connection.get(path, cookies)
        return (await _cpu_ms(ours, [lambda: connection.get(path, cookies)] * PAGES, 200))[0]
    finally:
        await connection.close()


async def _cpu_ms(
    ours: Deployment, asked: Sequence[Callable[[], Awaitable[Reply]]], expected: int
) -> tuple[float, list[Reply]]:
    """CPU of the server for each of these requests, one after the other, and their answers."""
    pids = process_tree(ours.program.pid)
    before = cpu_seconds(pids)
    replies = [await ask() for ask in asked]
    spent = (cpu_seconds(pids) - before) / len(asked) * 1e3
    others = {reply.status for reply in replies} - {expected}
    if others:
        raise BenchmarkFailed(f"answers were {others}, not {expected}")
    return spent, replies
