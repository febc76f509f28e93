"""The verifier without its I/O: what is proven, and by which key. Imports no HTTP client, not even indirectly."""

import hashlib
from collections.abc import Collection
from dataclasses import dataclass

from ostiary.claims import check_unexpired, parse_access_token
from ostiary.compact import UnprovenToken, parse_shape, parse_unproven
from ostiary.errors import ConfigurationError, TokenError, TokenErrorCode
from ostiary.jwk import VerificationKey
from ostiary.signatures import check_signature
from ostiary.step_up import check_authentication, parse_needed
from ostiary.strict import parse_base64url, parse_json_object
from ostiary.token_cache import ProvenToken, TokenCache
from ostiary.values import AccessToken, Expectations


def verify_access_token(
    unproven: UnprovenToken, *, key: VerificationKey, expected: Expectations, now: float
) -> AccessToken:
    """The claims that the issuer's key proves, or TokenError (RFC 9068 §4). The payload is read only once proven."""
    if unproven.alg != key.alg:
        raise TokenError(TokenErrorCode.WRONG_ALGORITHM, "alg must be the algorithm of the key that kid names")
    check_signature(key, signed=unproven.signed, signature=unproven.signature)
    payload = parse_json_object(parse_base64url(unproven.payload, name="payload"), name="payload")
    return parse_access_token(payload, expected=expected, now=now)


@dataclass(frozen=True, slots=True)
class PendingToken:
    """A token that waits for the key named `kid`: never seen before, or proven a moment ago by that key."""

    kid: str
    digest: bytes
    evidence: UnprovenToken | ProvenToken


class VerifierCore:
    """The two halves of a verification; between them the caller finds the key, in its own way of doing I/O.

    `cache_size` is how many verified tokens are remembered; 0 remembers none. Safe between threads.
    """

    def __init__(self, expected: Expectations, *, cache_size: int) -> None:
        if cache_size < 0:
            raise ConfigurationError("token_cache_size must be 0 or more")
        self._expected = expected
        self._cache = TokenCache(cache_size)

    def begin(self, token: str) -> PendingToken:
        """What must be known before the key is: its id. TokenError for what no key could save.

        Nothing refused here ever causes a request to the issuer.
        """
        raw = parse_shape(token)
        digest = hashlib.sha256(raw).digest()
        evidence = self._cache.find(digest) or parse_unproven(raw, algorithms=self._expected.algorithms)
        return PendingToken(evidence.kid, digest, evidence)

    def finish(self, pending: PendingToken, *, key: VerificationKey, now: float) -> AccessToken:
        """The verified token, or TokenError. `now` is seconds since the epoch.

        A remembered token must still be unexpired and its key unchanged: a withdrawn key withdraws it (S39).
        """
        match pending.evidence:
            case UnprovenToken() as unproven:
                token = verify_access_token(unproven, key=key, expected=self._expected, now=now)
                self._cache.keep(pending.digest, ProvenToken(token, key.kid, key.fingerprint))
                return token
            case ProvenToken() as proven:
                try:
                    self._recheck(proven, key=key, now=now)
                except TokenError:
                    self._cache.forget(pending.digest)
                    raise
                return proven.token

    def require(
        self, token: AccessToken, *, acr: str | Collection[str], max_age_s: int | None, now: float
    ) -> AccessToken:
        """The token again, if its sign-in was strong and fresh enough; InsufficientAuthentication otherwise."""
        needed = parse_needed(acr=acr, max_age_s=max_age_s)
        if needed is None:
            raise ConfigurationError("acr or max_age_s must say what is needed")
        check_authentication(token, needed, now=now, leeway_s=self._expected.leeway_s)
        return token

    def _recheck(self, proven: ProvenToken, *, key: VerificationKey, now: float) -> None:
        if proven.key_fingerprint != key.fingerprint:
            raise TokenError(TokenErrorCode.BAD_SIGNATURE, "the key that signed this token was replaced")
        check_unexpired(proven.token, expected=self._expected, now=now)
