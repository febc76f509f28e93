"""Telling the server what is in force here: soon, not more often than it is worth, and without harm when it fails."""

import asyncio
import logging

from ostiary.feed_http import FeedClient

EVERY_S = 0.1
PAUSE_AFTER_FAILURE_S = 2.0

logger = logging.getLogger("ostiary")


class Acknowledger:
    """Sends the newest number only; for one event loop."""

    def __init__(self, client: FeedClient) -> None:
        self._client = client
        self._noted: tuple[str, int] | None = None
        self._is_due = asyncio.Event()
        self.acknowledged: tuple[str, int] | None = None
        self.failures = 0

    def note(self, epoch: str, seq: int, *, is_new_connection: bool) -> None:
        """Everything up to this number is in force; it is told where that is news, or the server may not know it."""
        if (epoch, seq) != self._noted or is_new_connection:
            self._noted = (epoch, seq)
            self._is_due.set()

    async def send_forever(self) -> None:
        """Sends what is noted, ten times a second at most; a failure is tried again with what is noted by then."""
        while True:
            await self._is_due.wait()
            self._is_due.clear()
            pause_s = EVERY_S
            if self._noted is not None and not await self._send(*self._noted):
                self._is_due.set()
                pause_s = PAUSE_AFTER_FAILURE_S
            await asyncio.sleep(pause_s)

    async def _send(self, epoch: str, seq: int) -> bool:
        try:
            await self._client.acknowledge(epoch, seq)
        except Exception as error:  # noqa: BLE001 - nothing that happens here may harm the feed
            self.failures += 1
            logger.debug("the feed's acknowledgement failed: %s", type(error).__name__)
            return False
        self.acknowledged = (epoch, seq)
        return True
