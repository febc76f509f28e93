"""How soon a revocation is in force at a service with the SDK, and what followers cost while nothing happens."""

import asyncio
import json
import statistics
import time
from base64 import b64encode
from contextlib import closing
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.deployment import API, Credentials, Deployment
from benchmarks.figures import Figure
from benchmarks.processes import BenchmarkFailed, cpu_seconds, process_tree
from ostiary import Feed, SyncVerifier, TokenError

REVOKED, QUICK_REVOKED = 300, 20
FOLLOWERS, WATCHED_S = 500, 20.0
P50_LIMIT_MS, P99_LIMIT_MS, CORE_LIMIT = 150.0, 500.0, 5.0
_LOOK_EVERY_S = 0.0005
_GIVEN_UP_S = 10.0


def measure_feed(ours: Deployment, revoked: int) -> list[Figure]:
    """From the acknowledgement to the refusal, and the CPU of a server with 500 followers."""
    return [*_measure_delay(ours, revoked), _measure_followers(ours)]


def _measure_delay(ours: Deployment, revoked: int) -> list[Figure]:
    issuer = _issuer_of(ours)
    feed = Feed(issuer, client_id=ours.follower.client_id, client_secret=ours.follower.secret)
    with closing(feed):
        verifier = SyncVerifier(issuer, API, feed=feed)
        if not feed.wait_ready(20):
            raise BenchmarkFailed("the feed did not become ready")
        took = sorted(_revoke(ours, verifier) for _ in range(revoked))
    p50, p99 = statistics.median(took), took[int(len(took) * 0.99)]
    details: dict[str, object] = {"revocations": revoked, "most_ms": round(took[-1], 1)}
    return [
        Figure(
            row="feed", database=ours.kind, what=f"{name} from acknowledgement to refusal",
            value=value, unit=" ms", sense="at most", limit=limit, details=details,
        )
        for name, value, limit in (("p50", p50, P50_LIMIT_MS), ("p99", p99, P99_LIMIT_MS))
    ]  # fmt: skip


def _revoke(ours: Deployment, verifier: SyncVerifier) -> float:
    """Milliseconds until a token that was just given back is refused."""
    token = _token(ours, ours.service, {"scope": "orders:read"})
    verifier.verify(token)
    _post(ours, "/oauth/revoke", ours.service, {"token": token})
    began = time.perf_counter()
    while time.perf_counter() < began + _GIVEN_UP_S:
        try:
            verifier.verify(token)
        except TokenError:
            return (time.perf_counter() - began) * 1000
        time.sleep(_LOOK_EVERY_S)
    raise BenchmarkFailed(f"a revoked token was still accepted after {_GIVEN_UP_S:g} s")


def _measure_followers(ours: Deployment) -> Figure:
    alone, followed = asyncio.run(_follow(ours))
    return Figure(
        row="feed", database=ours.kind, what=f"share of a core that {FOLLOWERS} connected followers take",
        value=followed - alone, unit=" %", sense="at most", limit=CORE_LIMIT,
        details={"server with nobody": f"{alone:.2f} %", "with all": f"{followed:.2f} %"},
    )  # fmt: skip


async def _follow(ours: Deployment) -> tuple[float, float]:
    alone = await _share_of_core(ours)
    token = _token(ours, ours.follower, {"scope": "feed:read", "resource": _issuer_of(ours)})
    tasks = []
    for number in range(FOLLOWERS):
        tasks.append(asyncio.create_task(_follower(ours, token, number)))
        await asyncio.sleep(0.005)
    await asyncio.sleep(2)
    followed = await _share_of_core(ours)
    lost = sum(task.done() for task in tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    if lost:
        raise BenchmarkFailed(f"{lost} of {FOLLOWERS} followers lost their connection")
    return alone, followed


async def _follower(ours: Deployment, token: str, number: int) -> None:
    reader, writer = await asyncio.open_connection("127.0.0.1", ours.port)
    head = f"GET /feed/v1/events?follower=f{number} HTTP/1.1\r\nHost: 127.0.0.1:{ours.port}\r\n"
    writer.write(f"{head}Authorization: Bearer {token}\r\n\r\n".encode())
    while await reader.read(65536):
        pass


async def _share_of_core(ours: Deployment) -> float:
    pids = process_tree(ours.program.pid)
    before, began = cpu_seconds(pids), time.perf_counter()
    await asyncio.sleep(WATCHED_S)
    return (cpu_seconds(pids) - before) / (time.perf_counter() - began) * 100


def _issuer_of(ours: Deployment) -> str:
    with urlopen(ours.url + "/.well-known/openid-configuration", timeout=10) as answer:  # noqa: S310 - our own server
        return str(json.load(answer)["issuer"])


def _token(ours: Deployment, who: Credentials, asked: dict[str, str]) -> str:
    return str(_post(ours, "/oauth/token", who, {"grant_type": "client_credentials", **asked})["access_token"])


def _post(ours: Deployment, path: str, who: Credentials, form: dict[str, str]) -> dict[str, object]:
    basic = b64encode(f"{who.client_id}:{who.secret}".encode()).decode()
    headers = {"Authorization": f"Basic {basic}"}
    request = Request(ours.url + path, urlencode(form).encode(), headers)  # noqa: S310 - our own server
    with urlopen(request, timeout=10) as answer:  # noqa: S310
        return dict(json.loads(answer.read() or b"{}"))
