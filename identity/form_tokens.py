"""Whether a form that comes back is ours: a token bound to the browser's secret, and where the post came from.

The token is an HMAC over the form's purpose and what binds the form to this browser (the digest of the flow cookie,
the session's id, a link's digest), so it changes whenever that changes (S17) and nothing has to be stored.
"""

import hashlib
import hmac
from collections.abc import Mapping
from urllib.parse import urlsplit

from starlette.requests import Request

from base.request import header
from base.secret_values import b64url


def form_token(form_key: bytes, purpose: str, *bound_to: bytes) -> str:
    """The hidden field `form_token` of a form."""
    message = b"\0".join([purpose.encode(), *(part.hex().encode() for part in bound_to)])
    return b64url(hmac.digest(form_key, message, hashlib.sha256))


def is_own_form(request: Request, form: Mapping[str, str], issuer: str, *, expected_token: str) -> bool:
    """Whether a posted form carries its token and was sent from a page of ours."""
    given = form.get("form_token", "")
    return comes_from_us(request, issuer) and hmac.compare_digest(given.encode(), expected_token.encode())


def comes_from_us(request: Request, issuer: str) -> bool:
    """Whether neither `Sec-Fetch-Site` nor `Origin` says that another site sent this request.

    Programs and old browsers send neither; the form token decides then.
    """
    site = header(request.scope, b"sec-fetch-site")
    if site is not None and site not in ("same-origin", "none"):
        return False
    origins = [value for key, value in request.scope["headers"] if key == b"origin"]
    return all(origin.decode("latin-1") == _origin_of(issuer) for origin in origins)


def _origin_of(issuer: str) -> str:
    parts = urlsplit(issuer)
    return f"{parts.scheme}://{parts.netloc}"
