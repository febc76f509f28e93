"""What a browser without scripts does with our forms: reads the hidden fields, fills in the others, sends them."""

from __future__ import annotations

import re
from html import unescape

import httpx2

from tests.world import ISSUER, PASSWORD

SAME_ORIGIN = {"origin": ISSUER, "sec-fetch-site": "same-origin"}


def hidden_fields(page: httpx2.Response) -> dict[str, str]:
    """The hidden fields of a page, by name."""
    found = re.findall(r'<input type="hidden" name="(\w+)" value="([^"]*)">', page.text)
    return {name: unescape(value) for name, value in found}


def words_of(page: httpx2.Response) -> str:
    """The visible words of a page on one line."""
    body = page.text.partition("<body>")[2]
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", body)).split())


async def open_signin(browser: httpx2.AsyncClient) -> dict[str, str]:
    """The hidden fields of the sign-in page."""
    page = await browser.get("/signin")
    assert page.status_code == 200, page.text
    return hidden_fields(page)


async def send_signin(
    browser: httpx2.AsyncClient, hidden: dict[str, str], username: str, password: str = PASSWORD
) -> httpx2.Response:
    """The answer to the sign-in form."""
    form = {**hidden, "username": username, "password": password}
    return await browser.post("/signin", data=form, headers=SAME_ORIGIN)


async def sign_in(browser: httpx2.AsyncClient, username: str = "ada", password: str = PASSWORD) -> httpx2.Response:
    """Opens the sign-in page, fills it in and sends it."""
    return await send_signin(browser, await open_signin(browser), username, password)


async def send_consent(browser: httpx2.AsyncClient, decision: str) -> httpx2.Response:
    """Opens the consent page and answers it."""
    page = await browser.get("/consent")
    assert page.status_code == 200, page.text
    return await browser.post("/consent", data={**hidden_fields(page), "decision": decision}, headers=SAME_ORIGIN)
