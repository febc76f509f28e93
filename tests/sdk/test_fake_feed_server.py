"""The feed of the test kit as a server: the protocol of docs/feed.md, and every way in which it can misbehave."""

import hashlib
import json
import threading
from base64 import urlsafe_b64encode
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from functools import partial

import anyio
import httpx2
import jwt
import pytest

from ostiary.testing import FakeFeed, FakeIssuer, FeedFaults, Lie
from tests.sdk.clocks import Clock

Event = tuple[str, list[str]]


@pytest.fixture
def feed(clock: Clock) -> FakeFeed:
    """Without heartbeats of its own: every word on a stream is asked for."""
    return FakeFeed(FakeIssuer(clock=clock), heartbeat_s=None, monotonic=clock)


@pytest.fixture
def client(feed: FakeFeed) -> Iterator[httpx2.Client]:
    with httpx2.Client(transport=feed.transport(), base_url=feed.issuer) as made:
        made.headers["authorization"] = f"Bearer {reader_token(feed)}"
        yield made


def reader_token(feed: FakeFeed, *, ttl_s: int = 300, scope: str = "feed:read", aud: str | None = None) -> str:
    return feed.fake_issuer.mint({"aud": aud or feed.issuer, "scope": scope}, ttl_s=ttl_s)


def head_of(feed: FakeFeed, token: str) -> dict[str, object]:
    """What a head says, proven by PyJWT alone."""
    assert jwt.get_unverified_header(token)["typ"] == "ostiary-feed+jwt"
    said: dict[str, object] = jwt.decode(
        token, feed.fake_issuer.key.private.public_key(), algorithms=["ES256"], options={"verify_aud": False}
    )
    return said


def ndjson(answer: httpx2.Response) -> list[dict[str, object]]:
    assert answer.headers["content-type"] == "application/x-ndjson"
    return [json.loads(line) for line in answer.content.split(b"\n")[:-1]]


def chain_over(issuer: str, epoch: str, lines: list[bytes]) -> str:
    """The chain of docs/feed.md, anew."""
    chain = hashlib.sha256(f"ostiary-feed-v1\n{issuer}\n{epoch}".encode()).digest()
    for line in lines:
        chain = hashlib.sha256(chain + line).digest()
    return urlsafe_b64encode(chain).rstrip(b"=").decode()


def events(response: httpx2.Response) -> Iterator[Event]:
    """The named events of a stream, with their data lines."""
    name, data = "", []
    for line in response.iter_lines():
        if line.startswith("event: "):
            name = line.removeprefix("event: ")
        elif line.startswith("data: "):
            data.append(line.removeprefix("data: "))
        elif not line and name:
            yield name, data
            name, data = "", []


def test_a_snapshot_is_what_its_head_says(feed: FakeFeed, client: httpx2.Client, clock: Clock) -> None:
    """Number, chain, count and digest, proven by PyJWT and hashed anew; what expired is not in it."""
    feed.revoke_token("old")
    clock.pass_seconds(3600)
    feed.revoke_token("jti-1")
    feed.facts("usr_1", risk=7)
    client.headers["authorization"] = f"Bearer {reader_token(feed)}"
    answer = client.get("/feed/v1/snapshot")
    first, *entries = ndjson(answer)
    head = head_of(feed, str(first["head"]))
    assert [(entry["seq"], entry["kind"]) for entry in entries] == [(2, "token"), (3, "facts")]
    assert entries[1] == {
        "seq": 3, "kind": "facts", "subject": "usr_1", "at": int(clock() * 1000), "expires": int(clock()) + 3600,
        "facts": {"risk": 7},
    }  # fmt: skip
    body = answer.content.partition(b"\n")[2]
    digest = urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
    assert (head["epoch"], head["seq"], head["count"], head["digest"]) == (feed.epoch, 3, 2, digest)
    assert head["chain"] == chain_over(feed.issuer, feed.epoch, list(feed.lines))
    assert client.get("/feed/v1/snapshot", headers={"if-none-match": answer.headers["etag"]}).status_code == 304


