"""What the issuer's keys prove of its feed: heads, and which keys those are."""

import asyncio
import logging
import math
from collections.abc import Callable, Collection

import httpx2

from ostiary.compact import parse_shape, parse_unproven
from ostiary.errors import KeyFetchError, TokenError
from ostiary.feed_lines import HEAD_TYPE, FeedHead, FeedRefused, parse_head
from ostiary.fetch import Route, fetch_keys
from ostiary.jwk import VerificationKey
from ostiary.signatures import is_proven
from ostiary.strict import parse_base64url, parse_json_object
from ostiary.values import KNOWN_ALGORITHMS

ALGORITHMS = frozenset(KNOWN_ALGORITHMS)
TYPES = frozenset({HEAD_TYPE})
# The least time between two refreshes that unknown key ids cause, and the most that keys are believed without one.
ASK_EVERY_S = 1.0
BELIEVED_S = 300.0

logger = logging.getLogger("ostiary")


class FeedKeys:
    """The issuer's published keys, for its feed alone; for one event loop."""

    def __init__(
        self,
        route: Route,
        *,
        transport: httpx2.AsyncBaseTransport | None,
        monotonic: Callable[[], float],
    ) -> None:
        self._route, self._transport = route, transport
        self._monotonic = monotonic
        self._keys: dict[str, VerificationKey] = {}
        self._asked_at = -math.inf
        self._refreshing: asyncio.Task[None] | None = None

    async def prepare(self) -> None:
        """Has keys before the first head comes; FeedRefused where they cannot be had."""
        if not self._keys:
            await self._refresh()

    async def verify_head(self, text: bytes, *, doubted: Collection[str] = ()) -> FeedHead:
        """The head that one of the keys proves; FeedRefused otherwise. An unknown key causes one refresh.

        So does one that is `doubted`: it counts only if the issuer publishes it still. Whether the feed has withdrawn
        the key is not asked here: `FeedLog` does.
        """
        try:
            unproven = parse_unproven(parse_shape(text.decode("ascii", "replace")), algorithms=ALGORITHMS, types=TYPES)
            key = await self._load(unproven.kid, is_doubted=unproven.kid in doubted)
            if key.alg != unproven.alg or not is_proven(
                key.check, signed=unproven.signed, signature=unproven.signature
            ):
                raise FeedRefused("a head is not proven by the key that it names")
            claims = parse_json_object(parse_base64url(unproven.payload, name="payload"), name="payload")
        except TokenError as error:
            raise FeedRefused(f"a head is none: {error.description}") from None
        return parse_head(claims, issuer=self._route.address.issuer, kid=unproven.kid)

    async def _load(self, kid: str, *, is_doubted: bool) -> VerificationKey:
        age_s = self._monotonic() - self._asked_at
        if is_doubted:
            # The issuer itself, asked after the doubt came: a key that it has withdrawn is gone from there.
            await self._refresh(must_succeed=True)
        elif kid not in self._keys and age_s >= ASK_EVERY_S:
            await self._refresh()
        elif age_s >= BELIEVED_S:
            # Beside the stream: heads that wait for keys would make the lease old.
            self._asked_at = self._monotonic()
            self._refreshing = asyncio.create_task(self._refresh())
        key = self._keys.get(kid)
        if key is None:
            raise FeedRefused("a head must be signed by a key that the issuer publishes")
        return key

    async def _refresh(self, *, must_succeed: bool = False) -> None:
        self._asked_at = self._monotonic()
        try:
            published = await fetch_keys(self._route, transport=self._transport)
        except Exception as error:  # transports and proxy settings raise what they like
            reason = str(error) if isinstance(error, KeyFetchError) else type(error).__name__
            if must_succeed or not self._keys:
                raise FeedRefused(f"the issuer's keys cannot be had: {reason}") from error
            logger.warning("the issuer's keys cannot be read again: %s", reason)
            return
        self._keys = dict(published.keys.usable)
