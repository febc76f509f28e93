"""The demo's payslip: an API that wants two factors, and an application that knows what to do then (RFC 9470)."""

from __future__ import annotations

import httpx2
import pytest

from tests.forms_browser import FormsBrowser
from tests.identity.factors.steps import give_app, send_code
from tests.identity.forms import SAME_ORIGIN, hidden_fields, words_of
from tests.server.test_demo import open_demo, press
from tests.world import ISSUER, World

pytestmark = pytest.mark.anyio


async def ask_for_payslip(browser: httpx2.AsyncClient) -> httpx2.URL:
    """Where the button leads to."""
    form = {**hidden_fields(await browser.get("/demo")), "action": "payslip"}
    pressed = await browser.post("/demo", data=form, headers=SAME_ORIGIN)
    assert pressed.status_code == 303
    return httpx2.URL(pressed.headers["location"])


async def test_the_payslip_asks_for_a_second_factor_and_is_shown_after_it(world: World) -> None:
    """S28"""
    # The clock is not moved: the SDK behind the demo has one of its own.
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        await open_demo(world, browser)
        app = await give_app(world, person)
        sent_to = await ask_for_payslip(browser)
        assert (sent_to.path, sent_to.params["acr_values"]) == ("/oauth/authorize", "urn:ostiary:aal2")
        assert "max_age" not in sent_to.params
        page = await FormsBrowser(browser, ISSUER).open(str(sent_to))
        assert str(page.response.url).endswith("/signin/totp")
        back = await send_code(browser, page, app.code())
        assert "You are signed in at the demo" in words_of(back.response)
        words = words_of(await press(browser, "payslip"))
    assert "The API showed the payslip" in words
    assert f'"payslip_of": "{person.sub}"' in words
    assert '"signed_in_by": "urn:ostiary:aal2"' in words


async def test_whoever_does_not_go_there_is_told_why_there_is_no_payslip(world: World) -> None:
    person = await world.person()
    async with world.browser() as browser:
        await world.sign_in(browser, person)
        await open_demo(world, browser)
        await ask_for_payslip(browser)
        assert "The payslip wants a sign-in by two factors." in words_of(await browser.get("/demo"))
        assert "The API let this application in." in words_of(await press(browser, "api"))


async def test_the_payslip_is_refused_without_a_token_like_everything_else(world: World) -> None:
    async with world.browser() as browser:
        bare = await browser.get("/demo/api/payslip")
        assert (bare.status_code, bare.headers["www-authenticate"]) == (401, 'Bearer realm="demo"')
