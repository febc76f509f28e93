"""Input that must not cost us an unexpected error, a log line with secrets, or a stuck neighbour (S38, S46, I4)."""

import asyncio

import pytest
from sqlalchemy import text
from starlette.types import Message

from base.errors import StatementRefused, StorageUnavailable
from base.secret_values import b64url
from identity.accounts import set_person_state
from tests.world import World

pytestmark = pytest.mark.anyio

DEEP = b64url(b'{"typ":' + b"[" * 5900) + ".e30.AA"


async def test_a_token_of_deep_json_is_just_not_valid(world: World) -> None:
    """S38"""
    client = await world.client()
    assert (await world.userinfo(DEEP)).status_code == 401
    assert await world.introspect(client, DEEP) == {"active": False}
    async with world.browser() as browser:
        assert (await browser.get("/oauth/logout", params={"id_token_hint": DEEP})).status_code == 400


async def test_a_database_failure_tells_no_values(world: World) -> None:
    """S46"""
    database = world.services.database
    with pytest.raises((StorageUnavailable, StatementRefused)) as caught:
        async with database.transaction() as db:
            await db.execute(text("INSERT INTO people (id) VALUES (:secret)"), {"secret": b"correct horse battery"})
    assert "correct horse" not in str(caught.value)
    assert caught.value.__cause__ is None


async def test_all_who_refresh_at_once_get_the_one_successor(world: World) -> None:
    """S10"""
    client, person = await world.client(), await world.person()
    tokens = await world.tokens(client, person)
    answers = await asyncio.gather(*(world.refresh(client, tokens["refresh_token"]) for _ in range(40)))
    assert {answer.status_code for answer in answers} == {200}
    assert len({answer.json()["refresh_token"] for answer in answers}) == 1


async def test_a_person_who_keeps_asking_for_codes_cannot_prevent_being_disabled(world: World) -> None:
    """S18, I2"""
    client, person = await world.client(), await world.person()

    async def disable() -> None:
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, person.id, "disabled", now=world.clock(), actor="cli")

    async with world.browser() as browser:
        await world.sign_in(browser, person)
        ending = asyncio.create_task(disable())
        answers = await asyncio.gather(*(world.authorize(browser, client) for _ in range(12)))
        await ending
    for answer in answers:
        assert answer.response.status_code == 303
        if "code" in answer.params:
            assert (await world.redeem(client, answer)).status_code == 400


async def test_a_body_that_ends_early_is_not_taken_for_the_whole(world: World) -> None:
    messages: list[Message] = [
        {"type": "http.request", "body": b"grant_type=client_credentials", "more_body": True},
        {"type": "http.disconnect"},
    ]
    sent = []

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    headers = [(b"content-type", b"application/x-www-form-urlencoded"), (b"content-length", b"1000")]
    scope = {
        "type": "http", "method": "POST", "path": "/oauth/token", "query_string": b"", "headers": headers,
        "client": ("198.51.100.9", 5),
    }  # fmt: skip
    await world.app.asgi(scope, receive, send)
    assert sent == []
    assert await world.events("client.authentication_failed") == []
