"""What the passkey pages share: the answer that a script asks for before it asks the browser."""

from collections.abc import Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from base.forms import Form, FormRefused
from base.request import read_form
from identity.services import Services

# From one address in 15 minutes: the sign-in page asks at each view, and a whole company may share an address.
MOST_ASKED = 1000
_WINDOW_S = 900


async def read_fields(request: Request) -> Form:
    """The form of a POST, empty where it cannot be read."""
    try:
        return await read_form(request)
    except FormRefused:
        return Form({}, {})


async def find_wait(services: Services, request: Request) -> int | None:
    """Seconds until this address may ask for a challenge again, or None where it may now. Counts the request."""
    address = request.scope.get("ostiary.address") or "none"
    key = f"passkey:{services.emitter.index('address', address).hex()}"
    verdict = await services.rates.hit(key, limit=MOST_ASKED, window_s=_WINDOW_S, now=services.clock())
    return None if verdict.allowed else verdict.retry_after_s


def show_options(options: Mapping[str, object]) -> Response:
    """The options for the browser."""
    return Response(msgspec.json.encode(options), headers=_HEADERS, media_type="application/json")


def refuse_options(status: int, *, retry_after_s: int | None = None) -> Response:
    """An answer for a script that cannot go on: 400 for a form that is not ours, 403 where the page is out of date."""
    headers = _HEADERS if retry_after_s is None else {**_HEADERS, "Retry-After": str(retry_after_s)}
    return Response(b"{}", status, headers, "application/json")


_HEADERS: Mapping[str, str] = {
    "Cache-Control": "no-store",
    "X-Content-Type-Options": "nosniff",
    "Cross-Origin-Resource-Policy": "same-origin",
}
