"""Protocol errors: a code of the specifications, words for the integrator, an HTTP status (RFC 6749 §4.1.2.1, §5.2)."""

# The status at the endpoints that answer in JSON.
_STATUS = {"invalid_client": 401, "insufficient_scope": 403}


class OAuthError(Exception):
    """A refusal in the protocol's own terms. `description` goes out; `reason` goes to the event.

    With `retry_after_s` it is a refusal for a while: 429.
    """

    def __init__(
        self, code: str, description: str, *, reason: str | None = None, retry_after_s: int | None = None
    ) -> None:
        super().__init__(code, description)
        self.code = code
        self.description = description
        self.reason = reason or description
        self.retry_after_s = retry_after_s

    @property
    def status(self) -> int:
        """The HTTP status of the JSON answer."""
        return 429 if self.retry_after_s is not None else _STATUS.get(self.code, 400)


class UntrustedRequest(Exception):
    """An authorization request whose client or redirect URI is not to be trusted: a page, never a redirect (S2)."""
