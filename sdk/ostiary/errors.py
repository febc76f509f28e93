"""Everything the SDK raises. Texts are public: they name the field and what was expected, never a token's value."""

from enum import StrEnum


class OstiaryError(Exception):
    """Base of every error of the SDK."""


class ConfigurationError(OstiaryError, ValueError):
    """The program set the SDK up wrongly; raised at construction, or by a route that asks for what cannot be."""


class TokenErrorCode(StrEnum):
    """Why a token was refused. The values are stable: logs and metrics may count them."""

    MALFORMED = "malformed"
    TOO_LARGE = "too_large"
    WRONG_TYPE = "wrong_type"
    WRONG_ALGORITHM = "wrong_algorithm"
    CRITICAL_HEADER = "critical_header"
    KEY_IN_HEADER = "key_in_header"
    UNKNOWN_KEY = "unknown_key"
    BAD_SIGNATURE = "bad_signature"
    MISSING_CLAIM = "missing_claim"
    INVALID_CLAIM = "invalid_claim"
    WRONG_ISSUER = "wrong_issuer"
    WRONG_AUDIENCE = "wrong_audience"
    EXPIRED = "expired"
    NOT_YET_VALID = "not_yet_valid"
    PROOF_REQUIRED = "proof_required"
    REVOKED = "revoked"


class TokenError(OstiaryError):
    """The caller's token is refused: answer 401 `invalid_token` (RFC 6750 §3.1).

    `code` says why, `description` says it in public words.
    """

    def __init__(self, code: TokenErrorCode, description: str) -> None:
        super().__init__(description)
        self.code = code
        self.description = description


class Unavailable(OstiaryError):
    """What is needed to judge a token cannot be had: our own trouble, so answer 503 and never 401.

    `retry_after_s` is when the next attempt is due; `reason` is for the log, not for the caller.
    """

    words = "what proves tokens is unavailable; try again later"

    def __init__(self, *, retry_after_s: int, reason: str) -> None:
        super().__init__(self.words)
        self.retry_after_s = retry_after_s
        self.reason = reason


class KeysUnavailable(Unavailable):
    """The issuer's keys cannot be had."""

    words = "the keys that prove tokens are unavailable; try again later"


class FeedUnavailable(Unavailable):
    """What was revoked cannot be known: the feed is cut off for too long, and the issuer cannot be asked either."""

    words = "whether the token still holds cannot be known now; try again later"


class IntrospectionUnavailable(Unavailable):
    """The issuer could not be asked whether a token still holds."""

    words = "whether the token still holds cannot be asked now; try again later"


class ClientTokenUnavailable(Unavailable):
    """This service has no access token of its own, and the issuer gives none at the moment."""

    words = "this service cannot prove itself to others now; try again later"


class ExchangeUnavailable(Unavailable):
    """The issuer could not be asked for a token in the place of another."""

    words = "a token for the service behind cannot be had now; try again later"


class ExchangeRefused(OstiaryError):
    """The issuer gives no token in the place of this one; `error` is its code (RFC 8693 §2.2.2).

    `invalid_request`: the token holds no more, or is not this service's to exchange. `invalid_target`, `invalid_scope`:
    the policies, or what this service is registered with, do not let it have such a token.
    """

    def __init__(self, error: str) -> None:
        super().__init__(f"the issuer gives no token in the place of this one: {error}")
        self.error = error


class InsufficientScope(OstiaryError):
    """The token is good but does not carry the scopes named in `required`: answer 403 (RFC 6750 §3.1)."""

    def __init__(self, required: tuple[str, ...]) -> None:
        super().__init__("the access token lacks a scope that this request needs")
        self.required = required


class InsufficientAuthentication(OstiaryError):
    """The token is good, but the person must prove themselves better or again: answer 401 (RFC 9470 §3).

    `acr` lists the acceptable classes, `max_age_s` how old the sign-in may be; the application sends the person to
    the issuer with both.
    """

    def __init__(self, description: str, *, acr: tuple[str, ...], max_age_s: int | None) -> None:
        super().__init__(description)
        self.acr = acr
        self.max_age_s = max_age_s


class NotGuarded(OstiaryError):
    """A route asked for the token, but no guard stands before it: a mistake of the program, so a 500."""


class KeyFetchError(Exception):
    """One attempt to read the issuer's documents failed. Inside the SDK only; the text is for the log."""