def test_a_delta_goes_on_from_a_number_or_says_that_it_cannot(feed: FakeFeed, client: httpx2.Client) -> None:
    """410 for another epoch, a number beyond the log, and one that it no longer reaches back to."""
    for name in "abc":
        feed.revoke_token(name)

    def delta(**query: str | int) -> httpx2.Response:
        asked: dict[str, str | int] = {"epoch": feed.epoch, "after": 1, **query}
        return client.get("/feed/v1/delta", params=asked)

    *entries, last = ndjson(delta())
    assert [entry["subject"] for entry in entries] == ["b", "c"]
    assert head_of(feed, str(last["head"]))["seq"] == 3
    assert [list(line) for line in ndjson(delta(after=3))] == [["head"]]
    feed.forget_before(2)
    assert [delta(after=4).status_code, delta(epoch="0" * 32).status_code, delta().status_code] == [410] * 3
    assert delta(after=2).status_code == 200
    assert [delta(after="x").status_code, delta(wait=26).status_code] == [400, 400]


def test_a_long_poll_is_answered_by_the_first_news(feed: FakeFeed, client: httpx2.Client) -> None:
    """Without news it would wait for its seconds."""
    timer = threading.Timer(0.05, feed.revoke_token, ["jti-1"])
    timer.start()
    entry, last = ndjson(client.get("/feed/v1/delta", params={"epoch": feed.epoch, "after": 0, "wait": 20}))
    assert (entry["subject"], head_of(feed, str(last["head"]))["seq"]) == ("jti-1", 1)
    [nothing_new] = ndjson(client.get("/feed/v1/delta", params={"epoch": feed.epoch, "after": 1, "wait": 1}))
    assert head_of(feed, str(nothing_new["head"]))["seq"] == 1


def test_a_stream_tells_a_head_first_then_entries_and_a_head_behind_them(feed: FakeFeed, client: httpx2.Client) -> None:
    """From the number that the follower has; ids are epoch and number."""
    feed.revoke_token("a")
    with client.stream("GET", "/feed/v1/events", headers={"last-event-id": f"{feed.epoch}:0"}) as response:
        assert response.headers["content-type"] == "text/event-stream"
        told = events(response)
        assert next(told) == ("entries", [feed.lines[0].decode()])
        assert head_of(feed, next(told)[1][0])["seq"] == 1
        feed.beat()
        assert next(told)[0] == "head"
        feed.revoke_token("b")
        feed.revoke_token("c")
        assert next(told) == ("entries", [feed.lines[1].decode()])
        assert (next(told)[0], next(told)[0], head_of(feed, next(told)[1][0])["seq"]) == ("head", "entries", 3)
        assert feed.streams == 1
    assert feed.streams == 0


def test_a_stream_ends_with_a_reset_where_the_log_does_not_go_on(feed: FakeFeed, client: httpx2.Client) -> None:
    """Another epoch, a log that was set back, a number that is gone."""
    changes: list[Callable[[], None]] = [feed.begin_epoch, partial(feed.roll_back, 1)]
    for change in changes:
        feed.revoke_token("a")
        with client.stream("GET", "/feed/v1/events") as response:
            told = events(response)
            assert next(told)[0] == "head"
            change()
            assert list(told) == [("reset", ["load the snapshot"])]


def test_a_stream_ends_when_its_token_does(feed: FakeFeed, client: httpx2.Client, clock: Clock) -> None:
    """As the server does it."""
    with client.stream("GET", "/feed/v1/events") as response:
        told = events(response)
        assert next(told)[0] == "head"
        clock.pass_seconds(300)
        feed.beat()
        assert list(told) == []
    assert client.get("/feed/v1/snapshot").status_code == 401


