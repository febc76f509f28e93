"""A browser as simple as a certification suite's: it follows redirects, keeps cookies, and sends plain HTML forms."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from html.parser import HTMLParser
from urllib.parse import parse_qsl, urljoin, urlsplit

import httpx2

MAX_HOPS = 10


@dataclass(slots=True)
class HtmlForm:
    """A form of a page: where it goes, and the fields that it would send without being touched."""

    action: str
    method: str
    fields: dict[str, str] = field(default_factory=dict)
    buttons: list[tuple[str, str]] = field(default_factory=list)


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.forms: list[HtmlForm] = []
        self._open = False

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Collects forms, their inputs and their buttons."""
        given = {name: value or "" for name, value in attrs}
        if tag == "form":
            self.forms.append(HtmlForm(given.get("action", ""), given.get("method", "get").lower()))
            self._open = True
        elif not self._open:
            return
        elif tag == "input" and given.get("name"):
            self.forms[-1].fields[given["name"]] = given.get("value", "")
        elif tag == "button" and given.get("name"):
            self.forms[-1].buttons.append((given["name"], given.get("value", "")))

    def handle_endtag(self, tag: str) -> None:
        """Notes where a form ends."""
        if tag == "form":
            self._open = False


@dataclass(frozen=True, slots=True)
class Page:
    """Where a walk ended: on a page of the server, or at an address elsewhere with parameters."""

    response: httpx2.Response
    url: str
    forms: tuple[HtmlForm, ...] = ()
    params: Mapping[str, str] = field(default_factory=dict)

    @property
    def text(self) -> str:
        """The page's HTML."""
        return self.response.text

    @property
    def status(self) -> int:
        """The page's status."""
        return self.response.status_code

    def form(self, *names: str) -> HtmlForm:
        """The form that has these fields or buttons; fails where there is none."""
        for found in self.forms:
            if set(names) <= {*found.fields, *(name for name, _ in found.buttons)}:
                return found
        raise AssertionError(f"no form with {names} at {self.url}: {self.text[:2000]}")


class FormsBrowser:
    """One person's browser. It leaves the server only in thought: an address elsewhere ends the walk."""

    def __init__(self, http: httpx2.AsyncClient, origin: str) -> None:
        self._http = http
        self._origin = origin

    @property
    def http(self) -> httpx2.AsyncClient:
        """The connection and its cookies."""
        return self._http

    async def open(self, url: str) -> Page:
        """Opens an address and follows redirects."""
        return await self._walk(await self._http.get(url), urljoin(self._origin, url))

    async def post(self, url: str, fields: Mapping[str, str]) -> Page:
        """Sends a form from a page of somebody else."""
        return await self._walk(await self._http.post(url, data=dict(fields)), urljoin(self._origin, url))

    async def submit(self, page: Page, form: HtmlForm, **fields: str) -> Page:
        """Sends a form of a page with these fields filled in; the others go as they are."""
        assert form.method == "post", "every form that changes something is a POST"
        target = urljoin(page.url, form.action)
        data = {**form.fields, **fields}
        if not self._is_ours(target):
            return Page(page.response, target, params=data)
        headers = {"origin": self._origin, "sec-fetch-site": "same-origin", "referer": page.url}
        return await self._walk(await self._http.post(target, data=data, headers=headers), target)

    async def sign_in(self, page: Page, username: str, password: str) -> Page:
        """Fills in the sign-in form."""
        return await self.submit(page, page.form("username", "password"), username=username, password=password)

    async def consent(self, page: Page, decision: str = "allow") -> Page:
        """Answers the question of the consent page."""
        form = page.form("decision")
        assert ("decision", decision) in form.buttons
        return await self.submit(page, form, decision=decision)

    async def _walk(self, response: httpx2.Response, url: str) -> Page:
        for _ in range(MAX_HOPS):
            if response.status_code not in (302, 303, 307):
                break
            # After a form a browser would repeat the POST, password and all (S8).
            assert response.status_code == 303, response.status_code
            url = urljoin(url, response.headers["location"])
            if not self._is_ours(url):
                return Page(response, url, params=dict(parse_qsl(urlsplit(url).query, keep_blank_values=True)))
            response = await self._http.get(url)
        else:
            raise AssertionError(f"redirects without an end at {url}")
        reader = _Reader()
        if response.headers.get("content-type", "").startswith("text/html"):
            reader.feed(response.text)
        return Page(response, url, tuple(reader.forms))

    def _is_ours(self, url: str) -> bool:
        return url == self._origin or url.startswith(self._origin + "/")
