"""Who visits the demo: tokens and notices in this process's memory, behind a random cookie of the demo's own."""

from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta

from starlette.requests import Request
from starlette.responses import Response

from base.secret_values import digest, find_digest, new_secret

PREFIX = "odm_"
TTL = timedelta(hours=1)
MAX_VISITS = 500


@dataclass(frozen=True, slots=True)
class Notice:
    """What the last action led to: its kind, the status of the answer, and the answer as it came.

    `needed` is what a better sign-in must be asked for, where the answer wanted one (RFC 9470).
    """

    kind: str
    status: int | None = None
    body: str = ""
    needed: Mapping[str, str] = field(default_factory=dict)


@dataclass(slots=True)
class Visit:
    """One browser's state. `flow` is what Authlib keeps between the request and the way back (state, nonce, PKCE).

    `claims` are the proven ID token's, `person` the texts of userinfo's answer.
    """

    key: bytes
    expires_at: datetime
    flow: dict[str, object] = field(default_factory=dict)
    tokens: Mapping[str, str] | None = None
    claims: Mapping[str, object] = field(default_factory=dict)
    person: Mapping[str, str] = field(default_factory=dict)
    notice: Notice | None = None


class Visits:
    """At most `limit` visits, each for an hour; the oldest goes first, and all go when the process ends."""

    def __init__(self, *, is_https: bool, limit: int = MAX_VISITS) -> None:
        self._kept: OrderedDict[bytes, Visit] = OrderedDict()
        self._is_https = is_https
        self._limit = limit

    @property
    def cookie_name(self) -> str:
        """The cookie, apart from those of the sign-in pages; with the `__Host-` prefix on https (S31)."""
        return "__Host-ostiary_demo" if self._is_https else "ostiary_demo"

    def find(self, request: Request, *, now: datetime) -> Visit | None:
        """The visit that the browser's cookie stands for, or None."""
        key = find_digest(PREFIX, request.cookies.get(self.cookie_name))
        visit = self._kept.get(key) if key else None
        return visit if visit is not None and visit.expires_at > now else None

    def begin(self, *, now: datetime) -> tuple[Visit, str]:
        """A new visit, and its cookie's value."""
        cookie = new_secret(PREFIX)
        visit = Visit(digest(cookie), now + TTL)
        self._kept[visit.key] = visit
        while len(self._kept) > self._limit:
            self._kept.popitem(last=False)
        return visit, cookie

    def end(self, visit: Visit) -> None:
        """Forgets a visit."""
        self._kept.pop(visit.key, None)

    def set_cookie(self, response: Response, cookie: str) -> None:
        """Hands the browser a visit's cookie."""
        response.set_cookie(
            self.cookie_name,
            cookie,
            max_age=int(TTL.total_seconds()),
            path="/",
            secure=self._is_https,
            httponly=True,
            samesite="lax",
        )
