"""The feed's four addresses over HTTP: who may come in, what they hear, and how they are refused."""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import jwt
import pytest
from starlette.types import Message

from audit.catalogue import IN_FORCE
from base.errors import StorageUnavailable
from feed.wire import HEAD_TYPE, first_chain, next_chain
from identity import revocation
from identity.clients import set_client_disabled
from tests.server.api.service import Service, open_service
from tests.server.process import ROOT
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio

PATHS = ("/feed/v1/snapshot", "/feed/v1/delta", "/feed/v1/events")


@pytest.fixture
async def follower(world: World) -> AsyncIterator[Service]:
    """A service that follows the feed."""
    async with open_service(world, "feed:read", name="follower") as opened:
        yield opened


async def revoke(world: World) -> None:
    """One client's tokens: one entry."""
    client = await world.client(name="Revoked")
    async with world.services.database.transaction() as db:
        told = {"why": "revoked", "now": world.clock(), "actor": "cli"}
        await revocation.revoke_client(db, world.services, client.client.client_id, **told)  # type: ignore[arg-type]


async def proven(world: World, jws: str) -> dict[str, object]:
    """What a head says, by the issuer's published keys."""
    assert jwt.get_unverified_header(jws)["typ"] == HEAD_TYPE
    async with world.browser() as browser:
        keys = jwt.PyJWKSet.from_dict((await browser.get("/.well-known/jwks.json")).json())
    key = keys[jwt.get_unverified_header(jws)["kid"]]
    says: dict[str, object] = jwt.decode(jws, key, ["ES256"], issuer=ISSUER, options={"verify_aud": False})
    return says


class Listener:
    """One stream, asked for without a socket."""

    def __init__(self, world: World, token: str, query: str, headers: dict[str, str]) -> None:
        named = {"authorization": f"Bearer {token}", "host": "id.example.com", **headers}
        self._scope = {
            "type": "http", "method": "GET", "path": "/feed/v1/events", "raw_path": b"/feed/v1/events",
            "query_string": query.encode(), "headers": [(k.encode(), v.encode()) for k, v in named.items()],
            "client": ("198.51.100.9", 1), "server": ("id.example.com", 443), "scheme": "https",
            "http_version": "1.1", "root_path": "", "asgi": {"version": "3.0"},
        }  # fmt: skip
        self._world = world
        self._sent: asyncio.Queue[Message] = asyncio.Queue()
        self.left = asyncio.Event()
        self.status = 0
        self._rest = ""

    async def run(self) -> None:
        asked = False

        async def receive() -> Message:
            nonlocal asked
            if asked:
                await self.left.wait()
                return {"type": "http.disconnect"}
            asked = True
            return {"type": "http.request", "body": b"", "more_body": False}

        await self._world.app.asgi(self._scope, receive, self._sent.put)

    async def begin(self) -> dict[str, str]:
        """The answer's headers."""
        start = await asyncio.wait_for(self._sent.get(), 10)
        self.status = start["status"]
        return {name.decode(): value.decode() for name, value in start["headers"]}

    async def event(self) -> dict[str, list[str]] | None:
        """The next event's fields; None at the end."""
        while "\n\n" not in self._rest:
            message = await asyncio.wait_for(self._sent.get(), 10)
            self._rest += message.get("body", b"").decode()
            if not message.get("more_body") and not self._rest:
                return None
        block, _, self._rest = self._rest.partition("\n\n")
        fields: dict[str, list[str]] = {}
        for line in block.split("\n"):
            name, _, value = line.partition(": ")
            fields.setdefault(name, []).append(value)
        return fields


@asynccontextmanager
async def listening(service: Service, query: str = "", **headers: str) -> AsyncIterator[Listener]:
    """A stream, while the process reads the feed."""
    hub = service.world.app.feed.hub
    listener = Listener(service.world, service.token, query, headers)

    async def keep_reading() -> None:
        while True:
            await hub.round()
            await asyncio.sleep(0.01)

    tasks = [asyncio.create_task(listener.run()), asyncio.create_task(keep_reading())]
    try:
        yield listener
    finally:
        listener.left.set()
        hub._wake()
        tasks[1].cancel()
        await asyncio.wait_for(tasks[0], 10)


async def test_a_follower_begins_with_a_snapshot_and_goes_on_with_the_delta(world: World, follower: Service) -> None:
    await revoke(world)
    answer = await follower.get("/feed/v1/snapshot")
    assert (answer.status_code, answer.headers["content-type"]) == (200, "application/x-ndjson")
    first, *lines = answer.content.splitlines()
    head = await proven(world, json.loads(first)["head"])
    assert (head["seq"], head["count"], len(lines)) == (1, 1, 1)
    await revoke(world)
    more = await follower.get("/feed/v1/delta", epoch=head["epoch"], after=1)
    line, last = more.content.splitlines()
    says = await proven(world, json.loads(last)["head"])
    chain = next_chain(next_chain(first_chain(ISSUER, str(head["epoch"])), lines[0]), line)
    assert (says["seq"], says["chain"]) == (2, jwt.utils.base64url_encode(chain).decode())
    assert json.loads(line)["kind"] == "client"


