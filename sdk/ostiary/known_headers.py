"""The shortest way from a request's headers to its token, for guards that are asked at every request. No I/O."""

from collections.abc import Callable
from math import inf

from ostiary.failure_policy import FailurePolicy
from ostiary.feed_lease import Lease
from ostiary.introspected import Answers
from ostiary.keyring import KeyRing
from ostiary.revocations import Revocations
from ostiary.standing import Standing
from ostiary.token_cache import TAIL, KnownHeader, TokenCache

HeaderRecall = Callable[[object], KnownHeader | None]


def recall_by_headers(
    cache: TokenCache,
    keys: KeyRing,
    standing: Standing | None,
    *,
    clock: Callable[[], float],
    monotonic: Callable[[], float],
) -> HeaderRecall:
    """A function that finds the one Authorization header among ASGI's and gives what it brought a moment ago.

    Only if all that `VerifierCore.recall` asks holds. None says nothing about the request: ask the long way, which has
    the words. What it asks of the feed, the keys and the issuer's answers are numbers that stand in one place each, and
    all names are its own: every step here is one of each request.
    """
    lease, revocations, answers, fresh_for_s = _asked(standing, monotonic)

    def recall(headers: object) -> KnownHeader | None:
        value = None
        for name, said in headers if isinstance(headers, list) else ():
            if len(name) == 13 and name.lower() == b"authorization":
                if value is not None:
                    return None
                value = said
        found = cache.headers.get(value[TAIL]) if value is not None else None
        if found is None:
            return None
        _, header, kept_at, ends_at, versions = found
        tick = monotonic()
        if (
            header == value
            and versions == keys.version + revocations.version + answers.version
            and tick < keys.quiet_until
            and tick - lease.vouched_at < fresh_for_s
            and kept_at <= clock() < ends_at
        ):
            return found
        return None

    return recall


def _asked(standing: Standing | None, monotonic: Callable[[], float]) -> tuple[Lease, Revocations, Answers, float]:
    """What the feed tells; without one it is for ever vouched for that nothing is revoked."""
    if standing is not None:
        feed = standing.feed
        return feed.lease_by(monotonic), feed.revocations, standing.answers, standing.policy.fresh_for_s
    lease, policy = Lease(), FailurePolicy()
    lease.vouched_at = inf
    return lease, Revocations(), Answers(policy), policy.fresh_for_s
