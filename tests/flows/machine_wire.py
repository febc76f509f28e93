"""What goes over the wire between the machine's browsers and the server, one exchange after the other."""

from __future__ import annotations

import base64
import re
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from html import unescape
from urllib.parse import parse_qsl

import httpx2

from tests.flows.machine_world import Scene
from tests.world import ISSUER

COOKIES = ("session", "flow", "device")
_KEY = re.compile(r'class="factor-secret">([A-Z2-7 ]+)<')
_FORM = re.compile(r'<form[^>]* method="post" action="([^"]*)"[^>]*>(.*?)</form>', re.DOTALL)
_FIELD = re.compile(r'<input[^>]*\bname="(\w+)"[^>]*>')
_VALUE = re.compile(r'\bvalue="([^"]*)"')
_TYPE = re.compile(r'\btype="(\w+)"')
_BUTTON = re.compile(r'<button[^>]*\bname="(\w+)" value="([^"]*)"')


@dataclass(frozen=True)
class Shown:
    """A form as it was shown; `choices` are the buttons that carry a value."""

    action: str
    fields: dict[str, str]
    choices: tuple[tuple[str, str], ...]


@dataclass
class Exchange:
    """A request and its answer. `after` are the cookies that hold from then on, by kind."""

    browser: int
    method: str
    path: str
    query: dict[str, str]
    form: dict[str, str]
    before: dict[str, str]
    began: datetime
    ended: datetime
    response: httpx2.Response
    given: dict[str, str] = field(default_factory=dict)
    after: dict[str, str] = field(default_factory=dict)

    @property
    def status(self) -> int:
        """The status of the answer."""
        return self.response.status_code

    @property
    def location(self) -> str:
        """Where the answer sends the browser, as a path where that is a page of ours; else an empty text."""
        return self.response.headers.get("location", "").removeprefix(ISSUER)

    @property
    def text(self) -> str:
        """The page, or an empty text."""
        return self.response.text if "text/" in self.response.headers.get("content-type", "") else ""

    def __str__(self) -> str:
        sent = {name: value for name, value in self.form.items() if name != "form_token"}
        asked = f"{self.method} {self.path} {self.query or sent}"
        return f"browser {self.browser}: {asked} -> {self.status} {self.location}"


def forms_in(text: str) -> list[tuple[str, dict[str, str], tuple[tuple[str, str], ...]]]:
    """The forms of a page: action, fields as they would be sent untouched (boxes ticked), buttons with values."""
    found = []
    for action, inside in _FORM.findall(text):
        fields = {}
        for match in _FIELD.finditer(inside):
            value = _VALUE.search(match[0])
            kind = _TYPE.search(match[0])
            if kind is None or kind[1] != "checkbox":
                fields[match[1]] = unescape(value[1]) if value else ""
        found.append((unescape(action), fields, tuple(_BUTTON.findall(inside))))
    return found


def key_in(text: str) -> tuple[str, bytes] | None:
    """The key of an authenticator app that a page shows, as it is shown and as it is."""
    found = _KEY.search(text)
    if found is None:
        return None
    bare = found[1].replace(" ", "")
    return found[1], base64.b32decode(bare + "=" * (-len(bare) % 8))


Saw = Callable[[Exchange], Awaitable[None]]


class Wire(httpx2.AsyncBaseTransport):
    """The application without sockets, for one browser; whoever listens is told of each exchange."""

    def __init__(self, scene: Scene, browser: int, saw: Saw) -> None:
        self._inner = httpx2.ASGITransport(scene.world.app.asgi, client=(f"198.51.100.{browser + 7}", 50000))
        self._scene, self._browser, self._saw = scene, browser, saw

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        """The answer, after it was looked at; a POST that is refused must have changed nothing."""
        is_post = request.method == "POST"
        guarded = await self._scene.guarded() if is_post else []
        began = self._scene.clock.now
        response = await self._inner.handle_async_request(request)
        await response.aread()
        seen = self._exchange(request, response, began)
        assert seen.status < 500, seen
        if is_post and seen.status >= 400:
            assert await self._scene.guarded() == guarded, f"refused, and yet something changed: {seen}"
            await self._check_told(seen)
        await self._saw(seen)
        return response

    def _exchange(self, request: httpx2.Request, response: httpx2.Response, began: datetime) -> Exchange:
        before = _by_kind(request.headers.get("cookie", "").split("; "))
        form = dict(parse_qsl(request.content.decode(), keep_blank_values=True)) if request.method == "POST" else {}
        query = dict(parse_qsl(request.url.query.decode(), keep_blank_values=True))
        given = _by_kind(response.headers.get_list("set-cookie"))
        after = {kind: value for kind, value in {**before, **given}.items() if value}
        path = request.url.path
        return Exchange(
            self._browser,
            request.method,
            path,
            query,
            form,
            before,
            began,
            self._scene.clock.now,
            response,
            given,
            after,
        )

    async def _check_told(self, seen: Exchange) -> None:
        """A refused step, form or link leaves one event."""
        if not is_told(seen):
            return
        told = await self._scene.outcomes_after(seen.began)
        refusals = [name for name, outcome in told if outcome != "success" and name != "lockout.started"]
        assert len(refusals) == 1, f"{seen} left {told}"


def is_told(seen: Exchange) -> bool:
    """Whether this refusal must be in the log: a step of a sign-in, a form out of date, a dead link."""
    if seen.path.startswith("/signin") or seen.path in ("/enrol", "/consent"):
        return True
    titles = ("This page is out of date", "This form is out of date", "This link does not work any more")
    return any(title in seen.text for title in titles)


def _by_kind(pairs: list[str]) -> dict[str, str]:
    found = {}
    for pair in pairs:
        name, _, rest = pair.partition("=")
        kind = name.removeprefix("__Host-ostiary_")
        if kind in COOKIES and kind != name:
            found[kind] = rest.partition(";")[0].strip('"')
    return found