async def test_a_waiting_delta_is_answered_by_the_first_entry(world: World, follower: Service) -> None:
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    asked = asyncio.create_task(follower.get("/feed/v1/delta", epoch=epoch, after=0, wait=20))
    await asyncio.sleep(0.05)
    assert not asked.done()
    await revoke(world)
    await world.app.feed.hub.round()
    answer = await asyncio.wait_for(asked, 10)
    assert json.loads(answer.content.splitlines()[0])["seq"] == 1


async def test_a_waiting_delta_is_empty_when_its_time_is_over(world: World, follower: Service) -> None:
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    answer = await follower.get("/feed/v1/delta", epoch=epoch, after=0, wait=1)
    (only,) = answer.content.splitlines()
    assert (await proven(world, json.loads(only)["head"]))["seq"] == 0


async def test_a_stream_tells_entries_at_once_each_with_a_head_behind(world: World, follower: Service) -> None:
    async with listening(follower, "follower=orders-1") as stream:
        headers = await stream.begin()
        assert (stream.status, headers["content-type"]) == (200, "text/event-stream")
        assert (headers["cache-control"], headers["x-accel-buffering"]) == ("no-store", "no")
        first = await stream.event()
        assert first is not None
        assert first["event"] == ["head"]
        epoch = (await proven(world, first["data"][0]))["epoch"]
        await revoke(world)
        entries, head = await stream.event(), await stream.event()
        assert entries is not None
        assert head is not None
        assert (entries["event"], entries["id"]) == (["entries"], [f"{epoch}:1"])
        assert json.loads(entries["data"][0])["seq"] == 1
        assert (await proven(world, head["data"][0]))["seq"] == 1
        again = await stream.event()
        assert again is not None
        assert again["event"] == ["head"], "a heartbeat within a second or so"


async def test_a_stream_goes_on_where_the_last_one_ended(world: World, follower: Service) -> None:
    for _ in range(3):
        await revoke(world)
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    async with listening(follower, **{"last-event-id": f"{epoch}:1"}) as stream:
        await stream.begin()
        entries = await stream.event()
        assert entries is not None
        assert [json.loads(line)["seq"] for line in entries["data"]] == [2, 3]


@pytest.mark.parametrize("place", ["0" * 32 + ":0", "EPOCH:99"])
async def test_a_stream_that_cannot_go_on_says_reset_and_ends(world: World, follower: Service, place: str) -> None:
    await revoke(world)
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    async with listening(follower, "after=" + place.replace("EPOCH", epoch)) as stream:
        await stream.begin()
        reset = await stream.event()
        assert reset is not None
        assert reset["event"] == ["reset"]
        assert await stream.event() is None


@pytest.mark.parametrize("how", ["expired", "disabled", "everyone"])
async def test_a_stream_ends_when_its_token_does(world: World, follower: Service, how: str) -> None:
    """S18"""
    async with listening(follower) as stream:
        await stream.begin()
        assert await stream.event() is not None
        if how == "expired":
            world.clock.move(seconds=301)
        elif how == "disabled":
            async with world.services.database.transaction() as db:
                told = {"disabled": True, "now": world.clock(), "actor": "cli"}
                await set_client_disabled(db, world.services, follower.client_id, **told)  # type: ignore[arg-type]
        else:
            async with world.services.database.transaction() as db:
                await revocation.revoke_everyone(db, world.services, why="revoked", now=world.clock(), actor="cli")
        await world.services.catalogue.poll()
        while await stream.event() is not None:
            pass


async def test_streams_end_when_the_process_stops(world: World, follower: Service) -> None:
    """F13"""
    async with listening(follower) as stream:
        await stream.begin()
        world.app.feed.hub.end_streams()
        while await stream.event() is not None:
            pass


async def test_an_acknowledgement_is_told_as_in_force_with_its_event(world: World, follower: Service) -> None:
    async with listening(follower, "follower=orders-1") as stream:
        await stream.begin()
        await stream.event()
        await world.app.feed.board.round()
        await revoke(world)
        head = await stream.event()
        assert head is not None
        epoch = head["id"][0].partition(":")[0]
        said = {"follower": "orders-1", "epoch": epoch, "seq": 1}
        answer = await follower.http.post("/feed/v1/ack", json=said)
        assert (answer.status_code, answer.content) == (204, b"")
        await world.app.feed.board.round()
        await world.app.feed.in_force.round()
        shown = (await follower.get("/api/v1/feed")).json()
        assert (shown["seq"], shown["connected"], shown["behind"], shown["unreachable"]) == (1, 1, 0, 0)
        (batch,), (seen,) = shown["batches"], shown["followers"]
        assert batch["words"] == f"in force at 1 of 1 in {batch['in_force_ms']} ms"
        assert (seen["client"], seen["name"], seen["seq"]) == (follower.client_id, "orders-1", 1)
    (event,) = await world.events(IN_FORCE.name)
    told = {"epoch": epoch, "first": 1, "last": 1, "followers": 1, "ms": batch["in_force_ms"]}
    assert (event["severity"], event["actor"], event["data"]) == ("LOW", "system", told)


