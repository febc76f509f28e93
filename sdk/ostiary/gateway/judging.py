"""Whether a request that has a route may take it: proven, within the limits, allowed by route and policies."""

import logging
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace

from ostiary.bearer import NO_TOKEN, BearerMissing, find_credentials
from ostiary.errors import ExchangeRefused, InsufficientAuthentication, OstiaryError
from ostiary.gateway.answers import GatewayAnswer, allowed, too_many
from ostiary.gateway.asked import Asked, Decide, FindSession, FoundSession, InternalToken
from ostiary.gateway.identity_headers import NOBODY, Headers, Identities, Identity, emitted_headers
from ostiary.gateway.openings import Opening
from ostiary.gateway.questions import is_person, question_of
from ostiary.gateway.refusals import DecisionUnavailable, PolicyDenied
from ostiary.policy.values import Answer
from ostiary.rate_limits import RateLimiter
from ostiary.values import AccessToken
from ostiary.verifier import Verifier

logger = logging.getLogger("ostiary")

RawHeaders = list[tuple[bytes, bytes]]


@dataclass(frozen=True, slots=True)
class Judge:
    """Judges requests by what was handed in; what `Gateway` says of each holds here."""

    verifier: Verifier
    limiter: RateLimiter | None = None
    decide: Decide | None = None
    internal_token: InternalToken | None = None
    find_session: FindSession | None = None
    clock: Callable[[], float] = time.time
    _identities: Identities = field(default_factory=Identities, init=False, repr=False, compare=False)

    async def judge(self, asked: Asked, opening: Opening, raw: RawHeaders) -> GatewayAnswer:
        """The answer to a request; any error of `REFUSED` where it may not pass. `raw` are its headers as they came."""
        if opening in (Opening.HEALTH, Opening.PREFLIGHT):
            # Nothing that the caller brought goes along: a preflight that carries a token is none.
            return allowed(_headers_of(asked))
        if opening is Opening.PUBLIC:
            return await self._judge_public(asked, raw)
        known = self.verifier.recall_headers(raw)
        if known is not None:
            return await self._judge_token(asked, known[0], known[1], None)
        header = find_credentials(raw)
        if header is None and self.find_session is not None:
            found = await self.find_session(asked)
            if isinstance(found, GatewayAnswer):
                return replace(found, headers=emitted_headers(NOBODY, request_id=asked.request_id) + found.headers)
            if found is not None:
                return await self._judge_token(asked, found.token, f"Bearer {found.raw}".encode(), found)
        if header is None:
            raise BearerMissing(NO_TOKEN)
        token = await self.verifier.verify_header(header, asked.route.sensitivity)
        return await self._judge_token(asked, token, header, None)

    async def _judge_public(self, asked: Asked, raw: RawHeaders) -> GatewayAnswer:
        """A path that is open: what the caller sends as Authorization is for the service alone, and proves nothing."""
        limits, refusal = await self._count(None, asked)
        if refusal is not None:
            return refusal
        sent = find_credentials(raw) or b""
        return allowed(_headers_of(asked, authorization=sent) + limits)

    async def _judge_token(
        self, asked: Asked, token: AccessToken, header: bytes, session: FoundSession | None
    ) -> GatewayAnswer:
        """A request whose caller is proven; `header` is the Authorization that a service without our token gets."""
        limits, refusal = await self._count(token, asked)
        if refusal is not None:
            return refusal
        route = asked.route
        route.needs.check(token, self.verifier)
        if self.decide is not None:
            await self._ask_policies(self.decide, asked, token)
        internal = ""
        if self.internal_token is not None and route.audience is not None:
            internal = await self._load_internal(self.internal_token, asked, token, header)
        # A service that has a token of its own kind gets no other: what it never holds, it cannot lose.
        identity, sent = self._identities.of(token), b"" if internal else header
        headers = _headers_of(asked, identity, internal_token=internal, authorization=sent)
        return allowed([*headers, *limits, *(session.headers if session is not None else ())])

    async def _count(self, token: AccessToken | None, asked: Asked) -> tuple[Headers, GatewayAnswer | None]:
        """Headers that tell of the limits, and the refusal of who is over one."""
        if self.limiter is None:
            return [], None
        rates = await self.limiter.hit(token)
        if rates.allowed:
            return rates.headers(), None
        return [], too_many(rates.refusal(), request_id=asked.request_id)

    async def _ask_policies(self, decide: Decide, asked: Asked, token: AccessToken) -> None:
        """Returns on a plain allow. InsufficientAuthentication where a step-up would help, PolicyDenied otherwise."""
        question = question_of(token, asked.target, asked.route, address=asked.address, now=self.clock())
        try:
            answer = await decide(question)
        except OstiaryError as error:
            raise DecisionUnavailable("what may be done here cannot be decided now; try again later") from error
        except Exception as error:
            logger.exception("request %s: the policies could not be asked", asked.request_id)
            raise DecisionUnavailable("what may be done here cannot be decided now; try again later") from error
        if not answer.is_allowed:
            raise _denial(answer, asked, token)

    async def _load_internal(self, ask: InternalToken, asked: Asked, token: AccessToken, header: bytes) -> str:
        """The token for the service; DecisionUnavailable where there is none: no request goes on without it."""
        raw = header.partition(b" ")[2].decode("ascii")
        try:
            internal = await ask(token, raw, asked.route)
        except ExchangeRefused as error:
            raise PolicyDenied("the service behind this route is not open to this caller") from error
        except OstiaryError as error:
            raise DecisionUnavailable("the token for the service cannot be had now; try again later") from error
        except Exception as error:
            logger.exception("request %s: no token for %s", asked.request_id, asked.route.service)
            raise DecisionUnavailable("the token for the service cannot be had now; try again later") from error
        if not internal:
            raise DecisionUnavailable("the token for the service cannot be had now; try again later")
        return internal


def _headers_of(
    asked: Asked, identity: Identity = NOBODY, *, internal_token: str = "", authorization: bytes = b""
) -> Headers:
    return emitted_headers(
        identity,
        request_id=asked.request_id,
        route=asked.route.name,
        service=asked.route.service,
        internal_token=internal_token,
        authorization=authorization,
    )


def _denial(answer: Answer, asked: Asked, token: AccessToken) -> Exception:
    """What a deny becomes; one in error is told in the log, and is a deny like any other to the caller (S41)."""
    if answer.error is not None:
        logger.error("request %s on %s: denied in error: %s", asked.request_id, asked.route.name, answer.error)
    words = " ".join(answer.advice) or "the policies do not allow this"
    for obligation in answer.obligations:
        if obligation.kind == "step_up" and obligation.acr is not None and is_person(token):
            return InsufficientAuthentication(words, acr=(obligation.acr,), max_age_s=obligation.max_age_s)
    return PolicyDenied(words)
