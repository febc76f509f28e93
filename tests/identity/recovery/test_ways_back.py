"""A way back is the person's: strangers who ask for it neither keep it shut, nor open it by an older letter."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.identity.forms import hidden_fields, words_of
from tests.identity.mail.letters_read import letters
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, newest, path_of, post, send
from tests.world import World, open_world

pytestmark = pytest.mark.anyio


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def test_strangers_who_ask_do_not_shut_the_way_back(world: World) -> None:
    """S24: while the limit holds there is a link that works, and the limit holds no longer than the link."""
    await world.person()
    async with world.browser(address="203.0.113.9") as stranger, world.browser() as mine:
        for _ in range(7):
            await ask(stranger, "ada")
        assert len(await letters(world, "recover")) == 5
        assert (await mine.get(await link_path(world, "recover"))).status_code == 200
        world.clock.move(minutes=31)
        await ask(mine, "ada")
        assert len(await letters(world, "recover")) == 6
        assert (await send(mine, "/recover/code", code=(await newest(world, "recover")).code)).status_code == 303


async def test_without_a_link_that_works_a_letter_goes_out_beyond_the_limit(world: World) -> None:
    """S24"""
    await world.person()
    async with world.browser() as browser:
        for _ in range(5):
            await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        for _ in range(3):
            await ask(browser, "ada")
    assert len(await letters(world, "recover")) == 6


async def test_a_code_ends_with_a_newer_letter_in_whichever_browser(world: World) -> None:
    """S27, S22: in the older browser wrong codes are answered and counted as those of a name that nobody has."""
    await world.person()
    seen = []
    for name in ("ada", "nobody-at-all"):
        async with world.browser() as first, world.browser() as second:
            await ask(first, name)
            code = (await newest(world, "recover")).code
            await ask(second, name)
            answers = [await send(first, "/recover/code", code=typed) for typed in (code, "00000000", code)]
            seen.append([(answer.status_code, words_of(answer)) for answer in answers])
            if name == "ada":
                path = path_of((await newest(world, "recover")).link())
                assert (await second.get(path)).status_code == 200
                right = (await newest(world, "recover")).code
                assert (await send(second, "/recover/code", code=right)).status_code == 303
    assert seen[0] == seen[1]
    assert [status for status, _ in seen[0]] == [403] * 3


async def test_an_address_that_sends_passwords_too_often_has_to_wait(database_url: str, tmp_path: object) -> None:
    """S23: each costs a hash."""
    async with open_world(database_url, tmp_path, rate__per_address="3") as world:  # type: ignore[arg-type]
        await world.person()
        async with world.browser() as browser:
            await ask(browser, "ada")
            path = await link_path(world, "recover")
            hidden = hidden_fields(await browser.get(path))
            short = [await post(browser, path, hidden, password="short", password_repeat="short") for _ in range(3)]
            assert [page.status_code for page in short] == [400, 400, 429]
        async with world.browser(address="203.0.113.9") as elsewhere:
            assert (await choose(elsewhere, path, NEW_PASSWORD)).status_code == 303