@pytest.mark.parametrize(
    ("said", "field"),
    [
        ({"follower": "a b", "epoch": "0" * 32, "seq": 0}, "follower"),
        ({"follower": "a", "epoch": "x", "seq": 0}, "epoch"),
        ({"follower": "a", "epoch": "0" * 32, "seq": True}, "seq"),
        ({"follower": "a", "epoch": "0" * 32, "seq": -1}, "seq"),
        ({"follower": "a", "epoch": "0" * 32, "seq": 0, "at": 1}, "at"),
        ({"follower": "a", "epoch": "EPOCH", "seq": 9}, "seq"),
    ],
)
async def test_an_acknowledgement_that_cannot_be_is_refused(
    follower: Service, said: dict[str, object], field: str
) -> None:
    epoch = (await follower.get("/feed/v1/snapshot")).headers["etag"].strip('"').partition(":")[0]
    said = {name: epoch if value == "EPOCH" else value for name, value in said.items()}
    answer = await follower.http.post("/feed/v1/ack", json=said)
    assert answer.status_code == 400
    assert answer.headers["content-type"] == "application/problem+json"
    assert [each["field"] for each in answer.json()["errors"]] == [field]


async def test_an_unknown_parameter_is_named(follower: Service) -> None:
    """S11"""
    answer = await follower.get("/feed/v1/delta", since=2)
    problem = answer.json()
    expected = "no such parameter; there are epoch, after, wait, follower"
    assert (answer.status_code, problem["detail"]) == (400, f"since: {expected}")
    assert problem["errors"] == [{"field": "since", "expected": expected}]


@pytest.mark.parametrize("path", [*PATHS, "/feed/v1/ack", "/api/v1/feed", "/api/v1/feed/entries/1"])
async def test_nobody_comes_in_without_a_token_of_the_scope(world: World, path: str) -> None:
    """S18"""
    method = "POST" if path.endswith("ack") else "GET"
    async with world.browser() as browser:
        nobody = await browser.request(method, path)
    assert (nobody.status_code, nobody.headers["www-authenticate"]) == (401, 'Bearer realm="Ostiary"')
    async with open_service(world, "audit:read", name="other") as other:
        refused = await other.http.request(method, path)
    assert (refused.status_code, refused.json()["detail"]) == (403, "the access token lacks the scope feed:read")
    assert (await world.events("token.refused"))[-1]["data"]["error"] == "insufficient_scope"  # type: ignore[index]


@pytest.mark.parametrize("path", ["/feed/v1/snapshot", "/feed/v1/events"])
async def test_a_log_that_cannot_be_read_is_503(
    world: World, follower: Service, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """I4, I6"""

    async def fail() -> None:
        raise StorageUnavailable("away")

    monkeypatch.setattr(world.app.feed.hub, "_read", fail)
    answer = await follower.get(path)
    assert answer.status_code == 503
    assert int(answer.headers["retry-after"]) > 0


async def test_one_entry_is_shown_with_its_line_and_where_it_is_in_force(world: World, follower: Service) -> None:
    await revoke(world)
    await world.app.feed.hub.round()
    shown = (await follower.get("/api/v1/feed/entries/1")).json()
    assert json.loads(shown["line"])["subject"] == shown["subject"]
    assert (shown["seq"], shown["kind"], shown["batch"]["first"]) == (1, "client", 1)
    missing = await follower.get("/api/v1/feed/entries/2")
    assert (missing.status_code, missing.json()["title"]) == (404, "Nothing is here")
    assert (await follower.get("/api/v1/feed/entries/0")).status_code in (400, 422)


async def test_followers_come_in_pages(world: World, follower: Service) -> None:
    board = world.app.feed.board
    for name in ("a", "b", "c"):
        board.connect(follower.client_id, name, now=world.clock())
    await board.round()
    first = (await follower.get("/api/v1/feed", limit=2)).json()
    rest = (await follower.get("/api/v1/feed", limit=2, after=first["next"])).json()
    assert [each["name"] for each in [*first["followers"], *rest["followers"]]] == ["a", "b", "c"]
    assert rest["next"] is None
    wrong = await follower.get("/api/v1/feed", after="nonsense")
    assert (wrong.status_code, wrong.json()["errors"][0]["field"]) == (400, "after")


async def test_what_is_shown_is_what_the_document_shows(world: World, follower: Service) -> None:
    """docs/feed.md"""
    text = (ROOT / "docs" / "feed.md").read_text()
    example = json.loads(next(part for part in text.split("```json\n") if '"batches"' in part).partition("```")[0])
    async with listening(follower, "follower=orders-1") as stream:
        await stream.begin()
        await world.app.feed.board.round()
        await revoke(world)
        await world.app.feed.hub.round()
        shown = (await follower.get("/api/v1/feed")).json()
    assert list(shown) == list(example)
    assert list(shown["batches"][0]) == list(example["batches"][0])
    assert list(shown["followers"][0]) == list(example["followers"][0])
    assert "14 of 14 in 180 ms" in example["batches"][0]["words"]
