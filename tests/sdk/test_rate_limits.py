"""Rate limits in front of an API: who is counted, what is told, and that there is always a limit (I6)."""

import uuid
from collections.abc import AsyncIterator, Iterable

import httpx2
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse
from starlette.routing import Route

from ostiary import AccessToken, ConfigurationError, SyncVerifier, Verifier
from ostiary.asgi import RequireToken
from ostiary.rate_counts import ProcessCounts, RedisCounts, SyncRedisCounts, Window
from ostiary.rate_guard import LimitRates, LimitRatesWSGI
from ostiary.rate_limits import RateLimiter, RateLimits, SyncRateLimiter
from ostiary.rates import Rate
from ostiary.testing import FakeIssuer
from ostiary.wsgi_types import StartResponse, WSGIEnviron
from tests.sdk.clocks import Clock
from tests.sdk.test_framework_guards import ask_wsgi

pytestmark = pytest.mark.anyio

NOBODY_THERE = "redis://127.0.0.1:1/0"


async def hello(request: Request) -> PlainTextResponse:
    return PlainTextResponse("hello")


def make_app(fake: FakeIssuer, clock: Clock, limiter: RateLimiter, *, exempt: tuple[str, ...] = ()) -> Starlette:
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    return Starlette(
        routes=[Route("/", hello), Route("/health", hello)],
        middleware=[
            Middleware(RequireToken, verifier, exempt=["/health"]),
            Middleware(LimitRates, limiter, exempt=exempt),
        ],
    )


async def ask(app: Starlette, token: str = "", path: str = "/", method: str = "GET") -> httpx2.Response:
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(app), base_url="https://api.test") as client:
        return await client.request(method, path, headers={"Authorization": f"Bearer {token}"} if token else {})


async def test_a_person_may_call_a_thousand_times_in_a_quarter_of_an_hour(fake: FakeIssuer, clock: Clock) -> None:
    """The default; the answers tell what is left (draft-ietf-httpapi-ratelimit-headers-10)."""
    app = make_app(fake, clock, RateLimiter(RateLimits(), clock=clock))
    token = fake.mint({"sub": "usr_1"}, ttl_s=3600)
    first = await ask(app, token)
    assert first.headers["ratelimit-policy"] == '"person";q=1000;w=900'
    assert first.headers["ratelimit"] == '"person";r=999;t=900'
    for _ in range(998):
        await ask(app, token)
    last = await ask(app, token)
    assert (last.status_code, last.headers["ratelimit"]) == (200, '"person";r=0;t=900')
    refused = await ask(app, token)
    assert (refused.status_code, refused.headers["content-type"]) == (429, "application/problem+json")
    wait_s = int(refused.headers["retry-after"])
    assert refused.headers["ratelimit"] == f'"person";r=0;t={wait_s}'
    assert refused.json() == {
        "type": "https://iana.org/assignments/http-problem-types#quota-exceeded",
        "title": "Too many requests",
        "status": 429,
        "detail": f"try again in {wait_s} s",
        "violated-policies": ["person"],
    }
    assert (await ask(app, token, method="HEAD")).content == b""
    assert (await ask(app, fake.mint({"sub": "usr_2"}))).status_code == 200, "another person is not harmed"
    clock.pass_seconds(wait_s + 1)
    assert (await ask(app, token)).status_code == 200


