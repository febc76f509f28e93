"""Takes what waits in the spool to the server, again and again until the server has it.

What the server takes later only, or finds unreadable, is set aside: it is tried again while the others pass.
"""

import logging
import random
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

from ostiary.emitter_client import IntakeClient
from ostiary.emitter_refused import RefusedFile
from ostiary.emitter_rules import SLOW_PAUSE_S, Outcome, Verdict, batch_body, is_ahead, pause_s
from ostiary.spool import Spool
from ostiary.spool_losses import Losses
from ostiary.spool_segment import Lane, Segment

# How long what was set aside is left alone.
ASIDE_S = 60.0
# How often in a row the server may find a batch unreadable before others pass it.
MAX_UNREAD = 3
AHEAD = "the server finds the time of audit events in the future: this machine's clock seems to be ahead"

logger = logging.getLogger("ostiary")


@dataclass
class Progress:
    """A segment under way: what of it the server has not answered for good, in batches.

    `later` are events for another time. `unread` counts the answers that the batch is none; `sent_then` is what had
    been sent in all when the segment was set aside, None where it never was; `why` says why it is.
    """

    segment: Segment
    batches: deque[list[bytes]] = field(default_factory=deque)
    later: list[bytes] = field(default_factory=list)
    unread: int = 0
    sent_then: int | None = None
    why: str = ""


