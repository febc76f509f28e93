"""Asking the issuer whether a token holds: once for all who ask, bounded, and never a yes that nobody said."""

from __future__ import annotations

import asyncio
import json
import os
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from urllib.parse import parse_qsl

import pytest

from ostiary import ConfigurationError, IntrospectionUnavailable, Introspector, SyncIntrospector, Unavailable
from tests.sdk.feed_server import CLIENT_ID, SECRET, FeedServer, Handler
from tests.sdk.intake_server import until

Open = Callable[..., SyncIntrospector]


class Asked:
    """The introspection endpoint: what it was asked, and what it says."""

    def __init__(self, server: FeedServer) -> None:
        self.server = server
        self.credentials: set[str] = set()
        self.active: object = True
        self.status = 200
        self.headers: dict[str, str] = {}
        self.delay_s = 0.0
        self.forms: list[dict[str, str]] = []
        self.at_once = self.most_at_once = 0
        self._lock = threading.Lock()
        server.answers["ask"] = self._answer

    @property
    def count(self) -> int:
        """How often."""
        return self.server.asked("ask")

    def _answer(self, handler: Handler) -> None:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        self.credentials.add(handler.headers["authorization"])
        self.forms.append(dict(parse_qsl(handler.body.decode())))
        time.sleep(self.delay_s)
        with self._lock:
            self.at_once -= 1
        handler.say(self.status, json.dumps({"active": self.active}).encode(), headers=self.headers)


@pytest.fixture
def asked(server: FeedServer) -> Asked:
    return Asked(server)


@pytest.fixture
def open_introspector(server: FeedServer) -> Iterator[Open]:
    """Makes introspectors, closed at the end."""
    made: list[SyncIntrospector] = []

    def make(**settings: float) -> SyncIntrospector:
        made.append(SyncIntrospector(server.issuer, client_id=CLIENT_ID, client_secret=SECRET, **settings))  # type: ignore[arg-type]
        return made[-1]

    yield make
    for introspector in made:
        introspector.close()


@pytest.mark.parametrize("active", [True, False])
def test_the_issuer_says_yes_or_no(asked: Asked, open_introspector: Open, active: bool) -> None:
    """RFC 7662 §2, with the client's own credentials."""
    asked.active = active
    assert open_introspector().introspect("token-a") is active
    (credentials,) = asked.credentials
    assert credentials.startswith("Basic ")


def test_the_issuer_is_told_who_brought_the_token_only_where_the_service_says_so(
    asked: Asked, open_introspector: Open
) -> None:
    """From another address it is another question; what is no address is not sent (S35)."""
    introspector = open_introspector()
    introspector.introspect("token-a")
    for _ in range(2):
        introspector.introspect("token-a", client_address="203.0.113.9", client_user_agent="Mozilla/5.0\n\x00")
    introspector.introspect("token-a", client_address="203.0.113.10")
    introspector.introspect("token-b", client_address="unix:", client_user_agent="Mozilla/5.0")
    plain = {"token": "token-a", "token_type_hint": "access_token"}
    assert asked.forms == [
        plain,
        plain | {"client_address": "203.0.113.9", "client_user_agent": "Mozilla/5.0"},
        plain | {"client_address": "203.0.113.10"},
        plain | {"token": "token-b"},
    ]


def test_an_answer_is_believed_for_a_moment(asked: Asked, open_introspector: Open) -> None:
    introspector = open_introspector(believed_s=0.3)
    assert [introspector.introspect("token-a") for _ in range(20)] == [True] * 20
    assert asked.count == 1
    introspector.introspect("token-b")
    assert asked.count == 2
    asked.active = False
    time.sleep(0.35)
    assert introspector.introspect("token-a") is False


@pytest.mark.parametrize("active", [None, "true", 1, {}])
def test_what_is_neither_yes_nor_no_is_never_a_yes(asked: Asked, open_introspector: Open, active: object) -> None:
    asked.active = active
    with pytest.raises(IntrospectionUnavailable):
        open_introspector().introspect("token-a")


@pytest.mark.parametrize("status", [301, 401, 403, 500, 503])
def test_an_answer_but_200_is_our_own_trouble(asked: Asked, open_introspector: Open, status: int) -> None:
    """S40: never a 401 for it, and nothing in it tells the secret."""
    asked.status, asked.headers = status, {"Retry-After": "3"}
    introspector = open_introspector()
    with pytest.raises(Unavailable) as told:
        introspector.introspect("token-a")
    assert (told.value.retry_after_s, str(status) in told.value.reason) == (3, True)
    assert "secret" not in f"{told.value!r} {told.value.reason}"


