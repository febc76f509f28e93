"""What somebody with the password, or with an account of their own, tries in order to look like the person."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest
from sqlalchemy import select, update

from base.ids import new_id
from identity.mail.letter_values import Notice
from identity.person_values import Person
from identity.tables import sessions
from risk.history.population import Population
from risk.keys import address_digest
from risk.reports import Report, store_report
from risk.tables import risk_activity, risk_profiles
from tests.identity.forms import sign_in, words_of
from tests.identity.recovery.steps import NEW_PASSWORD, ask, choose, link_path, send
from tests.identity.recovery.test_not_me import tell
from tests.identity.test_risk_signin import DEVICE, FAR_AWAY, SESSION, WINDOWS, assessment, settled
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

HOME = "198.51.100.7"


@pytest.fixture(autouse=True)
def _prompt(prompt_refusals: Callable[[float], None]) -> None:
    """Refusals are answered at once."""


async def signals(world: World) -> set[str]:
    """What was said of the last sign-in."""
    return {each.signal for each in (await assessment(world)).reasons}


@pytest.mark.parametrize("listed", ["2001:db8:7::/48", "2001:db8:7:1::bad"])
async def test_a_block_holds_for_ipv6_too_down_to_one_address(database_url: str, tmp_path: Path, listed: str) -> None:
    """S34: what is remembered of an IPv6 address is its /64; what the operator's lists are asked for is the address."""
    blocked = tmp_path / "blocked.txt"
    blocked.write_text(f"{listed}\n")
    async with open_world(database_url, tmp_path, risk__list_blocked=str(blocked)) as world:
        world.services.geography.look_now()
        await world.person()
        async with world.browser(address="2001:db8:7:1::bad") as browser:
            answer = await sign_in(browser)
            assert SESSION not in browser.cookies
            assert "do not allow this sign-in" in words_of(answer)
        async with world.browser(address="2001:db8:8:1::bad") as browser:
            await sign_in(browser)
            assert SESSION in browser.cookies


async def test_who_leaves_the_headers_out_looks_no_more_like_the_person(world: World) -> None:
    """S35: to say nothing of one's browser is not better than to name one that the person never used."""
    await world.person()
    async with world.browser() as browser:
        browser.headers["accept-language"] = "tr-TR"
        await settled(world, browser)
    async with world.browser(address=FAR_AWAY) as thief:
        del thief.headers["user-agent"]
        await sign_in(thief)
    assert {"browser_missing", "language_new"} <= await signals(world)


async def taken_over(world: World, person: Person) -> None:
    """A service reports that somebody else holds the account."""
    now = world.clock()
    subject = world.services.risk.key.digest("person", person.id)
    until = now + timedelta(days=30)
    report = Report(new_id(now), "person", subject, person.id, "taken_over", 5.0, "cli", until)
    async with world.services.database.transaction() as db:
        await store_report(db, report, now=now)


async def test_whoever_recovers_an_account_that_was_reported_taken_over_gets_in_again(world: World) -> None:
    """S24: nobody is kept out for the thirty days that a report may live."""
    person = await world.person()
    async with world.browser() as browser:
        await settled(world, browser, days=1)
    await taken_over(world, person)
    world.clock.move(minutes=1)
    async with world.browser() as browser:
        refused = await sign_in(browser)
        assert "Choose a new password by mail first" in words_of(refused)
        await ask(browser, "ada")
        await choose(browser, await link_path(world, "recover"))
        await sign_in(browser, password=NEW_PASSWORD)
        assert SESSION in browser.cookies
    assert "account_recovered" in await signals(world)
    # A report that comes afterwards counts.
    world.clock.move(minutes=1)
    await taken_over(world, person)
    async with world.browser() as browser:
        await sign_in(browser, password=NEW_PASSWORD)
        assert SESSION not in browser.cookies


