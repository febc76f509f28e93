"""What people do with the links of letters: open them, and send the forms that they find there."""

from __future__ import annotations

import httpx2

from tests.identity.forms import SAME_ORIGIN, hidden_fields
from tests.identity.mail.letters_read import ReadLetter, letters
from tests.world import ISSUER, World

NEW_PASSWORD = "three lanterns over wet slate 4"


async def send(browser: httpx2.AsyncClient, path: str, **fields: str) -> httpx2.Response:
    """Opens a page and sends its form with these fields."""
    page = await browser.get(path)
    assert page.status_code == 200, page.text
    return await post(browser, path, hidden_fields(page), **fields)


async def post(browser: httpx2.AsyncClient, path: str, hidden: dict[str, str], **fields: str) -> httpx2.Response:
    """Sends a form whose hidden fields were read before."""
    return await browser.post(path, data={**hidden, **fields}, headers=SAME_ORIGIN)


async def ask(browser: httpx2.AsyncClient, username: str) -> httpx2.Response:
    """Asks for a letter to choose a new password."""
    return await send(browser, "/recover", username=username)


def path_of(url: str) -> str:
    """The path of a link, which leads to the issuer."""
    assert url.startswith(f"{ISSUER}/")
    return url.removeprefix(ISSUER)


async def newest(world: World, kind: str) -> ReadLetter:
    """The letter of this kind that was promised last."""
    return (await letters(world, kind))[-1]


async def link_path(world: World, kind: str, name: str = "link") -> str:
    """The path of the link in the newest letter of a kind."""
    return path_of((await newest(world, kind)).link(name))


async def choose(browser: httpx2.AsyncClient, path: str, password: str = NEW_PASSWORD) -> httpx2.Response:
    """Chooses a new password behind a link."""
    return await send(browser, path, password=password, password_repeat=password)
