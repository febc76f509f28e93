"""The one map from what went wrong to the answer that says so. No I/O."""

from ostiary.bearer import GUARD_ERRORS, BearerMissing, Refusal, refusal_for
from ostiary.gateway.answers import wrong_method
from ostiary.gateway.identity_headers import Headers
from ostiary.gateway.openings import OriginRefused, UpgradeRefused
from ostiary.gateway.paths import Ambiguous
from ostiary.gateway.routes import NoRoute, WrongMethod
from ostiary.gateway.targets import ProxyMisconfigured

RETRY_AFTER_S = 5


class StrangerRefused(Exception):
    """A question from a peer that is no trusted proxy: answer 403."""


class PolicyDenied(Exception):
    """The policies say no, and no better sign-in would help: answer 403. The text is public."""


class DecisionUnavailable(Exception):
    """It could not be decided, or no token for the service could be had: our own trouble, so answer 503."""


REFUSED = (
    *GUARD_ERRORS,
    Ambiguous,
    BearerMissing,
    DecisionUnavailable,
    NoRoute,
    OriginRefused,
    PolicyDenied,
    ProxyMisconfigured,
    StrangerRefused,
    UpgradeRefused,
    WrongMethod,
)

_STATUS: dict[type[Exception], tuple[int, str]] = {
    Ambiguous: (400, "ambiguous_request"),
    NoRoute: (404, "no_route"),
    OriginRefused: (403, "origin_refused"),
    PolicyDenied: (403, "access_denied"),
    StrangerRefused: (403, "unknown_proxy"),
    UpgradeRefused: (403, "upgrade_refused"),
}


def refusal_of(error: Exception) -> tuple[Refusal, Headers]:
    """The answer to an error of `REFUSED`, and headers beside the usual ones."""
    if isinstance(error, BearerMissing):
        return error.refusal, []
    if isinstance(error, GUARD_ERRORS):
        return refusal_for(error), []
    if isinstance(error, WrongMethod):
        return wrong_method(str(error), error.allowed)
    if isinstance(error, DecisionUnavailable | ProxyMisconfigured):
        return Refusal(503, "temporarily_unavailable", str(error), retry_after_s=RETRY_AFTER_S), []
    status, code = _STATUS[type(error)]
    return Refusal(status, code, str(error)), []
