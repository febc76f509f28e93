"""The cookies: who is signed in, which sign-in is under way, which device this is, that a recovery ended here (S31).

On https they carry the `__Host-` prefix, so that no neighbouring host can plant them; on plain-http loopback they
cannot. The configured issuer decides, never the request.
"""

from datetime import timedelta
from typing import Literal, Protocol

from starlette.requests import Request
from starlette.responses import Response

CookieKind = Literal["session", "flow", "device", "recovered"]


class CookieSettings(Protocol):
    """What a cookie's name and flags follow."""

    @property
    def is_https(self) -> bool:
        """Whether the deployment's own address is https."""


def cookie_name(settings: CookieSettings, kind: CookieKind) -> str:
    """The cookie's name in this deployment."""
    return f"__Host-ostiary_{kind}" if settings.is_https else f"ostiary_{kind}"


def read_cookie(request: Request, settings: CookieSettings, kind: CookieKind) -> str | None:
    """What the browser sent under this name, unchecked, or None."""
    return request.cookies.get(cookie_name(settings, kind))


def set_cookie(
    response: Response, settings: CookieSettings, kind: CookieKind, value: str, *, ttl: timedelta | None = None
) -> None:
    """Hands the browser a cookie; without `ttl` it goes when the browser closes."""
    response.set_cookie(
        cookie_name(settings, kind),
        value,
        max_age=None if ttl is None else int(ttl.total_seconds()),
        path="/",
        secure=settings.is_https,
        httponly=True,
        samesite="lax",
    )


def clear_cookie(response: Response, settings: CookieSettings, kind: CookieKind) -> None:
    """Tells the browser to forget the cookie."""
    response.delete_cookie(
        cookie_name(settings, kind), path="/", secure=settings.is_https, httponly=True, samesite="lax"
    )
