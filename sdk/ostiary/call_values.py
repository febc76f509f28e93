"""Who asks the issuer in its own name, and how such a call fails. No I/O."""

import base64
import re
from dataclasses import dataclass, field
from urllib.parse import quote_plus

from ostiary.errors import ConfigurationError

# RFC 6750 §2.1, b64token; nothing else may stand in a header of ours.
_BEARER = re.compile(r"[A-Za-z0-9._~+/-]+=*")


# What was asked is refused, whoever asks; every other error is about the issuer or this service.
_REFUSALS = frozenset({"invalid_request", "invalid_grant", "invalid_scope", "invalid_target"})


def is_bearer_token(text: str) -> bool:
    """Whether it can be sent as a bearer token."""
    return len(text) <= 16_384 and _BEARER.fullmatch(text) is not None


class CallFailed(Exception):
    """The issuer did not answer as it should. Inside the SDK only; says why for the log and never holds a secret.

    `error` is what the protocol calls it, empty where the answer did not say so.
    """

    def __init__(self, words: str, *, retry_after_s: float = 0, error: str = "") -> None:
        super().__init__(words)
        self.retry_after_s = retry_after_s
        self.error = error

    @property
    def is_refusal(self) -> bool:
        """Whether the issuer is well, and says no to what was asked."""
        return self.error in _REFUSALS


@dataclass(frozen=True, slots=True)
class ClientCredentials:
    """A client's id and secret; printing it does not show the secret."""

    client_id: str
    client_secret: str = field(repr=False)

    def __post_init__(self) -> None:
        for name, value in (("client_id", self.client_id), ("client_secret", self.client_secret)):
            if type(value) is not str or not value:
                raise ConfigurationError(f"{name} must be a non-empty string")

    @property
    def authorization(self) -> str:
        """The header's value, both halves urlencoded before they are joined."""
        joined = f"{quote_plus(self.client_id)}:{quote_plus(self.client_secret)}"
        return "Basic " + base64.b64encode(joined.encode()).decode()
