"""What a browser with a passkey does with our pages: asks for options, answers them, sends the form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

import httpx2
import msgspec
from sqlalchemy import select

from identity.person_values import Person
from identity.tables import credentials
from tests.forms_browser import FormsBrowser, HtmlForm, Page
from tests.identity.factors.passkey_authenticator import Authenticator
from tests.world import ISSUER, World

SAME_ORIGIN = {"origin": ISSUER, "sec-fetch-site": "same-origin"}
SIGN_IN, ENROL = "/signin/passkey", "/enrol/passkey"


def passkey_form(page: Page) -> HtmlForm:
    """The form of a page that a passkey answers."""
    return page.form("credential")


def words_of(page: Page) -> str:
    """The visible words of a page on one line."""
    return " ".join(unescape(re.sub(r"<[^>]+>", " ", page.text.partition("<body>")[2])).split())


async def ask_options(http: httpx2.AsyncClient, page: Page) -> dict[str, object]:
    """What the script of a page would be told to ask the browser."""
    form = passkey_form(page)
    sent = {"form_token": form.fields["form_token"]}
    answer = await http.post(f"{form.action}/options", data=sent, headers=SAME_ORIGIN)
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    return msgspec.json.decode(answer.content, type=dict[str, object])


async def send_answer(http: httpx2.AsyncClient, page: Page, credential: str, **fields: str) -> Page:
    """Sends the form of a page with an answer in it; no box is ticked unless `fields` says so."""
    form = passkey_form(page)
    unticked: dict[str, str] = {name: "" for name in ("keep", "remember") if name in form.fields}
    return await FormsBrowser(http, ISSUER).submit(page, form, credential=credential, **{**unticked, **fields})


async def use_passkey(http: httpx2.AsyncClient, page: Page, key: Authenticator, **fields: str) -> Page:
    """The whole ceremony, begun on a page that asks for a passkey."""
    return await send_answer(http, page, key.get(await ask_options(http, page)), **fields)


async def make_passkey(http: httpx2.AsyncClient, key: Authenticator, **fields: str) -> Page:
    """The whole registration, by a browser that may add a factor."""
    page = await FormsBrowser(http, ISSUER).open(ENROL)
    return await send_answer(http, page, key.create(await ask_options(http, page)), **fields)


async def give_passkey(world: World, person: Person, key: Authenticator | None = None) -> Authenticator:
    """The person has a passkey from now on, made in a browser that they use no more."""
    key = key or Authenticator()
    async with world.browser() as http:
        await world.sign_in(http, person)
        done = await make_passkey(http, key)
        assert done.status in (200, 404), done.text
    assert any(row["external_id"] == key.credential_id for row in await stored_passkeys(world))
    return key


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in at its first page, and what was asked of the passkey there."""

    page: Page
    options: Mapping[str, object]


async def begin(http: httpx2.AsyncClient, url: str = "/signin") -> Begun:
    """Opens the sign-in page and asks for options."""
    page = await FormsBrowser(http, ISSUER).open(url)
    return Begun(page, await ask_options(http, page))


async def stored_passkeys(world: World) -> list[dict[str, object]]:
    """The rows of all passkeys, oldest first."""
    async with world.services.database.reading() as db:
        query = select(credentials).where(credentials.c.kind.like("passkey%")).order_by(credentials.c.id)
        return [dict(row) for row in (await db.execute(query)).mappings()]