def test_an_issuer_that_is_away_is_left_alone_for_a_moment(server: FeedServer, open_introspector: Open) -> None:
    """Everybody else hears so at once, without waiting for it."""
    server.go_away()
    introspector = open_introspector()
    began = time.monotonic()
    for _ in range(50):
        with pytest.raises(IntrospectionUnavailable):
            introspector.introspect("token-a")
    assert time.monotonic() - began < 1
    server.come_back()
    asked = Asked(server)
    until(lambda: is_answered(introspector))
    assert asked.count == 1


def is_answered(introspector: SyncIntrospector) -> bool:
    """Whether the issuer can be asked again."""
    try:
        return introspector.introspect("token-a")
    except IntrospectionUnavailable:
        return False


def test_a_slow_issuer_is_given_up_in_time(asked: Asked, open_introspector: Open) -> None:
    asked.delay_s = 2
    introspector = open_introspector(timeout_s=0.2)
    began = time.monotonic()
    with pytest.raises(IntrospectionUnavailable, match="try again"):
        introspector.introspect("token-a")
    assert time.monotonic() - began < 1


def test_many_who_ask_are_one_question_a_token_and_a_few_at_once(asked: Asked, open_introspector: Open) -> None:
    asked.delay_s = 0.05
    introspector = open_introspector(most_at_once=3)
    with ThreadPoolExecutor(40) as pool:
        tokens = [f"token-{number % 10}" for number in range(40)]
        assert list(pool.map(introspector.introspect, tokens)) == [True] * 40
    assert asked.count == 10
    assert asked.most_at_once <= 3


def test_who_asks_a_second_after_another_does_not_take_that_ones_answer(asked: Asked, open_introspector: Open) -> None:
    """I2: the slow answer says yes of a moment before the revocation, and the quick one knows better."""
    first_may_go = threading.Event()
    say = asked.server.answers["ask"]

    def slow_first(handler: Handler) -> None:
        asked.server.answers["ask"] = say
        first_may_go.wait(5)
        handler.say(200, b'{"active":true}')

    asked.server.answers["ask"] = slow_first
    introspector = open_introspector()
    with ThreadPoolExecutor(1) as pool:
        slow = pool.submit(introspector.introspect, "token-a")
        until(lambda: asked.count == 1)
        time.sleep(1.05)
        asked.active = False
        assert introspector.introspect("token-a") is False
        first_may_go.set()
        assert slow.result(5) is True
    assert introspector.introspect("token-a") is False, "the older answer does not take the newer one's place"
    assert asked.count == 2


def test_tasks_ask_too_and_one_that_is_cancelled_takes_no_other_along(server: FeedServer, asked: Asked) -> None:
    asked.delay_s = 0.1
    introspector = Introspector(server.issuer, client_id=CLIENT_ID, client_secret=SECRET)

    async def all_at_once() -> list[bool]:
        first, *others = [asyncio.create_task(introspector.introspect("token-a")) for _ in range(5)]
        await asyncio.sleep(0.05)
        first.cancel()
        return await asyncio.gather(*others)

    assert asyncio.run(all_at_once()) == [True] * 4
    # Another loop goes on with the same connections.
    assert asyncio.run(introspector.introspect("token-a"))
    assert asked.count == 1
    introspector.close()


def test_what_no_issuer_can_have_issued_is_not_sent_around(asked: Asked, open_introspector: Open) -> None:
    introspector = open_introspector()
    assert [introspector.introspect(text) for text in ("", "a b", "ü", "x" * 20_000)] == [False] * 4
    assert asked.count == 0


def test_a_forked_child_asks_over_connections_of_its_own(asked: Asked, open_introspector: Open) -> None:
    introspector = open_introspector(believed_s=0)
    assert introspector.introspect("token-a")
    child = os.fork()
    if child == 0:
        os._exit(0 if introspector.introspect("token-b") else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert introspector.introspect("token-c")


@pytest.mark.parametrize("settings", [{"timeout_s": 0}, {"believed_s": -1}, {"believed_s": 2}, {"most_at_once": 0}])
def test_wrong_settings_are_told_at_once(open_introspector: Open, settings: dict[str, float]) -> None:
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        open_introspector(**settings)
