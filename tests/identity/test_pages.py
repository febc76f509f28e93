"""Pages: headers, languages, and everything foreign in them inert."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import base
import identity
from base.languages import choose_language
from identity.names import NameFault
from identity.password_rules import ENGLISH
from identity.setup_form import MISSING, NAME_TOO_LONG, NOT_THE_SAME
from server.failures import Failure
from tests.identity.forms import open_signin, sign_in, words_of
from tests.world import World

_FOLDERS = [Path(str(room.__file__)).parent for room in (base, identity)]
ROOMS = [_FOLDERS[0], *sorted(path.parent for path in _FOLDERS[1].rglob("locale"))]
PAYLOADS = [
    "<script>alert(1)</script>",
    '"><img src=x onerror=alert(1)>',
    "{{ 7 * 7 }}",
    "%(name)s %s",
    "javascript:alert(1)",
    "' onmouseover='alert(1)",
]


def _messages_of_templates() -> Iterator[str]:
    for room in ROOMS:
        for template in sorted((room / "templates").glob("*.html")):
            with template.open("rb") as source:
                options = {"trimmed": "true", "newstyle_gettext": "true"}
                for _, _, message, _ in babel_extract(source, ("_", "gettext", "ngettext"), (), options):
                    yield str(message[0] if isinstance(message, tuple) else message)


def _messages_of_error_pages() -> Iterator[str]:
    """Every literal title and message that is handed to `pages.error(…)`."""
    for path in sorted(path for folder in _FOLDERS for path in folder.rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("pages.error"):
                literals = [argument.value for argument in node.args if isinstance(argument, ast.Constant)]
                yield from (text for text in literals if isinstance(text, str))


def _all_messages() -> set[str]:
    return {
        *_messages_of_templates(),
        *_messages_of_error_pages(),
        *(fault.text for fault in NameFault),
        *ENGLISH.values(),
        *(fault.words for fault in (MISSING, NAME_TOO_LONG, NOT_THE_SAME)),
        *(text for failure in Failure for text in (failure.value.title, failure.value.message)),
    }


def test_everything_is_translated_to_turkish() -> None:
    """No message of a template, an error page, a name or a password rule is missing, and nothing is left blank."""
    translated: dict[str, str] = {}
    for room in ROOMS:
        with (room / "locale" / "tr.po").open("rb") as source:
            for message in read_po(source):
                key = message.id if isinstance(message.id, str) else message.id[0]
                texts = [message.string] if isinstance(message.string, str) else message.string
                translated[key] = " ".join(text for text in texts or () if text)
    assert {text for text in _all_messages() if not translated.get(text)} == set()


@pytest.mark.parametrize(
    ("wanted", "header", "language"),
    [
        ((), "", "en"),
        ((), "tr", "tr"),
        ((), "tr-TR,tr;q=0.9,en-US;q=0.8", "tr"),
        ((), "de-DE,de;q=0.9,tr;q=0.5,en;q=0.4", "tr"),
        ((), "en;q=0.5, tr;q=0.6", "tr"),
        ((), "tr;q=0, en", "en"),
        ((), "de", "en"),
        (("tr",), "en", "tr"),
        (("de", "tr-TR"), "en", "tr"),
        (("xx",), "tr", "tr"),
        ((), "tr;q=abc, \x00, ;;;,,,", "en"),
        ((), "x," * 100_000, "en"),
    ],
)
def test_the_application_chooses_the_language_then_the_browser(
    wanted: tuple[str, ...], header: str, language: str
) -> None:
    assert choose_language(wanted, header, {"en", "tr"}) == language


def test_no_header_is_read_further_than_a_browser_would_write() -> None:
    """S48: a match over 64 KB costs milliseconds, and a page asks several times."""
    assert choose_language((), "xx," * 10 + "tr", {"en", "tr"}) == "tr"
    assert choose_language((), "en-" * 20_000 + "!,tr", {"en", "tr"}) == "en"


@pytest.mark.anyio
async def test_pages_carry_the_security_headers(world: World) -> None:
    """S9: on every page no third party, no frame, no inline script; `form-action` only off pending authorizations.

    Scripts are files of our own, and only pages that have one may run any.
    """
    client = await world.client()
    async with world.browser() as browser:
        plain = await browser.get("/signin")
        await browser.get(world.authorize_url(client))
        pending = await browser.get("/signin")
        error = await browser.get("/oauth/authorize?client_id=nobody")
    for page in (plain, pending, error):
        policy = page.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'")
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        scripts = re.findall("<script[^>]*>", page.text)
        assert all('src="/static/' in script for script in scripts)
        assert page.text.count("</script>") == page.text.count("></script>") == len(scripts)
        assert ("script-src 'self'; connect-src 'self'" in policy) is ("script-src" in policy) is bool(scripts)
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert page.headers["x-content-type-options"] == "nosniff"
        assert "style=" not in page.text
        assert "http://" not in page.text.replace("http://www.w3.org", "")
    assert "form-action 'self'" in plain.headers["content-security-policy"]
    assert "form-action" not in pending.headers["content-security-policy"]
    assert plain.headers["cross-origin-opener-policy"] == "same-origin"
    assert "cross-origin-opener-policy" not in pending.headers


@pytest.mark.anyio
async def test_static_files_are_cached_for_ever_under_a_name_of_their_content(world: World) -> None:
    path = world.services.pages.static_url("style.css")
    async with world.browser() as browser:
        style = await browser.get(path)
        assert style.status_code == 200
        assert style.headers["content-type"].startswith("text/css")
        assert style.headers["cache-control"] == "public, max-age=31536000, immutable"
        assert path in (await browser.get("/")).text
        for other in ("/static/style.css", "/static/..%2fpages.py", "/static/"):
            assert (await browser.get(other)).status_code == 404


@pytest.mark.anyio
async def test_the_language_reaches_every_page_of_a_sign_in(world: World) -> None:
    await world.person()
    client = await world.client(first_party=False)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client, ui_locales="tr"))
        page = await browser.get("/signin")
        assert '<html lang="tr">' in page.text
        assert "Orders ile devam etmek için" in words_of(page)
        await sign_in(browser)
        assert "Orders uygulamasına izin verilsin mi?" in words_of(await browser.get("/consent"))
        error = await browser.get("/oauth/authorize", headers={"accept-language": "tr"})
        assert "Bu oturum açma bağlantısı çalışmıyor" in words_of(error)


@pytest.mark.anyio
@pytest.mark.parametrize("payload", PAYLOADS)
async def test_foreign_words_are_text_and_no_more(world: World, payload: str) -> None:
    """S49: an application's name, an API's description, a hint, a person's name."""
    await world.person()
    client = await world.client(first_party=False, name=payload)
    async with world.browser() as browser:
        await browser.get(world.authorize_url(client, login_hint=payload))
        page = await browser.get("/signin")
        await sign_in(browser)
        consent = await browser.get("/consent")
    for shown in (page, consent):
        assert payload in words_of(shown)
        for markup in ("<script>alert", "<img src=x", "' onmouseover='"):
            assert markup not in shown.text


@pytest.mark.anyio
async def test_the_error_page_gives_the_reference_of_the_log(world: World) -> None:
    async with world.browser() as browser:
        page = await browser.get("/oauth/authorize")
    assert page.status_code == 400
    assert page.headers["x-request-id"] in words_of(page)


@pytest.mark.anyio
async def test_a_typed_name_is_not_shown_again(world: World) -> None:
    """S46: people type passwords into that field, and error pages are seen by others."""
    async with world.browser() as browser:
        hidden = await open_signin(browser)
        form = {**hidden, "username": "Tr0ub4dor&3-canary", "password": "wrong wrong wrong"}
        page = await browser.post("/signin", data=form)
    assert page.status_code == 403
    assert "canary" not in page.text
