"""Tokens that were verified a moment ago, so that the same token is not proven again for every request."""

from typing import NamedTuple

from ostiary.jwk import VerificationKey
from ostiary.revocations import Revocations
from ostiary.values import AccessToken

# A longer token is proven each time: what a flood of giants can occupy stays bounded (S38).
MAX_KEPT_CHARS = 4096

# A header is looked up by the end of its signature, and then compared whole: to digest all of it would take longer
# than all else that is asked about it.
TAIL = slice(-32, None)


class ProvenToken(NamedTuple):
    """A verified token, and under which knowledge it was: whoever finds another one must ask again.

    `token` is what the program sees (with the feed's newer facts), `signed` what the issuer signed. It may be used
    from `kept_at` to `ends_at` (seconds since the epoch).
    """

    token: AccessToken
    signed: AccessToken
    key: VerificationKey
    kept_at: float
    ends_at: float
    keys_version: int
    known: Revocations | None
    known_version: int
    answers_version: int


# A token as the program sees it, the value of the Authorization header that brought it, from when to when that counts,
# and the numbers of keys, revocations and the issuer's answers, added up: each of them only ever grows, so that the sum
# stays the same only while all do. A plain tuple, which is taken apart the fastest.
KnownHeader = tuple[AccessToken, bytes, float, float, int]


class TokenCache:
    """At most `size` proven tokens by their text, without a lock: two generations of plain dictionaries.

    What is found among the old becomes young again; when the young are half of `size` they become the old ones, and
    who was old till then is forgotten. Two threads that do so at once lose entries at worst. It never decides: whoever
    finds a token here still checks everything that may have changed.

    `headers` has the young ones again, by the last bytes of the Authorization header that brought them, with the whole
    of that header: for `known_headers`. Nothing stays there that is not young.
    """

    def __init__(self, size: int) -> None:
        self._half = size // 2 if size > 1 else size
        self._has_old = size > 1
        self.young: dict[str, ProvenToken] = {}
        self.headers: dict[bytes, KnownHeader] = {}
        self._old: dict[str, ProvenToken] = {}

    def find(self, token: str) -> ProvenToken | None:
        """The proven token, or None."""
        return self.young.get(token) or self._old.get(token)

    def keep(self, token: str, proven: ProvenToken) -> None:
        """Remember a token that was just proven."""
        if not self._half or len(token) > MAX_KEPT_CHARS:
            return
        young = self.young
        if len(young) >= self._half and token not in young:
            self._old = young if self._has_old else {}
            self.young = young = {}
            self.headers = {}
        young[token] = proven

    def keep_header(self, header: bytes, token: str) -> None:
        """Remember that this header brought that token, if the token is remembered. `header` ends with the token."""
        proven = self.young.get(token)
        if proven is not None:
            versions = proven.keys_version + proven.known_version + proven.answers_version
            self.headers[header[TAIL]] = (proven.token, header, proven.kept_at, proven.ends_at, versions)

    def forget(self, token: str) -> None:
        """Drop a token that no longer holds."""
        self.headers.pop(token[TAIL].encode("ascii", "replace"), None)
        self.young.pop(token, None)
        self._old.pop(token, None)

    def __len__(self) -> int:
        return len(self.young.keys() | self._old.keys())