def test_nobody_reads_the_feed_without_its_scope(feed: FakeFeed, client: httpx2.Client) -> None:
    """A token for an API, without the scope, of a stranger, or none."""
    stranger = FakeIssuer(feed.issuer, clock=feed.fake_issuer.clock)
    for token in (
        reader_token(feed, aud="https://api.test"), reader_token(feed, scope="users:read"),
        stranger.mint({"aud": stranger.issuer, "scope": "feed:read"}), "",
    ):  # fmt: skip
        assert client.get("/feed/v1/snapshot", headers={"authorization": f"Bearer {token}"}).status_code == 401
    assert client.get("/feed/v1/elsewhere").status_code == 404


def test_a_follower_acknowledges_what_the_log_has_given(feed: FakeFeed, client: httpx2.Client) -> None:
    """And nothing beyond."""
    feed.revoke_token("a")
    said: dict[str, object] = {"follower": "orders-1", "epoch": feed.epoch, "seq": 1}
    assert client.post("/feed/v1/ack", json=said).status_code == 204
    assert feed.acknowledged == {"orders-1": (feed.epoch, 1)}
    for wrong in ({**said, "seq": 2}, {**said, "seq": "1"}, {"seq": 1}, {**said, "follower": 7}):
        assert client.post("/feed/v1/ack", json=wrong).status_code == 400


@pytest.mark.parametrize("lie", [Lie.ISSUER, Lie.SIGNATURE, Lie.TYPE, Lie.COUNT, Lie.DIGEST])
def test_each_lie_is_one(lie: Lie, feed: FakeFeed, client: httpx2.Client) -> None:
    """By PyJWT and by hand: what is told is not what is so, and the truth comes back."""

    def is_honest() -> bool:
        first, *entries = ndjson(client.get("/feed/v1/snapshot"))
        try:
            head = head_of(feed, str(first["head"]))
        except (jwt.PyJWTError, AssertionError):
            return False
        body = b"".join(line + b"\n" for line in feed.lines)
        digest = urlsafe_b64encode(hashlib.sha256(body).digest()).rstrip(b"=").decode()
        chain = chain_over(feed.issuer, feed.epoch, list(feed.lines))
        told = (head["iss"], head["chain"], head["count"], head["digest"])
        return told == (feed.issuer, chain, len(entries), digest)

    feed.revoke_token("a")
    feed.faults = FeedFaults(lie=lie)
    assert not is_honest()
    feed.faults = FeedFaults()
    assert is_honest()


def test_a_lie_about_the_chain_is_told_where_it_can_be_found_out(feed: FakeFeed, client: httpx2.Client) -> None:
    """Behind lines, not in a snapshot, whose chain is the only one that its reader has."""
    feed.faults = FeedFaults(lie=Lie.CHAIN)
    feed.revoke_token("a")
    truth = chain_over(feed.issuer, feed.epoch, list(feed.lines))
    behind = ndjson(client.get("/feed/v1/delta", params={"epoch": feed.epoch, "after": 0}))[-1]
    assert head_of(feed, str(behind["head"]))["chain"] != truth
    first, _ = ndjson(client.get("/feed/v1/snapshot"))
    assert head_of(feed, str(first["head"]))["chain"] == truth


FAULTY = [
    (FeedFaults(drop=1), []),
    (FeedFaults(double=1), [1, 1, 2, 2, 3, 3]),
    (FeedFaults(reorder=1), None),
    (FeedFaults(late=1), []),
]