async def test_clients_and_everyone_have_limits_of_their_own(fake: FakeIssuer, clock: Clock) -> None:
    """A service that calls in its own name is no person; how busy all are is told only when it is the reason."""
    limits = RateLimits(person=Rate(1, 60), client=Rate(2, 60), everyone=Rate(4, 60))
    app = make_app(fake, clock, RateLimiter(limits, clock=clock), exempt=("/health",))
    service = fake.mint({"sub": "cli_1", "client_id": "cli_1"})
    answers = [await ask(app, service) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [200, 200, 429]
    assert answers[0].headers["ratelimit-policy"] == '"client";q=2;w=60'
    assert answers[2].json()["violated-policies"] == ["client"]
    person = {"sub": "usr_1", "client_id": "cli_2"}
    assert (await ask(app, fake.mint(person))).status_code == 200
    both = await ask(app, fake.mint(person))
    assert both.json()["violated-policies"] == ["person", "everyone"]
    assert '"everyone";q=4;w=60' in both.headers["ratelimit-policy"]
    assert (await ask(app, path="/health")).status_code == 200, "an exempt path is never counted"


async def test_without_a_token_only_the_limit_for_everyone_counts(fake: FakeIssuer, clock: Clock) -> None:
    app = make_app(fake, clock, RateLimiter(RateLimits(everyone=Rate(1, 60)), clock=clock))
    assert [(await ask(app, path="/health")).status_code for _ in range(2)] == [200, 429]


@pytest.fixture
async def redis_pair(redis_url: str) -> AsyncIterator[tuple[RedisCounts, RedisCounts]]:
    """Two processes' ways to one Redis, with counters of their own."""
    prefix = f"test:{uuid.uuid4().hex}:"
    pair = RedisCounts(redis_url, prefix=prefix), RedisCounts(redis_url, prefix=prefix)
    yield pair
    for counts in pair:
        await counts.close()


async def load_token(fake: FakeIssuer, clock: Clock, **claims: object) -> AccessToken:
    verifier = Verifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    return await verifier.verify(fake.mint(claims))


async def test_two_processes_share_one_limit_through_redis(
    fake: FakeIssuer, clock: Clock, redis_pair: tuple[RedisCounts, RedisCounts]
) -> None:
    limits, token = RateLimits(person=Rate(4, 60)), await load_token(fake, clock)
    one, two = (RateLimiter(limits, shared=counts, clock=clock) for counts in redis_pair)
    allowed = [(await limiter.hit(token)).allowed for limiter in (one, two, one, two, one, two)]
    assert allowed == [True] * 4 + [False] * 2


async def test_when_redis_goes_away_the_process_limits_by_what_it_has_seen(
    fake: FakeIssuer, clock: Clock, redis_pair: tuple[RedisCounts, RedisCounts]
) -> None:
    """F2, I6: nothing fails open; Redis is left alone for a second after each failure."""
    limits, token = RateLimits(person=Rate(3, 60)), await load_token(fake, clock)
    shared = redis_pair[0]
    limiter = RateLimiter(limits, shared=shared, clock=clock, monotonic=clock)
    assert [(await limiter.hit(token)).allowed for _ in range(2)] == [True, True]
    lost = RedisCounts(NOBODY_THERE)
    limiter._shared = lost
    assert [(await limiter.hit(token)).allowed for _ in range(2)] == [True, False]
    limiter._shared = shared
    assert not (await limiter.hit(token)).allowed, "still resting: the own count holds"
    clock.pass_seconds(2)
    assert (await limiter.hit(token)).allowed, "Redis has seen two, and its word counts again"
    await lost.close()


def test_wsgi_has_the_same_limits_with_and_without_redis(fake: FakeIssuer, clock: Clock, redis_url: str) -> None:
    verifier = SyncVerifier(fake.issuer, fake.audience, transport=fake.transport(), clock=clock, monotonic=clock)
    proven: dict[str, object] = {"ostiary.token": verifier.verify(fake.mint())}

    def app(environ: WSGIEnviron, start_response: StartResponse) -> Iterable[bytes]:
        start_response("200 OK", [("Content-Type", "text/plain")])
        return [b"hello"]

    for url in (redis_url, NOBODY_THERE):
        counts = SyncRedisCounts(url, prefix=f"test:{uuid.uuid4().hex}:")
        limiter = SyncRateLimiter(RateLimits(person=Rate(2, 60)), shared=counts, clock=clock)
        guarded = LimitRatesWSGI(app, limiter, exempt=["/health"])
        answers = [ask_wsgi(guarded, "/", "GET", **proven) for _ in range(3)]
        assert [answer.status_code for answer in answers] == [200, 200, 429]
        assert answers[0].headers["ratelimit"].startswith('"person";r=1;t=')
        assert int(answers[2].headers["retry-after"]) >= 1
        assert ask_wsgi(guarded, "/health", "GET", **proven).status_code == 200
        counts.close()


def test_memory_stays_bounded_and_the_busy_are_remembered() -> None:
    counts = ProcessCounts(max_keys=100)
    for number in range(1000):
        counts.hit([Window(f"person-{number}", 7, 60)])
        counts.hit([Window("busy", 7, 60)])
    assert len(counts) == 100
    assert counts.hit([Window("busy", 8, 60)]) == [(1, 1000)]
    assert counts.hit([Window("busy", 10, 60)]) == [(1, 0)]


@pytest.mark.parametrize("wrong", [(0, 60), (10, 0), (True, 60), (1.5, 60), (10, -1)])
def test_a_rate_that_means_nothing_cannot_be_made(wrong: tuple[int, int]) -> None:
    with pytest.raises(ConfigurationError):
        Rate(*wrong)
