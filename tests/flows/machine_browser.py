"""The browsers of the sign-in machine: their cookies, the page that each is at, and the forms that it sends."""

from __future__ import annotations

import httpx2

from base.cookies import CookieKind, cookie_name
from tests.flows.machine_observer import Observer
from tests.flows.machine_wire import Wire
from tests.flows.machine_world import Scene
from tests.forms_browser import FormsBrowser, HtmlForm, Page
from tests.world import ISSUER

AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:140.0) Gecko/20100101 Firefox/140.0"
SAME_ORIGIN = {"origin": ISSUER, "sec-fetch-site": "same-origin"}


def find_form(page: Page | None, *names: str) -> HtmlForm | None:
    """The form of a page that has these fields or buttons, or None."""
    for form in page.forms if page else ():
        if set(names) <= {*form.fields, *(name for name, _ in form.buttons)}:
            return form
    return None


class Browser:
    """One browser: its cookies, and the page that it is at."""

    def __init__(self, scene: Scene, number: int, observer: Observer) -> None:
        self._scene, self._settings = scene, scene.world.services.settings
        wire = Wire(scene, number, observer.saw)
        self.number = number
        self.http = httpx2.AsyncClient(transport=wire, base_url=ISSUER, headers={"user-agent": AGENT})
        self._forms = FormsBrowser(self.http, ISSUER)
        self.page: Page | None = None

    def cookies(self) -> dict[str, str]:
        """The cookies that it holds, by kind."""
        kinds: tuple[CookieKind, ...] = ("session", "flow", "device")
        held = {kind: self.http.cookies.get(cookie_name(self._settings, kind)) for kind in kinds}
        return {kind: value for kind, value in held.items() if value}

    def plant(self, flow: str) -> None:
        """Somebody puts a flow cookie into it."""
        self.http.cookies.set(cookie_name(self._settings, "flow"), flow, domain="id.example.com")

    async def open(self, path: str) -> Page:
        """Opens a page and follows where it leads."""
        self.page = await self._forms.open(path)
        return self.page

    async def at(self, path: str, *names: str) -> HtmlForm | None:
        """The form with these fields: of the page that it is at, or else of the page at the path."""
        if self.page is None or not self.page.url.startswith(ISSUER + path.partition("?")[0]):
            await self.open(path)
        return find_form(self.page, *names)

    async def submit(self, form: HtmlForm, **fields: str) -> Page:
        """Sends a form of the page that it is at."""
        assert self.page is not None
        self._scene.let_lie()
        self.page = await self._forms.submit(self.page, form, **fields)
        return self.page

    async def send(self, action: str, fields: dict[str, str], *, loses_answer: bool) -> None:
        """Sends a form from wherever it was shown; the answer, with its cookies, may never arrive."""
        kept = httpx2.Cookies(self.http.cookies)
        response = await self.http.post(action, data=fields, headers=SAME_ORIGIN)
        if loses_answer:
            self.http.cookies = kept
        elif response.status_code == 303 and response.headers["location"].startswith("/"):
            await self.open(response.headers["location"])
