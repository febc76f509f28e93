"""When a service's own token is used, renewed ahead or done with, and when the issuer may be asked again. No I/O."""

import math
from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.backoff import Backoff
from ostiary.call_values import CallFailed, is_bearer_token

# Renewed ahead when this part of its life is over, so that the issuer may be away for the rest of it.
RENEW_AT = 0.8
# Not used in its last seconds: it has to be good when it arrives.
MARGIN_S = 5.0
LONGEST_LIFE_S = 86_400.0
# The life of a token whose answer does not say (RFC 6749 §5.1: the server should tell it otherwise).
DEFAULT_LIFE_S = 60.0
# A resource that refuses every token must not become a flood of requests to the issuer.
FORGET_EVERY_S = 5.0


@dataclass(frozen=True, slots=True)
class ClientToken:
    """A token for this service itself, and when, on the monotonic clock, it is to be renewed and to be used no more."""

    text: str
    renew_at: float
    ends_at: float


def parse_token_answer(answer: Mapping[str, object], *, asked_at: float) -> ClientToken:
    """The token of a token endpoint's answer (RFC 6749 §5.1); CallFailed where there is none that can be used."""
    text, kind, life = answer.get("access_token"), answer.get("token_type"), answer.get("expires_in", DEFAULT_LIFE_S)
    if not isinstance(text, str) or not is_bearer_token(text):
        raise CallFailed("the issuer's answer holds no access_token")
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise CallFailed("the issuer's token_type must be Bearer")
    if isinstance(life, bool) or not isinstance(life, int | float) or not math.isfinite(life) or life <= 0:
        raise CallFailed("the issuer's expires_in must be a number of seconds above 0")
    life_s = min(float(life), LONGEST_LIFE_S)
    margin_s = min(MARGIN_S, life_s * (1 - RENEW_AT))
    return ClientToken(text, asked_at + life_s * RENEW_AT, asked_at + life_s - margin_s)


class TokenLife:
    """The rules over one token. Not safe between threads: the caller holds a lock. Times are monotonic seconds."""

    def __init__(self, backoff: Backoff) -> None:
        self._backoff = backoff
        self._token: ClientToken | None = None
        self._next_attempt_at = -math.inf
        self._next_forget_at = -math.inf
        self.reason = ""

    def find(self, now: float) -> str | None:
        """The token, while it may be used."""
        return self._token.text if self._token is not None and now < self._token.ends_at else None

    def must_renew(self, now: float) -> bool:
        """Whether a new one is to be asked for now; never during the pause that a failure is followed by."""
        is_due = self._token is None or now >= self._token.renew_at
        return is_due and now >= self._next_attempt_at

    def wait_s(self, now: float) -> float:
        """How long no request will be made."""
        return max(self._next_attempt_at - now, 0)

    def record_token(self, token: ClientToken) -> None:
        """Take it over."""
        self._token, self.reason, self._next_attempt_at = token, "", -math.inf
        self._backoff.reset()

    def record_failure(self, error: CallFailed, *, now: float) -> None:
        """Keep what there is, and leave the issuer alone for a while."""
        self.reason = str(error)
        self._next_attempt_at = now + self._backoff.next_pause_s(at_least_s=error.retry_after_s)

    def forget(self, text: str, *, now: float) -> bool:
        """A resource refused this token: do not use it again. False, and it stays, where that was said a moment ago."""
        if self._token is None or self._token.text != text or now < self._next_forget_at:
            return False
        self._token, self._next_forget_at = None, now + FORGET_EVERY_S
        return True
