"""What was exchanged, what is under way, and when the issuer may be asked again; for the one loop of a thread."""

import asyncio
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from secrets import SystemRandom

import httpx2

from ostiary.backoff import Backoff
from ostiary.call_values import CallFailed, ClientCredentials, is_bearer_token
from ostiary.client_calls import close_at_end, find_endpoint, open_client, post_form
from ostiary.fetch import Route
from ostiary.values import ACCESS_TOKEN, TXN_TOKEN

GRANT = "urn:ietf:params:oauth:grant-type:token-exchange"
_TYPE = "urn:ietf:params:oauth:token-type:"
_KINDS = {ACCESS_TOKEN: _TYPE + "access_token", TXN_TOKEN: _TYPE + "txn_token"}
# How the answer says what the token is to be used as (RFC 8693 §2.2.1).
_USES = {ACCESS_TOKEN: "bearer", TXN_TOKEN: "n_a"}
# Not used in its last seconds: it has to be good when it arrives.
MARGIN_S = 5.0
MARGIN_PART = 0.2
LONGEST_LIFE_S = 86_400.0
# A token that is refused must not become a flood of requests to the issuer.
REFUSED_FOR_S = 5.0
FIRST_PAUSE_S = 0.2
LONGEST_PAUSE_S = 5.0

Outcome = str | CallFailed


@dataclass(frozen=True, slots=True)
class ExchangeTerms:
    """Where and as whom to ask, for which kind of token (`typ`), and the bounds."""

    route: Route
    credentials: ClientCredentials
    typ: str
    most_tokens: int
    most_at_once: int
    transport: httpx2.AsyncBaseTransport | None
    monotonic: Callable[[], float]


@dataclass(frozen=True, slots=True)
class Wanted:
    """One token that is wanted; `digest` is over all of the rest."""

    digest: bytes
    subject_token: str
    audience: str
    scope: str | None


class Exchanges:
    """Tokens by what was asked for. `find` may be called from any thread, the rest belongs to the loop."""

    def __init__(self, terms: ExchangeTerms) -> None:
        self._terms = terms
        self._turns = asyncio.Semaphore(terms.most_at_once)
        self._backoff = Backoff(FIRST_PAUSE_S, LONGEST_PAUSE_S, random=SystemRandom().random)
        self._pause_until = -math.inf
        self._reason = ""
        self._known: dict[bytes, tuple[Outcome, float]] = {}
        self._flights: dict[bytes, asyncio.Task[Outcome]] = {}
        self._client: httpx2.AsyncClient | None = None
        self._keeper: asyncio.Task[None] | None = None
        self._url = ""

    def find(self, digest: bytes) -> str | None:
        """The remembered token, while it may be used."""
        outcome, ends_at = self._known.get(digest, (None, 0.0))
        return outcome if isinstance(outcome, str) and self._terms.monotonic() < ends_at else None

    async def exchange(self, wanted: Wanted) -> Outcome:
        """The token, remembered or new, or why there is none."""
        now = self._terms.monotonic()
        outcome, ends_at = self._known.get(wanted.digest, (None, 0.0))
        if outcome is not None and now < ends_at:
            return outcome
        flight = self._flights.get(wanted.digest)
        if flight is None:
            if now < self._pause_until:
                return CallFailed(self._reason, retry_after_s=self._pause_until - now)
            flight = self._flights[wanted.digest] = asyncio.create_task(self._fly(wanted))
            flight.add_done_callback(lambda _: self._flights.pop(wanted.digest, None))
        return await asyncio.shield(flight)

    async def _fly(self, wanted: Wanted) -> Outcome:
        try:
            async with asyncio.timeout(self._terms.route.timeout_s), self._turns:
                # What waited for its turn counts its life from when it was asked for.
                asked_at = self._terms.monotonic()
                text, life_s = _parse_answer(await self._request(wanted), typ=self._terms.typ)
        except Exception as error:  # noqa: BLE001 - proxy settings and transports raise what they like
            failure = error if isinstance(error, CallFailed) else CallFailed(type(error).__name__)
            self._record_failure(wanted, failure)
            return failure
        self._backoff.reset()
        self._remember(wanted.digest, text, asked_at + life_s - min(MARGIN_S, life_s * MARGIN_PART))
        return text

    async def _request(self, wanted: Wanted) -> Mapping[str, object]:
        terms = self._terms
        if self._client is None:
            self._client = open_client(terms.route, transport=terms.transport)
            self._keeper = asyncio.create_task(close_at_end(self._client))
        if not self._url:
            self._url = await find_endpoint(self._client, terms.route, "token_endpoint")
        form = {
            "grant_type": GRANT,
            "subject_token": wanted.subject_token,
            "subject_token_type": _KINDS[ACCESS_TOKEN],
            "requested_token_type": _KINDS[terms.typ],
            "audience": wanted.audience,
            **({} if wanted.scope is None else {"scope": wanted.scope}),
        }
        return await post_form(self._client, terms.route, self._url, credentials=terms.credentials, form=form)

    def _record_failure(self, wanted: Wanted, failure: CallFailed) -> None:
        now = self._terms.monotonic()
        if failure.is_refusal:
            # The issuer is well; it is this token that it does not exchange.
            self._backoff.reset()
            self._remember(wanted.digest, failure, now + REFUSED_FOR_S)
            return
        self._reason = str(failure)
        self._pause_until = now + self._backoff.next_pause_s(at_least_s=failure.retry_after_s)
        # Where the endpoint is may be what has changed.
        self._url = ""

    def _remember(self, digest: bytes, outcome: Outcome, ends_at: float) -> None:
        self._known.pop(digest, None)
        self._known[digest] = (outcome, ends_at)
        while len(self._known) > self._terms.most_tokens:
            del self._known[next(iter(self._known))]


def _parse_answer(answer: Mapping[str, object], *, typ: str) -> tuple[str, float]:
    """The token of an answer and its life in seconds (RFC 8693 §2.2.1); CallFailed where there is none to be used."""
    text, use, life = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in")
    if not isinstance(text, str) or not is_bearer_token(text):
        raise CallFailed("the issuer's answer holds no access_token")
    if answer.get("issued_token_type") != _KINDS[typ]:
        raise CallFailed(f"the issuer's issued_token_type must be {_KINDS[typ]}")
    if not isinstance(use, str) or use.lower() != _USES[typ]:
        raise CallFailed(f"the issuer's token_type must be {_USES[typ]}")
    if isinstance(life, bool) or not isinstance(life, int | float) or not math.isfinite(life) or life <= 0:
        raise CallFailed("the issuer's expires_in must be a number of seconds above 0")
    return text, min(float(life), LONGEST_LIFE_S)
