"""Decisions over HTTP (AuthZEN): how many evaluations one core answers in a second, one by one and many in a message.

The shipped policies decide about calls through the gateway, each with a person read from the database, the token's
revocation looked up, and everything that a gateway says of a request. From the CPU of the server's processes: what a
busy machine takes away does not count.
"""

import json
import statistics
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

from benchmarks.compare import Effort
from benchmarks.deployment import Deployment
from benchmarks.figures import Figure
from benchmarks.load import CONNECTIONS, Measured, measure
from benchmarks.processes import BenchmarkFailed

LIMIT_A_SECOND = 3_000.0
TOGETHER = 20
_SCRIPT = Path(__file__).resolve().parent / "json.lua"
_ROUTES = 5


def measure_authzen(ours: Deployment, effort: Effort, say: Callable[[str], None]) -> list[Figure]:
    """Evaluations a second a core at both endpoints."""
    token = _token(ours)
    subs = _people(ours, token)
    one = _question(subs[0], 0)
    several: dict[str, object] = {"evaluations": [_question(subs[n % len(subs)], n % _ROUTES) for n in range(TOGETHER)]}
    asked = (("evaluation", one, 1), ("evaluations", several, TOGETHER))
    found = []
    for path, message, questions in asked:
        _check(_post(f"{ours.url}/access/v1/{path}", message, token), questions)
        figure = _measure(ours, path, message, questions, token, effort)
        say(f"  authzen on {ours.kind}, {path}: {figure.value:.0f} a second a core")
        found.append(figure)
    return found


def _measure(
    ours: Deployment, path: str, message: Mapping[str, object], questions: int, token: str, effort: Effort
) -> Figure:
    environment = {"TOKEN": token, "BODY": json.dumps(message)}
    # A message of many holds a core for a while: with more of them under way the load generator would lose patience.
    connections = CONNECTIONS if questions == 1 else 4

    def load(seconds: int) -> Measured:
        url = f"{ours.url}/access/v1/{path}"
        return measure(
            url, ours.program.pid, seconds=seconds, connections=connections, script=_SCRIPT, environment=environment
        )

    load(effort.warm_up_s)
    runs = [load(effort.seconds) for _ in range(effort.pairs)]
    middle = statistics.median(run.cpu_us for run in runs)
    bad = sum(run.bad for run in runs)
    return Figure(
        row="authzen",
        database=ours.kind,
        what=f"evaluations a second a core, {'one' if questions == 1 else questions} in a message",
        value=questions * 1e6 / middle,
        sense="at least",
        limit=LIMIT_A_SECOND,
        fault=f"answers that were errors: {bad}" if bad else None,
        details={
            "CPU µs a request": round(middle, 1),
            "req/s": round(statistics.median(run.req_s for run in runs)),
            "p99 ms": statistics.median(run.p99_ms for run in runs),
            "connections": connections,
        },
    )


def _question(sub: str, number: int) -> dict[str, object]:
    route = {"service": "order-processing", "scope": "orders:read", "is_sensitive": number % 2 == 0}
    return {
        "subject": {"type": "person", "id": sub},
        "action": {"name": "call"},
        "resource": {"type": "route", "id": f"orders-{number}", "properties": route},
        "context": {
            "method": "GET", "host": "api.example.com", "path": "/api/orders/42", "scopes": ["orders:read"],
            "risk": 12, "address": "198.51.100.7", "client": "cli_web",
            "authentication": {"acr": "urn:ostiary:aal2", "amr": ["mfa", "otp", "pwd"], "age_s": 60},
        },
    }  # fmt: skip


def _check(answer: Mapping[str, object], questions: int) -> None:
    """Fails unless every question was allowed: refusals would be cheaper."""
    answers = answer["evaluations"] if questions > 1 else [answer]
    if not isinstance(answers, list) or [each["decision"] for each in answers] != [True] * questions:
        raise BenchmarkFailed(f"not every question was allowed: {str(answer)[:200]}")


def _people(ours: Deployment, token: str) -> Sequence[str]:
    """People that the deployment knows."""
    message: dict[str, object] = {
        "subject": {"type": "person"},
        "action": {"name": "consent"},
        "resource": {"type": "application", "id": ours.web.client_id},
        "page": {"limit": TOGETHER},
    }
    results = _post(f"{ours.url}/access/v1/search/subject", message, token)["results"]
    if not isinstance(results, list) or not results:
        raise BenchmarkFailed("no people were found")
    return [each["id"] for each in results]


def _token(ours: Deployment) -> str:
    form = urlencode({"grant_type": "client_credentials", "scope": "authzen:evaluate"}).encode()
    headers = {"Authorization": f"Basic {ours.follower.basic}"}
    with urlopen(Request(f"{ours.url}/oauth/token", form, headers), timeout=10) as answer:  # noqa: S310 - our server
        return str(json.load(answer)["access_token"])


def _post(url: str, message: Mapping[str, object], token: str) -> dict[str, object]:
    headers = {"Authorization": f"Bearer {token}", "Content-Type": "application/json"}
    with urlopen(Request(url, json.dumps(message).encode(), headers), timeout=10) as answer:  # noqa: S310 - as above
        found: dict[str, object] = json.load(answer)
        return found
