"""The verifier without its I/O: what is proven, by which key, and whether it still stands. Imports no HTTP client."""

from collections.abc import Callable, Collection, Set
from typing import NamedTuple

from ostiary.claims import parse_access_token
from ostiary.compact import TYPES, UnprovenToken, parse_shape, parse_unproven
from ostiary.errors import ConfigurationError, FeedUnavailable, TokenError, TokenErrorCode
from ostiary.failure_policy import Action, Sensitivity
from ostiary.jwk import VerificationKey
from ostiary.keyring import KeyRing
from ostiary.known_headers import HeaderRecall, recall_by_headers
from ostiary.revocations import Revocations
from ostiary.signatures import is_proven
from ostiary.standing import Standing
from ostiary.step_up import check_authentication, parse_needed
from ostiary.strict import parse_base64url, parse_json_object
from ostiary.token_cache import ProvenToken, TokenCache
from ostiary.values import KNOWN_ALGORITHMS, AccessToken, Expectations

DEFAULT_CACHE_AGE_S = 300.0
MAX_KNOWN_HEADERS = 64


def verify_access_token(
    unproven: UnprovenToken, *, key: VerificationKey, expected: Expectations, now: float
) -> AccessToken:
    """The claims that the issuer's key proves, or TokenError (RFC 9068 §4). The payload is read only once proven."""
    return parse_access_token(read_payload(unproven, key=key), expected=expected, now=now)


def read_payload(unproven: UnprovenToken, *, key: VerificationKey) -> dict[str, object]:
    """What the key proves, or TokenError. The header's algorithm must be the key's own (S36)."""
    if unproven.alg != key.alg:
        raise TokenError(TokenErrorCode.WRONG_ALGORITHM, "alg must be the algorithm of the key that kid names")
    if not is_proven(key.check, signed=unproven.signed, signature=unproven.signature):
        raise TokenError(TokenErrorCode.BAD_SIGNATURE, "the signature does not prove this token")
    return parse_json_object(parse_base64url(unproven.payload, name="payload"), name="payload")


def verify_statement(
    statement: str,
    *,
    typ: str,
    find_key: Callable[[str], VerificationKey | None],
    algorithms: Set[str] = frozenset(KNOWN_ALGORITHMS),
) -> dict[str, object]:
    """The payload of any other signed statement of the issuer, of the type `typ` (in small letters), or TokenError.

    Its claims are *not* checked, only who signed them and as what; `find_key` gives the key by its id, or None.
    """
    unproven = parse_unproven(parse_shape(statement), algorithms=algorithms, types={typ})
    key = find_key(unproven.kid)
    if key is None:
        raise TokenError(TokenErrorCode.UNKNOWN_KEY, "kid names no key that the issuer publishes")
    return read_payload(unproven, key=key)


class PendingToken(NamedTuple):
    """A token that waits for the key named `kid`: never seen before, or proven a moment ago by that key."""

    kid: str
    text: str
    evidence: UnprovenToken | ProvenToken
    keys_version: int


