"""The demo's page and what its buttons do."""

import msgspec
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from base.forms import FormRefused
from base.request import read_form
from identity.form_tokens import form_token, is_own_form
from identity.services import Services
from server.demo.registration import home_uri
from server.demo.relying_party import DemoRefused, RelyingParty
from server.demo.tokens_in_words import decode_token, in_words, masked
from server.demo.visits import Notice, Visit, Visits


class DemoPages:
    """The endpoints of one deployment's demo."""

    def __init__(self, services: Services, client: RelyingParty, *, keeps_letters: bool) -> None:
        self._services = services
        self._keeps_letters = keeps_letters
        self._client = client
        self._visits = Visits(is_https=services.settings.is_https)

    async def show(self, request: Request) -> Response:
        """GET /demo"""
        now = self._services.clock()
        visit = self._visits.find(request, now=now)
        notice = visit.notice if visit else None
        if visit is not None:
            # A notice is about what was just done; it is told once.
            visit.notice = None
        if visit is None or visit.tokens is None:
            # The full address: under another name of this host the way back would not find its cookie.
            begin = f"{home_uri(self._services.settings.issuer)}/signin"
            return self._services.pages.render(
                request, "demo.html", begin=begin, notice=notice, keeps_letters=self._keeps_letters
            )
        return self._services.pages.render(
            request,
            "demo_signed_in.html",
            notice=notice,
            answer=_pretty(notice),
            person=visit.person,
            access=decode_token(visit.tokens["access_token"], now=now),
            id_token=decode_token(visit.tokens["id_token"], now=now),
            refresh=masked(visit.tokens["refresh_token"]),
            in_words=in_words,
            form_token=self._form_token(visit),
        )

    async def begin(self, request: Request) -> Response:
        """GET /demo/signin"""
        visit, cookie = self._visits.begin(now=self._services.clock())
        response = await self._client.begin(request, visit)
        self._visits.set_cookie(response, cookie)
        return response

    async def finish(self, request: Request) -> Response:
        """GET /demo/callback"""
        now = self._services.clock()
        begun = self._visits.find(request, now=now)
        if begun is None:
            return self._refuse(request, "This sign-in did not begin in this browser, or it took more than an hour.")
        try:
            await self._client.finish(request, begun)
        except DemoRefused as refused:
            return self._refuse(request, str(refused))
        # A fresh cookie after sign-in, so that one planted before is worth nothing.
        visit, cookie = self._visits.begin(now=now)
        visit.tokens, visit.claims, visit.person = begun.tokens, begun.claims, begun.person
        self._visits.end(begun)
        response = self._home()
        self._visits.set_cookie(response, cookie)
        return response

    async def act(self, request: Request) -> Response:
        """POST /demo: one of the buttons."""
        visit = self._visits.find(request, now=self._services.clock())
        if visit is None or visit.tokens is None:
            return self._home()
        try:
            form = await read_form(request)
        except FormRefused as refused:
            return self._refuse(request, f"{refused}.")
        if not is_own_form(request, form, self._services.settings.issuer, expected_token=self._form_token(visit)):
            return self._refuse(request, "The form did not come from the demo's own page. Open it again.")
        if form.get("action") == "sign_out":
            return await self._sign_out(visit)
        try:
            visit.notice = await self._do(visit, form.get("action", ""))
        except DemoRefused as refused:
            visit.notice = Notice("refused", body=str(refused))
        if visit.notice.needed:
            # What an application does with the challenge of RFC 9470: ask the issuer for exactly that.
            return await self._client.begin(request, visit, needed=visit.notice.needed)
        return self._home()

    async def _do(self, visit: Visit, action: str) -> Notice:
        match action:
            case "api" | "payslip" | "userinfo":
                return await self._client.ask(visit, kind=action)
            case "refresh":
                await self._client.refresh(visit)
            case "revoke":
                await self._client.revoke(visit)
            case _:
                raise DemoRefused("there is no such button")
        return Notice(action)

    async def _sign_out(self, visit: Visit) -> Response:
        """Ours first, then the server's: should the browser not arrive there, the tokens are gone at least here."""
        target = await self._client.sign_out_url(visit)
        self._visits.end(visit)
        left, cookie = self._visits.begin(now=self._services.clock())
        left.notice = Notice("signed_out")
        response = RedirectResponse(target, status_code=303)
        self._visits.set_cookie(response, cookie)
        return response

    def _home(self) -> Response:
        return RedirectResponse(home_uri(self._services.settings.issuer), status_code=303)

    def _refuse(self, request: Request, words: str) -> Response:
        return self._services.pages.error(request, 400, "The demo could not go on", words)

    def _form_token(self, visit: Visit) -> str:
        return form_token(self._services.form_key, "demo", visit.key)


def _pretty(notice: Notice | None) -> str:
    """The answer with a line for each member, where it is JSON."""
    if notice is None or not notice.body:
        return ""
    try:
        return msgspec.json.format(notice.body, indent=2)
    except (msgspec.DecodeError, RecursionError):
        return notice.body
