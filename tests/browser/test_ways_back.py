"""Where Chromium goes after the form: also to a loopback address in brackets, and to a scheme of its own (S9)."""

from __future__ import annotations

import asyncio

import pytest

from tests.browser.conftest import Site
from tests.browser_fixtures import Visit
from tests.world import PASSWORD

pytestmark = pytest.mark.anyio


async def _answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.readline()
    head = "HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: 7\r\nconnection: close\r\n\r\n"
    writer.write(f"{head}arrived".encode())
    await writer.drain()
    writer.close()


async def test_the_way_back_to_a_loopback_address_in_brackets_is_open(site: Site, visit: Visit) -> None:
    """S9; RFC 8252 §7.3: the port is the application's choice."""
    async with await asyncio.start_server(_answer, "::1", 0) as application:
        port = application.sockets[0].getsockname()[1]
        await site.world.person()
        client = await site.world.client(redirect_uris=("http://[::1]/callback",))
        callback = f"http://[::1]:{port}/callback"
        await visit.page.goto(site.url(site.world.authorize_url(client, redirect_uri=callback)))
        await visit.page.fill("#username", "ada")
        await visit.page.fill("#password", PASSWORD)
        await visit.page.click("button[type=submit]")
        await visit.page.wait_for_url(f"{callback}?**")
        assert await visit.page.text_content("body") == "arrived"


async def test_the_way_back_to_a_scheme_of_the_applications_own_is_open(site: Site, visit: Visit) -> None:
    """S9; RFC 8252 §7.1: nothing here handles the scheme, so what counts is that no policy stands in its way."""
    await site.world.person()
    client = await site.world.client(redirect_uris=("com.example.app:/callback",))
    request = site.world.authorize_url(client, redirect_uri="com.example.app:/callback")
    await visit.page.goto(site.url(request))
    await visit.page.fill("#username", "ada")
    await visit.page.fill("#password", PASSWORD)
    async with visit.page.expect_response(lambda answer: answer.request.method == "POST") as sent:
        await visit.page.click("button[type=submit]", no_wait_after=True)
    answered = await sent.value
    assert answered.status == 303
    assert (await answered.all_headers())["location"].startswith("com.example.app:/callback?code=oac_")
    visit.check_no_complaints()
