"""Takes what waits in the spool to the server, again and again until the server has it."""

import logging
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ostiary.emitter_client import IntakeClient
from ostiary.emitter_refused import RefusedFile
from ostiary.emitter_rules import SLOW_PAUSE_S, Outcome, Verdict, batch_body, pause_s
from ostiary.spool import Spool
from ostiary.spool_losses import Losses
from ostiary.spool_segment import Lane, Segment

logger = logging.getLogger("ostiary")


@dataclass
class Progress:
    """A segment under way: what of it the server has not answered for good, in batches."""

    segment: Segment
    batches: deque[list[bytes]] = field(default_factory=deque)


class Sender:
    """One step at a time: `step` sends one batch and says how long to wait. For one thread at a time."""

    def __init__(
        self, spool: Spool, client: IntakeClient, *, refused: RefusedFile, make_gap: Callable[[Losses], bytes]
    ) -> None:
        self._spool, self._client, self._refused, self._make_gap = spool, client, refused, make_gap
        self._progress: Progress | None = None
        self._failures = 0
        self.sent = 0
        self.last_error = ""

    def step(self) -> float | None:
        """Sends one batch. Seconds to wait before the next, 0 after a success; None where nothing waits."""
        progress = self._progress or self._begin()
        if progress is None:
            return None
        batch = progress.batches[0]
        verdict = self._client.send(batch_body(batch), count=len(batch))
        pause = self._act(verdict, progress)
        if not progress.batches:
            self._spool.settle(progress.segment)
            self._progress = None
        return pause

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _begin(self) -> Progress | None:
        segment = self._spool.take()
        if segment is None:
            return None
        try:
            found = segment.read()
        except OSError as error:
            # Its events are gone, and a spool that stood still for them would lose the others too.
            self._fail(f"spool: {error}")
            self._spool.losses.add(segment.count)
            self._spool.settle(segment)
            return self._begin()
        self._spool.losses.add(found.damaged)
        if not found.payloads:
            self._spool.settle(segment)
            return self._begin()
        self._progress = Progress(segment, deque([found.payloads]))
        return self._progress

    def _act(self, verdict: Verdict, progress: Progress) -> float:
        batch = progress.batches[0]
        match verdict.outcome:
            case Outcome.STORED:
                progress.batches.popleft()
                self._succeed(len(batch))
                return 0
            case Outcome.TOO_LARGE if len(batch) > 1:
                middle = len(batch) // 2
                progress.batches.popleft()
                progress.batches.extendleft([batch[middle:], batch[:middle]])
                return 0
            case Outcome.TOO_LARGE:
                progress.batches.popleft()
                self._refused.keep([(batch[0], verdict.reason)])
                return 0
            case Outcome.SOME_REFUSED:
                progress.batches.popleft()
                self._take_out(verdict, batch, progress)
                return 0
            case Outcome.NOT_LIKE_THIS | Outcome.TOKEN_REFUSED:
                self._fail(verdict.reason)
                return max(verdict.retry_after_s or 0, self._pause(), SLOW_PAUSE_S)
            case Outcome.NOT_NOW:
                self._fail(verdict.reason)
                return max(verdict.retry_after_s or 0, self._pause())

    def _take_out(self, verdict: Verdict, batch: list[bytes], progress: Progress) -> None:
        words = {refusal.index: refusal.words for refusal in verdict.refusals}
        self._refused.keep([(batch[index], words[index]) for index in sorted(words)])
        rest = [payload for index, payload in enumerate(batch) if index not in words]
        if rest:
            progress.batches.appendleft(rest)

    def _succeed(self, number: int) -> None:
        self.sent += number
        if self._failures:
            logger.info("audit events reach the server again")
        self._failures = 0
        self.last_error = ""
        losses = self._spool.losses.untold
        if losses.count:
            # Into the spool first: a crash between the two tells the same gap twice, never not at all.
            self._spool.append(Lane.RAISED, [self._make_gap(losses)])
            self._spool.losses.forget(losses)

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if reason != self.last_error:
            logger.warning("audit events wait for the server: %s", reason)
        self.last_error = reason

    def _pause(self) -> float:
        return pause_s(self._failures, chance=random.random())  # noqa: S311 - spreads attempts, guards nothing