@pytest.mark.parametrize(("faults", "expected"), FAULTY)
def test_lines_are_dropped_doubled_reordered_and_late_as_they_were_told_to(
    faults: FeedFaults, expected: list[int] | None, feed: FakeFeed, client: httpx2.Client
) -> None:
    """The head still says how far the log is: that is how a follower finds out."""
    with client.stream("GET", "/feed/v1/events") as response:
        told = events(response)
        assert next(told)[0] == "head"
        feed.go_silent()
        for name in "abc":
            feed.revoke_token(name)
        feed.faults = faults
        feed.come_back()
        name, data = next(told)
        numbers = [json.loads(line)["seq"] for line in data] if name == "entries" else []
        head = next(told)[1][0] if name == "entries" else data[0]
        assert head_of(feed, head)["seq"] == 3
        if expected is None:
            assert sorted(numbers) == [1, 2, 3] != numbers
        else:
            assert numbers == expected
        feed.faults = FeedFaults()
        feed.beat()
        name, data = next(told)
        assert (name, len(data)) == (("entries", 3) if faults.late else ("head", 1))


def test_held_words_arrive_as_they_were_said_then(feed: FakeFeed, client: httpx2.Client, clock: Clock) -> None:
    """So that a follower can see how old they are."""
    with client.stream("GET", "/feed/v1/events") as response:
        told = events(response)
        first = head_of(feed, next(told)[1][0])
        feed.hold()
        clock.pass_seconds(30)
        feed.beat()
        clock.pass_seconds(30)
        feed.release()
        ups = [head_of(feed, next(told)[1][0])["up"] for _ in range(2)]
        assert [int(str(up)) - int(str(first["up"])) for up in ups] == [30_000, 60_000]


def test_connections_break_and_fail_and_come_back(feed: FakeFeed, client: httpx2.Client) -> None:
    """By hand, by share, and by another process behind the same address."""
    for breaking in (feed.cut, feed.restart, feed.go_down):
        with client.stream("GET", "/feed/v1/events") as response:
            told = events(response)
            boot = head_of(feed, next(told)[1][0])["boot"]
            breaking()
            with pytest.raises(httpx2.ReadError):
                list(told)
        if breaking == feed.restart:
            [line] = ndjson(client.get("/feed/v1/snapshot"))
            assert head_of(feed, str(line["head"]))["boot"] != boot
    with pytest.raises(httpx2.ConnectError):
        client.get("/feed/v1/snapshot")
    feed.come_back()
    feed.faults = FeedFaults(cut=1, piece_bytes=7)
    with client.stream("GET", "/feed/v1/events") as response:
        told = events(response)
        assert next(told)[0] == "head"
        feed.revoke_token("a")
        assert [next(told)[0], next(told)[0]] == ["entries", "head"]
        with pytest.raises(httpx2.ReadError):
            next(told)
    feed.go_silent()
    answer = client.get("/feed/v1/snapshot")
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")


@pytest.mark.anyio
async def test_an_async_client_hears_the_same_and_heartbeats_come_by_themselves() -> None:
    """The wait is the test's subject."""
    feed = FakeFeed(heartbeat_s=0.02)
    async with httpx2.AsyncClient(transport=feed.transport(), base_url=feed.issuer) as client:
        client.headers["authorization"] = f"Bearer {reader_token(feed)}"
        async with client.stream("GET", "/feed/v1/events") as response:
            lines = response.aiter_lines()
            with anyio.fail_after(10):
                assert len(await first_data(lines, 3)) == 3
                await anyio.to_thread.run_sync(feed.revoke_token, "jti-1")
                async for line in lines:
                    if line == f"data: {feed.lines[0].decode()}":
                        break
                feed.cut()
                with pytest.raises(httpx2.ReadError):
                    async for _ in lines:
                        pass


async def first_data(lines: AsyncIterator[str], count: int) -> list[str]:
    """The next data lines of a stream."""
    found: list[str] = []
    async for line in lines:
        found += [line] if line.startswith("data: ") else []
        if len(found) == count:
            return found
    raise AssertionError("the stream has ended")


def test_faults_out_of_range_are_refused() -> None:
    """A share is a share."""
    with pytest.raises(ValueError, match="drop must be a share"):
        FeedFaults(drop=1.5)
    with pytest.raises(ValueError, match="piece_bytes 1 or more"):
        replace(FeedFaults(), piece_bytes=0)