class VerifierCore:
    """The two halves of a verification; between them the caller finds the key, in its own way of doing I/O.

    `cache_size` is how many verified tokens are remembered (0: none), each for `cache_age_s` at most. `standing` judges
    by the feed; without it a verified token stands until it expires. Safe between threads.
    Times: `now` is seconds since the epoch, `tick` of one monotonic clock.
    """

    def __init__(
        self,
        expected: Expectations,
        *,
        cache_size: int,
        cache_age_s: float = DEFAULT_CACHE_AGE_S,
        keys: KeyRing,
        standing: Standing | None = None,
    ) -> None:
        if cache_size < 0:
            raise ConfigurationError("token_cache_size must be 0 or more")
        if not cache_age_s > 0:
            raise ConfigurationError("token_cache_age_s must be above 0")
        self.expected = expected
        self._cache = TokenCache(cache_size)
        self._cache_age_s = cache_age_s
        self._keys = keys
        self.standing = standing
        self._headers: dict[bytes, tuple[str, str]] = {}

    def recall(self, token: str, now: float, tick: float) -> AccessToken | None:
        """The verified token, if it was remembered and *nothing* has happened since; None asks for the long way.

        Nothing means: it runs, the keys are what they were, no revocation of any kind came, the issuer called no token
        inactive, and the feed's knowledge is fresh.
        """
        try:
            proven = self._cache.young.get(token)
        except TypeError:  # no text at all, and not even hashable
            return None
        keys = self._keys
        if (
            proven is None
            or not proven.kept_at <= now < proven.ends_at
            or tick >= keys.quiet_until
            or proven.keys_version != keys.version
        ):
            return None
        standing = self.standing
        if standing is None:
            return proven.token
        known = standing.feed.revocations
        if (
            proven.known is not known
            or proven.answers_version != standing.answers.version
            or standing.feed.age_s() >= standing.policy.fresh_for_s
        ):
            return None
        return proven.token if proven.known_version == known.version else self._recheck(token, proven, known)

    def header_recall(self, *, clock: Callable[[], float], monotonic: Callable[[], float]) -> HeaderRecall:
        """`recall` for the headers of a request, by these clocks; it knows those that `keep_header` was told of."""
        return recall_by_headers(self._cache, self._keys, self.standing, clock=clock, monotonic=monotonic)

    def keep_header(self, header: bytes, token: str) -> None:
        """Remember that this header brought that token, which was just proven."""
        proven = self._cache.find(token)
        if proven is not None and (self.standing is None or proven.known is self.standing.feed.revocations):
            self._cache.keep_header(header, token)

    def begin(self, token: str) -> PendingToken:
        """What must be known before the key is: its id. TokenError for what no key could save.

        Nothing refused here ever causes a request to the issuer.
        """
        # Read before the key is looked for: keys that change meanwhile are noticed by the next who asks.
        keys_version = self._keys.version
        try:
            proven = self._cache.find(token)
        except TypeError:
            proven = None
        if proven is not None:
            return PendingToken(proven.key.kid, token, proven, keys_version)
        unproven = self._parse(token)
        return PendingToken(unproven.kid, token, unproven, keys_version)

    def finish(self, pending: PendingToken, *, key: VerificationKey, now: float) -> ProvenToken:
        """The verified token that nothing known refuses, or TokenError.

        A remembered token must still run and its key be unchanged: a withdrawn key withdraws it (S39).
        """
        try:
            return self._judge(pending, key=key, now=now)
        except TokenError:
            self._cache.forget(pending.text)
            raise

    def decide(self, proven: ProvenToken, sensitivity: Sensitivity, *, tick: float) -> Action:
        """What is left to do before the token may be believed; without a feed nothing is. See `Standing.decide`."""
        if self.standing is None:
            return Action.ACCEPT
        return self.standing.decide(proven.signed, sensitivity, tick=tick)

    def take_answer(self, proven: ProvenToken, is_active: object, *, asked_at: float, now: float) -> None:
        """Remember what the issuer answered about the token; TokenError where that is no. See `Standing`."""
        if self.standing is not None:
            ends_at = proven.signed.exp.timestamp() + self.expected.leeway_s
            self.standing.take_answer(proven.signed, is_active, asked_at=asked_at, ends_at=ends_at, now=now)

    def unanswered(self, error: Exception, *, tick: float) -> FeedUnavailable:
        """The error for the caller when the issuer could not be asked."""
        if self.standing is None:
            return FeedUnavailable(retry_after_s=1, reason="there is no feed")
        return self.standing.unanswered(error, tick=tick)

    def end_behind(self, proven: ProvenToken) -> None:
        """The question behind a request has ended; each ACCEPT_AND_INTROSPECT is followed by one call."""
        if self.standing is not None:
            self.standing.answers.end(proven.signed.jti)

    def require(
        self, token: AccessToken, *, acr: str | Collection[str], max_age_s: int | None, now: float
    ) -> AccessToken:
        """The token again, if its sign-in was strong and fresh enough; InsufficientAuthentication otherwise."""
        needed = parse_needed(acr=acr, max_age_s=max_age_s)
        if needed is None:
            raise ConfigurationError("acr or max_age_s must say what is needed")
        check_authentication(token, needed, now=now, leeway_s=self.expected.leeway_s)
        return token

    def _parse(self, token: str) -> UnprovenToken:
        expected = self.expected
        return parse_unproven(
            parse_shape(token),
            algorithms=expected.algorithms,
            types=TYPES[expected.typ],
            known_headers=self._headers,
        )

    def _recheck(self, text: str, proven: ProvenToken, known: Revocations) -> AccessToken | None:
        """The remembered token if what was revoked meanwhile is something else; None where it has to be looked at."""
        version = known.version
        if self.standing is not None:
            # In a forked child nobody follows yet, and its number is another: so it comes by here first.
            self.standing.feed.start()
        if known.refusal(proven.signed, proven.key.kid) is not None:
            return None
        token = known.overlay(proven.signed)
        self._cache.keep(text, proven._replace(token=token, known_version=version))
        return token

    def _judge(self, pending: PendingToken, *, key: VerificationKey, now: float) -> ProvenToken:
        evidence, kept_at = pending.evidence, now
        if isinstance(evidence, ProvenToken) and not evidence.kept_at <= now < evidence.ends_at:
            evidence = self._parse(pending.text)
        if isinstance(evidence, ProvenToken):
            if evidence.key.fingerprint != key.fingerprint:
                raise TokenError(TokenErrorCode.BAD_SIGNATURE, "the key that signed this token was replaced")
            signed, kept_at = evidence.signed, evidence.kept_at
        else:
            signed = verify_access_token(evidence, key=key, expected=self.expected, now=now)
            self._remember_header(evidence)
        proven = self._stand(pending, signed, key=key, kept_at=kept_at)
        self._cache.keep(pending.text, proven)
        return proven

    def _stand(
        self, pending: PendingToken, signed: AccessToken, *, key: VerificationKey, kept_at: float
    ) -> ProvenToken:
        ends_at = min(signed.exp.timestamp() + self.expected.leeway_s, kept_at + self._cache_age_s)
        standing = self.standing
        if standing is None:
            return ProvenToken(signed, signed, key, kept_at, ends_at, pending.keys_version, None, 0, 0)
        standing.feed.start()
        # The numbers first, then the question: what changes in between makes the answer old, never wrongly young.
        known = standing.feed.revocations
        known_version, answers_version = known.version, standing.answers.version
        if known.is_key_withdrawn(key.kid):
            self._keys.doubt(key.kid)
        token = standing.check(signed, key.kid, known=known)
        return ProvenToken(
            token, signed, key, kept_at, ends_at, pending.keys_version, known, known_version, answers_version
        )

    def _remember_header(self, proven: UnprovenToken) -> None:
        """Only of proven tokens: forged ones cannot fill it, and the issuer has few keys at a time."""
        if proven.head not in self._headers:
            if len(self._headers) >= MAX_KNOWN_HEADERS:
                self._headers = {}
            self._headers[proven.head] = (proven.alg, proven.kid)
