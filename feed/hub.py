"""The feed in one server process: reads the table twenty times a second, and tells everybody who waits for it.

Redis or notifications could wake a process a little sooner and would be one more thing that can fall silent; the
table is the truth, and asking it costs a process some thousandths of a core (decision 0016).
"""

import asyncio
import os
import time
from collections import deque
from collections.abc import Callable, Sequence

from base.clock import Clock
from base.database import Database
from base.errors import StorageUnavailable
from base.sequencer import Sequencer
from feed.looks import Looks
from feed.reading import PAGE, GoneFromLog, find_position, read_lines
from feed.wire import Position, Reading, head_claims

READ_S = 0.05
HEARTBEAT_S = 1.0
# Lines that a follower may be behind and is still served from memory; who is further behind reads the table.
KEPT_LINES = 2 * PAGE

SignHead = Callable[[dict[str, object]], str]


class FeedHub:
    """What one process knows of the feed. `round` is called every `READ_S` by one task; others may wait and ask."""

    def __init__(
        self,
        database: Database,
        sequencer: Sequencer,
        *,
        issuer: str,
        sign: SignHead,
        clock: Clock,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self.database = database
        self.issuer = issuer
        self.is_closed = False
        self._sequencer = sequencer
        self._sign = sign
        self._clock = clock
        self._monotonic = monotonic
        self._boot = os.urandom(8).hex()
        self._reading: Reading | None = None
        self._lines: deque[bytes] = deque(maxlen=KEPT_LINES)
        self._head = ""
        self._told_at = -HEARTBEAT_S
        self._looks = Looks()
        # How many readings have begun, and the newest of them whose entries have all been told.
        self._begun = self._whole = 0
        self._changed = asyncio.Event()
        self._turn = asyncio.Lock()

    @property
    def head(self) -> str:
        """What was told last, signed; empty before the first time."""
        return self._head

    @property
    def position(self) -> Position:
        """The place of `head` in the log. Raises LookupError before the first reading."""
        if self._reading is None:
            raise LookupError("the feed was not read yet")
        return self._reading.position

    @property
    def known_seq(self) -> int:
        """The newest number that this process knows; 0 before the first reading."""
        return self._reading.position.seq if self._reading else 0

    @property
    def age_s(self) -> float:
        """How long ago the log was as it is told; 0 before the first reading."""
        return max(0.0, self._monotonic() - self._reading.up_ms / 1000) if self._reading else 0.0

    async def round(self) -> None:
        """Numbers what waits, reads what is new and tells it; once a second it tells that there is nothing new."""
        async with self._turn:
            await self._take_turn()

    async def _take_turn(self) -> None:
        known, now = self._reading.position if self._reading else None, self._monotonic()
        self._reading = reading = await self._read()
        is_due = now - self._told_at >= HEARTBEAT_S and not self._looks.is_held_up(now)
        if reading.position != known or is_due:
            self._told_at = now
            self._head = self.sign_head()
            self._wake()

    async def read_now(self) -> Position:
        """Where the log stands, with all that was committed before this call: a follower may know more than we do.

        Raises StorageUnavailable while entries wait too long for their number: a head would say that there are none.
        """
        begun = self._begun
        # Thousands may ask at once, when a process starts or an entry comes: one reading answers all who waited for
        # it. With more than a page of news it takes several, and some more where another process numbers.
        while self._whole <= begun:
            async with self._turn:
                if self._whole <= begun:
                    await self._take_turn()
            if self._looks.is_held_up(self._monotonic()):
                raise StorageUnavailable("entries of the feed wait for their number")
            if self._whole <= begun and self._looks.is_waiting:
                await asyncio.sleep(READ_S / 2)
        return self.position

    async def _read(self) -> Reading:
        self._begun += 1
        number, began, at = self._begun, self._monotonic(), self._clock()
        position, waits = await find_position(self.database, self.issuer)
        if waits:
            await self._sequencer.round()
            position, waits = await find_position(self.database, self.issuer)
        before = self._reading
        if before is not None and before.position.epoch != position.epoch:
            self._looks.forget()
        self._looks.note(number, began, seq=position.seq, waits=waits)
        if before is None or before.position.epoch != position.epoch or before.position.seq > position.seq:
            self._lines.clear()
        elif before.position.seq < position.seq:
            taken = await self._take_new(before.position) or position
            if taken.seq < position.seq:
                # There is more than one page of news: what was read is the log of then, and not of now.
                return Reading(taken, before.at, before.up_ms)
            position = taken
        # An entry that waits for its number may have been acknowledged: the log is told as of before it came.
        self._whole = self._looks.whole.number
        return Reading(position, at, int(self._looks.whole.began * 1000))

    async def _take_new(self, known: Position) -> Position | None:
        """The place behind the next page of lines; None where the log does not go on from what was known."""
        async with self.database.reading() as db:
            try:
                lines, position = await read_lines(db, self.issuer, epoch=known.epoch, after=known.seq)
            except GoneFromLog:
                # Set back meanwhile, or this process slept until what it knew was cleared away: whoever it serves
                # from memory must ask the table, which sends them to the snapshot.
                self._lines.clear()
                return None
        self._lines.extend(lines)
        return position

    def sign_head(self, position: Position | None = None, **more: object) -> str:
        """A head of the last reading, about its last place or an earlier one; `more` joins the claims."""
        if self._reading is None:
            raise LookupError("the feed was not read yet")
        claims = head_claims(self._reading, position or self.position, issuer=self.issuer, boot=self._boot)
        return self._sign({**claims, **more})

    def lines_after(self, seq: int) -> Sequence[bytes] | None:
        """The lines after a number; None where they are not in memory and the table must be asked."""
        missing = self.position.seq - seq
        if not 0 <= missing <= len(self._lines):
            return None
        return [self._lines[place] for place in range(len(self._lines) - missing, len(self._lines))]

    def next_word(self) -> asyncio.Event:
        """Set when something is told next, or the hub closes."""
        return self._changed

    def end_streams(self) -> None:
        """Ends every stream, so that a process which is to stop need not wait for them."""
        self.is_closed = True
        self._wake()

    async def close(self) -> None:
        """Ends every stream, and lets another process number at once."""
        self.end_streams()
        await self._sequencer.lease.give_back(self._clock())

    def _wake(self) -> None:
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()
