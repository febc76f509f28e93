"""RP-initiated logout: with a valid hint at once, without one by asking (S15; RP-Initiated Logout 1.0)."""

from dataclasses import dataclass
from urllib.parse import urlencode

from starlette.requests import Request
from starlette.responses import RedirectResponse, Response

from audit.catalogue import LOGOUT_REFUSED, LOGOUT_SUCCEEDED
from audit.record import Event
from base.cookies import clear_cookie, read_cookie
from base.forms import Form, FormRefused, parse_form
from base.ids import PERSON, show_id
from base.request import read_form
from identity.client_values import Client
from identity.form_tokens import comes_from_us, form_token, is_own_form
from identity.oauth.authorize import hint_verifier
from identity.redirect_uris import find_redirect_uri
from identity.refusal_events import record_refusal
from identity.revocation import end_session
from identity.services import Services, origin_of
from identity.sessions import find_live
from identity.values import LiveSession

FIELDS = ("id_token_hint", "post_logout_redirect_uri", "state", "client_id", "ui_locales")


@dataclass(frozen=True, slots=True)
class LogoutRequest:
    """A logout request: `sub` and `client` only from a valid hint, `back_to` only where it is registered."""

    fields: dict[str, str]
    sub: str | None = None
    client: Client | None = None
    back_to: str | None = None


class LogoutRefused(Exception):
    """A logout request that is answered by an error page; the message says why."""


def parse_logout(services: Services, form: Form) -> LogoutRequest:
    """The request in a form; raises LogoutRefused where a hint or an address cannot be right."""
    fields = {name: form[name] for name in FIELDS if name in form}
    asked, hint = form.get("post_logout_redirect_uri"), form.get("id_token_hint")
    if hint is None:
        # Without a hint nobody says which application asks: the person is asked, and no redirect follows.
        return LogoutRequest(fields)
    verified = hint_verifier(services)(hint)
    client = verified and services.catalogue.find_client(verified[1])
    if not verified or not client or client.disabled or form.get("client_id", client.client_id) != client.client_id:
        raise LogoutRefused("The application's proof of who is signed in is not valid: id_token_hint.")
    if asked is not None and find_redirect_uri(client.post_logout_redirect_uris, asked) is None:
        raise LogoutRefused("The address to go back to is not registered for this application.")
    return LogoutRequest(fields, verified[0], client, asked)


class Logout:
    """The endpoint for one deployment: GET and POST."""

    def __init__(self, services: Services) -> None:
        self._services = services

    async def __call__(self, request: Request) -> Response:
        """The way back, the question, the page that says it is done, or an error page."""
        services = self._services
        try:
            form = await read_form(request) if request.method == "POST" else parse_form(request.scope["query_string"])
            asked = parse_logout(services, form)
        except (FormRefused, LogoutRefused) as refused:
            event = Event(
                type=LOGOUT_REFUSED,
                actor="anonymous",
                outcome="denied",
                origin=origin_of(request),
                data={"reason": str(refused)},
            )
            await record_refusal(services, event)
            return services.pages.error(request, 400, "You were not signed out", str(refused))
        if request.method == "POST" and (
            "form_token" not in form or not comes_from_us(request, services.settings.issuer)
        ):
            # From another site it carries no Lax cookie; the GET that follows does (S9).
            headers = {"Location": f"/oauth/logout?{urlencode(asked.fields)}", "Cache-Control": "no-store"}
            return Response(status_code=303, headers=headers)
        session = await find_live(services, request)
        if session is None:
            return self._done(request, asked)
        if request.method == "POST":
            expected = form_token(services.form_key, "logout", session.cookie_digest)
            if is_own_form(request, form, services.settings.issuer, expected_token=expected):
                return await self._sign_out(request, asked, session, by="person")
        elif asked.sub == session.sub:
            return await self._sign_out(request, asked, session, by=asked.client.client_id if asked.client else "")
        return self._ask(request, asked, session)

    def _ask(self, request: Request, asked: LogoutRequest, session: LiveSession) -> Response:
        return self._services.pages.render(
            request,
            "signout.html",
            pending_authorization=asked.back_to is not None,
            ui_locales=asked.fields.get("ui_locales", "").split(),
            client_name=asked.client.name if asked.client else None,
            person=None,
            fields=asked.fields,
            form_token=form_token(self._services.form_key, "logout", session.cookie_digest),
        )

    async def _sign_out(self, request: Request, asked: LogoutRequest, session: LiveSession, *, by: str) -> Response:
        services, now, origin = self._services, self._services.clock(), origin_of(request)
        actor = show_id(PERSON, session.person_id)
        async with services.database.transaction() as db:
            await end_session(db, services, session.id, why="signed_out", now=now, actor=actor, origin=origin)
            event = Event(
                type=LOGOUT_SUCCEEDED,
                actor=actor,
                subject=actor,
                person=session.person_id,
                client_id=asked.client.client_id if asked.client else None,
                session_id=session.id,
                origin=origin,
                data={"initiated_by": by},
            )
            await services.emitter.emit(db, event, now=now)
        return self._done(request, asked)

    def _done(self, request: Request, asked: LogoutRequest) -> Response:
        response: Response
        if asked.back_to is not None:
            state = asked.fields.get("state")
            query = urlencode({"state": state}) if state is not None else ""
            joint = "&" if "?" in asked.back_to else "?"
            response = RedirectResponse(asked.back_to + (joint + query if query else ""), status_code=303)
        else:
            locales = asked.fields.get("ui_locales", "").split()
            response = self._services.pages.render(request, "signed_out.html", ui_locales=locales)
        if read_cookie(request, self._services.settings, "session") is not None:
            # A request without the cookie may come from another site, and must not end what it cannot see.
            clear_cookie(response, self._services.settings, "session")
        return response
