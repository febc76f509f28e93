"""The list of sessions: what is told of each, ending one and all others, and what it costs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta

import pytest
from sqlalchemy import event, select, update
from sqlalchemy.engine import Engine

from base.ids import SESSION, show_id
from identity.tables import devices, sessions
from tests.identity.account.own_pages import Own, at_own_pages, said
from tests.identity.forms import sign_in, words_of
from tests.world import World

pytestmark = pytest.mark.anyio


async def _why(own: Own, session_id: bytes) -> str | None:
    async with own.world.services.database.reading() as db:
        query = select(sessions.c.ended_why).where(sessions.c.id == session_id)
        why: str | None = (await db.execute(query)).scalar_one()
        return why


async def test_each_session_says_where_and_when(world: World) -> None:
    person = await world.person()
    async with world.browser(address="203.0.113.9") as elsewhere, at_own_pages(world, person) as own:
        await sign_in(elsewhere)
        world.clock.move(minutes=5)
        words = words_of(await own.get("/sessions"))
    assert words.count("This one") == 1
    assert words.index("This one") < words.index("Firefox on Linux")
    assert "used 5 minutes ago" in words
    assert "203.0.113.9" in words
    # The session of the test's own making came from nowhere, and nothing is made up for it.
    assert "198.51.100.7" not in words
    assert "unknown" not in words.lower().replace("unknown browser", "")


async def test_ending_one_ends_it_at_once_and_no_other(world: World) -> None:
    """S18, S32"""
    person = await world.person()
    async with (
        at_own_pages(world, person) as own,
        at_own_pages(world, person) as second,
        at_own_pages(world, person) as third,
    ):
        shown = show_id(SESSION, second.session_id)
        assert said(await own.send("/sessions", action="end", session=shown)) == "/account/sessions?done=ended"
        assert [await each.is_in() for each in (own, second, third)] == [True, False, True]
        assert (await own.send("/sessions", action="end", session=shown)).status_code == 404
    (ended,) = await world.events("session.ended")
    assert (ended["session"], ended["data"]) == (second.session_id.hex(), {"why": "ended_by_person"})


async def test_ending_this_one_signs_out(world: World) -> None:
    person = await world.person()
    async with at_own_pages(world, person) as own, at_own_pages(world, person):
        shown = show_id(SESSION, own.session_id)
        answer = await own.send("/sessions", action="end", session=shown)
        assert said(answer) == "/"
        assert "ostiary_session" in answer.headers["set-cookie"]
        assert not await own.is_in()


async def test_ending_all_others_keeps_this_one(world: World) -> None:
    person = await world.person()
    async with (
        at_own_pages(world, person) as own,
        at_own_pages(world, person) as second,
        at_own_pages(world, await world.person("bob")) as bob,
    ):
        assert said(await own.send("/sessions", action="end_others")) == "/account/sessions?done=others"
        assert [await each.is_in() for each in (own, second, bob)] == [True, False, True]
    (ended,) = await world.events("session.all_ended")
    assert ended["data"] == {"why": "ended_by_person"}


async def test_nobody_ends_the_session_of_another_person(world: World) -> None:
    """S31: the public id opens nothing, and ends nothing for whoever learns it."""
    person, other = await world.person(), await world.person("bob")
    async with at_own_pages(world, person) as own, at_own_pages(world, person), at_own_pages(world, other) as bob:
        before = await world.events()
        for shown in (show_id(SESSION, bob.session_id), "ses_" + 32 * "0", "ses_", "' OR 1=1 --", bob.session_id.hex()):
            answer = await own.send("/sessions", action="end", session=shown)
            assert answer.status_code == 404
            assert "This is not here any more" in words_of(answer)
        assert (await own.send("/sessions", action="steal")).status_code == 404
        assert await _why(own, bob.session_id) is None
        assert await bob.is_in()
    assert await world.events() == before


PAYLOADS = ("<script>alert(1)</script> on <b>x</b>", '"><img src=x onerror=alert(1)>', "%(x)s %s", "{{ 7 * 7 }}")


@pytest.mark.parametrize("payload", PAYLOADS)
async def test_a_browsers_name_is_text_and_no_more(world: World, payload: str) -> None:
    """S49"""
    person = await world.person()
    async with at_own_pages(world, person) as own, at_own_pages(world, person):
        async with world.services.database.transaction() as db:
            tomorrow = world.clock() + timedelta(days=1)
            await db.execute(update(devices).values(label=payload, trusted_until=tomorrow))
        for path in ("/sessions", "/activity", "/security"):
            page = await own.get(path)
            assert payload in words_of(page)
            for markup in ("<script", "<img", "<b>"):
                assert markup not in page.text


@contextmanager
def _counted() -> Iterator[list[str]]:
    seen: list[str] = []

    def note(_connection: object, _cursor: object, statement: str, *_: object) -> None:
        seen.append(statement)

    event.listen(Engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(Engine, "before_cursor_execute", note)


async def test_the_page_asks_no_more_questions_for_fifty_sessions_than_for_two(world: World) -> None:
    person = await world.person()
    counts = []
    async with at_own_pages(world, person) as own:
        for more in (1, 48):
            for _ in range(more):
                async with world.browser() as browser:
                    await world.sign_in(browser, person)
            with _counted() as seen:
                words = words_of(await own.get("/sessions"))
            counts.append((words.count("Unknown browser"), len(seen)))
    (few, asked_for_few), (many, asked_for_many) = counts
    assert (few, many) == (2, 50)
    assert asked_for_few == asked_for_many <= 10