class Sender:
    """One step at a time: `step` sends one batch and says how long to wait. For one thread at a time."""

    def __init__(
        self, spool: Spool, client: IntakeClient, *, refused: RefusedFile, make_gap: Callable[[Losses], bytes]
    ) -> None:
        self._spool, self._client, self._refused, self._make_gap = spool, client, refused, make_gap
        self._progress: Progress | None = None
        self._aside: deque[Progress] = deque()
        self._aside_until = 0.0
        self._has_told_ahead = False
        self._failures = 0
        self._error = ""
        self.sent = 0

    @property
    def last_error(self) -> str:
        """Why events wait, or why some of them do; empty while all is well."""
        waiting = next(iter(self._aside), None)
        return self._error or (waiting.why if waiting else "")

    def step(self) -> float | None:
        """Sends one batch. Seconds to wait before the next, 0 after a success; None where nothing waits by now."""
        progress = self._progress or self._begin()
        if progress is None:
            return None
        batch = progress.batches[0]
        verdict = self._client.send(batch_body(batch), count=len(batch))
        pause = self._act(verdict, progress)
        if not progress.batches:
            self._end(progress)
        return pause

    def close(self) -> None:
        """Closes the connection."""
        self._client.close()

    def _begin(self) -> Progress | None:
        """The next segment, read; those of which nothing can be read are left behind."""
        while (progress := self._next()) is not None:
            if self._load(progress):
                break
            self._spool.settle(progress.segment)
        self._progress = progress
        return progress

    def _next(self) -> Progress | None:
        """What was set aside has one turn when its time has come, and the next one at once when that went well."""
        if self._aside and time.monotonic() >= self._aside_until:
            self._aside_until = time.monotonic() + ASIDE_S
            while self._aside:
                known = self._aside.popleft()
                if self._spool.take_again(known.segment):
                    return Progress(known.segment, sent_then=known.sent_then)
        segment = self._spool.take()
        return None if segment is None else Progress(segment)

    def _load(self, progress: Progress) -> bool:
        try:
            found = progress.segment.read()
        except OSError as error:
            # Its events are gone, and a spool that stood still for them would lose the others too.
            self._fail(f"spool: {error}")
            self._spool.losses.add(progress.segment.count)
            return False
        if progress.sent_then is None:
            self._spool.losses.add(found.damaged)
        progress.batches.append(found.payloads)
        return bool(found.payloads)

    def _end(self, progress: Progress) -> None:
        """Everything has its answer: the segment goes, or lets others pass."""
        self._progress = None
        if progress.later:
            if not self._aside:
                self._aside_until = time.monotonic() + ASIDE_S
            segment = self._spool.set_aside(progress.segment, progress.later)
            self._aside.append(Progress(segment, sent_then=self.sent, why=progress.why))
            return
        self._spool.settle(progress.segment)
        if progress.sent_then is not None:
            self._aside_until = 0

    def _act(self, verdict: Verdict, progress: Progress) -> float:
        batch = progress.batches[0]
        match verdict.outcome:
            case Outcome.STORED:
                progress.batches.popleft()
                self._succeed(len(batch))
                return 0
            case Outcome.TOO_LARGE:
                self._halve(verdict, progress)
                return 0
            case Outcome.SOME_REFUSED:
                progress.batches.popleft()
                return self._take_out(verdict, batch, progress)
            case Outcome.NO_BATCH:
                return self._pass_by(verdict, progress)
            case Outcome.NOT_LIKE_THIS | Outcome.TOKEN_REFUSED:
                return self._fail_slowly(verdict)
            case Outcome.NOT_NOW:
                self._fail(verdict.reason)
                return max(verdict.retry_after_s or 0, self._pause())

    def _halve(self, verdict: Verdict, progress: Progress) -> None:
        """Two batches of one; an event that is alone is refused for good."""
        batch = progress.batches.popleft()
        middle = len(batch) // 2
        if middle:
            progress.batches.extendleft([batch[middle:], batch[:middle]])
        else:
            self._refused.keep([(batch[0], verdict.reason)])

    def _take_out(self, verdict: Verdict, batch: list[bytes], progress: Progress) -> float:
        """The events that the server names: refused for good, or kept for the time when its clock reads theirs."""
        named = {refusal.index: refusal for refusal in verdict.refusals}
        at_fault = {index for index, each in named.items() if each.field == "at"}
        ahead = {index for index in at_fault if is_ahead(batch[index], of=verdict.server_at)}
        self._refused.keep([(batch[index], named[index].words) for index in sorted(named.keys() - ahead)])
        progress.later += [batch[index] for index in sorted(ahead)]
        rest = [payload for index, payload in enumerate(batch) if index not in named]
        if rest:
            progress.batches.appendleft(rest)
        if ahead:
            progress.why = AHEAD
            self._note_ahead()
        if rest or not ahead:
            return 0
        self._failures += 1
        return self._pause()

    def _pass_by(self, verdict: Verdict, progress: Progress) -> float:
        """A batch that the server cannot read: the others pass it, and if they arrive the fault is in this one.

        Where none arrives the fault is at the server or on the way, and costs no event.
        """
        if progress.sent_then is not None and self.sent > progress.sent_then:
            self._halve(verdict, progress)
            return 0
        progress.unread += 1
        if progress.unread >= MAX_UNREAD or progress.sent_then is not None:
            progress.later += [payload for batch in progress.batches for payload in batch]
            progress.batches.clear()
            progress.why = verdict.reason
        return self._fail_slowly(verdict)

    def _succeed(self, number: int) -> None:
        self.sent += number
        if self._error:
            logger.info("audit events reach the server again")
        self._failures = 0
        self._error = ""
        losses = self._spool.losses.untold
        if losses.count:
            # Into the spool first: a crash between the two tells the same gap twice, never not at all.
            self._spool.append(Lane.RAISED, [self._make_gap(losses)])
            self._spool.losses.forget(losses)

    def _note_ahead(self) -> None:
        """Logged once: such a clock says the same of every event."""
        if not self._has_told_ahead:
            self._has_told_ahead = True
            logger.warning("%s; they wait", AHEAD)

    def _fail_slowly(self, verdict: Verdict) -> float:
        self._fail(verdict.reason)
        return max(verdict.retry_after_s or 0, self._pause(), SLOW_PAUSE_S)

    def _fail(self, reason: str) -> None:
        self._failures += 1
        if reason != self._error:
            logger.warning("audit events wait for the server: %s", reason)
        self._error = reason

    def _pause(self) -> float:
        return pause_s(self._failures, chance=random.random())  # noqa: S311 - spreads attempts, guards nothing