async def test_what_somebody_else_taught_is_forgotten_with_this_was_not_me(world: World) -> None:
    """The thief's device and network are usual no more, and an empty history reassures nobody."""
    person = await world.person()
    async with world.browser(address=FAR_AWAY) as thief, world.browser() as mine:
        await settled(world, thief)
        path = await tell(world, person, Notice.PASSWORD_CHANGED)
        sent = await send(mine, path)
        async with world.services.database.reading() as db:
            assert (await db.execute(select(risk_profiles.c.sealed))).scalar_one() is None
        assert sent.status_code == 303
        await choose(mine, sent.headers["location"].removeprefix("https://id.example.com"))
        await sign_in(thief, password=NEW_PASSWORD)
    assert not {"address_known", "network_known", "device_known", "first_signin"} & await signals(world)
    assert (await assessment(world)).score >= 30


async def sign_in_again_and_again(browser: httpx2.AsyncClient, times: int) -> None:
    """The same person on new devices, one after the other."""
    for _ in range(times):
        await sign_in(browser)
        for cookie in (SESSION, DEVICE):
            browser.cookies.delete(cookie)


async def test_one_account_does_not_make_its_network_usual_or_its_address_patient(world: World) -> None:
    """Whoever signs in all day long counts among everyone's sign-ins as somebody who does it four times a day."""
    await world.person()
    async with world.browser(address=HOME) as browser:
        await sign_in_again_and_again(browser, 8)
        world.clock.move(hours=6)
        await sign_in_again_and_again(browser, 4)
    await world.services.risk.crowd.round(world.clock())
    learned = sum(world.services.risk.crowd.population.hours) - sum(Population.shipped().hours)
    assert learned == pytest.approx(2.0, rel=0.01)
    key = address_digest(world.services.risk.key, HOME)
    async with world.services.database.reading() as db:
        row = (await db.execute(select(risk_activity).where(risk_activity.c.key == key))).one()
    assert 0 < row.successes <= 2000


async def test_new_devices_in_quick_succession_do_not_become_usual_for_the_person(world: World) -> None:
    """Who has the password, within the person's own network, meets nothing: it must not open other networks to them."""
    await world.person()
    async with world.browser() as browser:
        await settled(world, browser)

    async def missing() -> float:
        async with world.browser(address=FAR_AWAY) as thief:
            await sign_in(thief)
        found = (await assessment(world)).reasons
        return next(each.log_odds for each in found if each.signal == "device_missing")

    async with world.browser(address=HOME) as thief:
        await sign_in_again_and_again(thief, 1)
        once = await missing()
        await sign_in_again_and_again(thief, 8)
    assert await missing() == pytest.approx(once, abs=0.1)
    assert once > 2.0


async def test_a_session_that_became_unusual_does_not_shut_its_person_out(database_url: str, tmp_path: Path) -> None:
    """S24: without a second factor and without mail, whoever signs in again is looked at again and gets in."""
    async with open_world(database_url, tmp_path, smtp_url=None, mail__sender=None) as world:
        await world.person()
        client = await world.client()
        async with world.browser() as browser:
            await settled(world, browser)
            await sign_in(browser)
            async with world.services.database.transaction() as db:
                await db.execute(update(sessions).values(risk=75))
            assert (await world.authorize(browser, client, prompt="none")).params["error"] == "login_required"
            asked = await world.authorize(browser, client)
            assert asked.location == "/signin"
            answer = await sign_in(browser)
            assert "code=" in answer.headers["location"]


async def test_who_has_nothing_to_prove_it_with_is_told_what_to_do(database_url: str, tmp_path: Path) -> None:
    async with open_world(database_url, tmp_path, smtp_url=None, mail__sender=None) as world:
        await world.person()
        async with world.browser() as browser:
            await settled(world, browser)
        async with world.browser(address=FAR_AWAY) as traveller:
            traveller.headers.update(WINDOWS)
            page = await sign_in(traveller)
            assert page.status_code == 403
            assert "Sign in from a device and a network that you have used before" in words_of(page)
