"""WebSockets and streamed responses end soon after their token stops holding: revoked, expired, or out of sight.

A request is judged once, at its beginning; what stays open must be judged again. One task looks after all connections
of a guard, a few times a second, and only while there are any (asyncio).
"""

import asyncio
import time
from collections.abc import Callable, Sequence

from ostiary.errors import TokenError, Unavailable
from ostiary.exchange import EndCode, OpenConnection
from ostiary.failure_policy import FailurePolicy
from ostiary.feed_lease import LeaseState
from ostiary.feed_source import FeedSource
from ostiary.revocations import Revocations
from ostiary.strict import parse_base64url, parse_json_object
from ostiary.verifier import Verifier

# How long what is known here may go unnoticed, and how often every token is proven anew while the feed is late.
TICK_S = 0.2
PROOF_EVERY_S = 5.0

_AT_ONCE = 500
_PROOFS_AT_ONCE = 16


class Watch:
    """Ends open connections whose token no longer holds, within a fraction of a second.

    Without a feed only expiry counts. `leeway_s` forgives expiry as the verifier does. While the feed is late, tokens
    are proven anew by the verifier, whose failure policy says which routes may go on.
    """

    def __init__(
        self,
        verifier: Verifier,
        feed: FeedSource | None,
        *,
        policy: FailurePolicy,
        leeway_s: float = 0,
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._verifier = verifier
        self._feed = feed
        self._policy = policy
        self._leeway_s = leeway_s
        self._clock = clock
        self._monotonic = monotonic
        self._open: set[OpenConnection] = set()
        self._rounds: asyncio.Task[None] | None = None
        self._proofs: asyncio.Task[None] | None = None
        self._seen: tuple[Revocations, int] | None = None
        self._state = LeaseState.FRESH
        self._proven_at = 0.0

    def __len__(self) -> int:
        return len(self._open)

    def take(self, connection: OpenConnection) -> None:
        """Look after a connection from now on."""
        connection.kid = _kid_of(connection.raw)
        self._open.add(connection)
        # What was revoked since the token was proven may have been seen in a round already.
        if self._feed is not None and self._feed.revocations.refusal(connection.token, connection.kid) is not None:
            connection.end(EndCode.TOKEN_REFUSED)
        if self._rounds is None or self._rounds.done() or self._rounds.get_loop() is not asyncio.get_running_loop():
            self._rounds = asyncio.create_task(self._go_round(), name="ostiary watch")

    def leave(self, connection: OpenConnection) -> None:
        """Forget a connection that is over."""
        self._open.discard(connection)

    async def _go_round(self) -> None:
        while self._open:
            await asyncio.sleep(TICK_S)
            await self._round()

    async def _round(self) -> None:
        known = self._news()
        now = self._clock() - self._leeway_s
        for some in _in_parts(list(self._open), _AT_ONCE):
            for connection in some:
                is_refused = known is not None and known.refusal(connection.token, connection.kid) is not None
                if is_refused or connection.token.exp.timestamp() <= now:
                    connection.end(EndCode.TOKEN_REFUSED)
            await asyncio.sleep(0)
        self._begin_proofs()

    def _news(self) -> Revocations | None:
        """What is revoked, if that has changed since the last round."""
        if self._feed is None:
            return None
        # The number is read before the questions: what changes meanwhile is for the next round.
        known = self._feed.revocations
        version = known.version
        if self._seen is not None and self._seen[0] is known and self._seen[1] == version:
            return None
        self._seen = (known, version)
        return known

    def _begin_proofs(self) -> None:
        """Prove all tokens anew when the feed got later, and again every few seconds until it is fresh."""
        if self._feed is None:
            return
        before, self._state, now = self._state, self._policy.state(self._feed.age_s()), self._monotonic()
        if self._state is LeaseState.FRESH or (self._proofs is not None and not self._proofs.done()):
            return
        if self._state is not before or now >= self._proven_at + PROOF_EVERY_S:
            self._proven_at = now
            self._proofs = asyncio.create_task(self._prove_all(), name="ostiary watch proofs")

    async def _prove_all(self) -> None:
        for some in _in_parts([each for each in self._open if each.ended is None], _PROOFS_AT_ONCE):
            await asyncio.gather(*(self._prove(connection) for connection in some))
            await asyncio.sleep(0)

    async def _prove(self, connection: OpenConnection) -> None:
        try:
            await self._verifier.verify(connection.raw, sensitivity=connection.sensitivity)
        except TokenError:
            connection.end(EndCode.TOKEN_REFUSED)
        except Unavailable:
            connection.end(EndCode.TRY_AGAIN_LATER)


def watch_of(verifier: Verifier) -> Watch:
    """A watch by the verifier's own feed and rules."""
    return Watch(verifier, verifier.feed, policy=verifier.failure_policy, leeway_s=verifier.leeway_s)


def _in_parts(whole: Sequence[OpenConnection], size: int) -> list[Sequence[OpenConnection]]:
    return [whole[start : start + size] for start in range(0, len(whole), size)]


def _kid_of(raw: str) -> str:
    """The key that proved the token; its header was checked when it was proven."""
    header = parse_json_object(parse_base64url(raw.partition(".")[0].encode(), name="header"), name="header")
    return str(header["kid"])
