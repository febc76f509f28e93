"""Tokens that were verified a moment ago, so that the same token is not proven again for every request."""

from collections import OrderedDict
from dataclasses import dataclass
from threading import Lock

from ostiary.values import AccessToken


@dataclass(frozen=True, slots=True)
class ProvenToken:
    """A verified token and the fingerprint of the key that proved it."""

    token: AccessToken
    kid: str
    key_fingerprint: bytes


class TokenCache:
    """At most `size` proven tokens by their SHA-256, the longest unused forgotten first. Safe between threads.

    It never decides: whoever finds a token here still checks its expiry and that its key is still published.
    """

    def __init__(self, size: int) -> None:
        self._size = size
        self._proven: OrderedDict[bytes, ProvenToken] = OrderedDict()
        self._lock = Lock()

    def find(self, digest: bytes) -> ProvenToken | None:
        """The proven token, or None."""
        with self._lock:
            proven = self._proven.get(digest)
            if proven is not None:
                self._proven.move_to_end(digest)
            return proven

    def keep(self, digest: bytes, proven: ProvenToken) -> None:
        """Remember a token that was just proven."""
        with self._lock:
            self._proven[digest] = proven
            self._proven.move_to_end(digest)
            while len(self._proven) > self._size:
                self._proven.popitem(last=False)

    def forget(self, digest: bytes) -> None:
        """Drop a token that no longer holds."""
        with self._lock:
            self._proven.pop(digest, None)

    def __len__(self) -> int:
        return len(self._proven)
