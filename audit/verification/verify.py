"""Verifies the whole log from its database (S45), in batches, with flat memory.

What lies outside is believed first: checkpoints from files. Then the tree's stored hashes must give their roots, the
events' bodies must give those hashes, and all that stands beside a body must say what the body says.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterable, Mapping, Sequence
from contextlib import aclosing
from pathlib import Path

from audit.ledger.merkle import leaf_hash
from audit.ledger.tiles import WIDTH
from audit.removal.journal import read_journal
from audit.services import AuditServices
from audit.verification.extent import check_extent
from audit.verification.held import Held, files_of, read_held
from audit.verification.reading import (
    BATCH,
    Batch,
    load_batch,
    load_keys,
    load_late_witnesses,
    load_segments,
    load_unnumbered,
    snapshot,
)
from audit.verification.removed import check_removed
from audit.verification.roots import RootCheck, StoredNote
from audit.verification.row_checks import StoredRow
from audit.verification.rows import RowCheck
from audit.verification.tail import Span, check_marks, check_span, find_moment, load_marks, load_uncovered
from audit.verification.tree import InnerCheck, TreeCheck
from audit.verification.values import Findings, LogVerdict, Progress
from audit.verification.witnesses import Extent, load_extent, load_next
from base.clock import to_micros
from base.database import Database
from base.ids import PERSON, show_id

_NONE = bytes(32)


async def verify_log(
    audit: AuditServices, *, checkpoints: Iterable[Path] = (), told: Progress | None = None
) -> LogVerdict:
    """The verdict over everything that is numbered now, and over the events that wait for their number.

    `checkpoints` are files beside those that the settings name. Raises OSError where one cannot be read, and
    StorageUnavailable.
    """
    settings = audit.settings
    given = list(checkpoints)
    async with snapshot(audit.database) as db:
        marks = await load_marks(db)
    # Before the log is looked at: whatever is signed later must not seem to be of events that were cut off.
    kept = files_of(settings.checkpoint_file, settings.checkpoint_dir)
    held, findings = read_held(given, vkey=audit.key.vkey, origin=audit.key.name, kept=kept)
    check_marks(marks.sizes, held, settings, given, findings)
    async with snapshot(audit.database) as db:
        extent = await load_extent(db)
    check_extent(extent, held, findings)
    work = _Work(audit, held, findings, extent.size)
    async with aclosing(_batches(audit.database, extent.size)) as batches:
        async for batch in batches:
            # In a thread: a server that verifies goes on answering.
            await asyncio.to_thread(work.take, batch)
            if told is not None:
                told(batch.end, extent.size)
    await work.take_unnumbered()
    await work.check_destructions(extent)
    await work.check_tail(extent, held, marks.waiting)
    work.roots.finish()
    return work.verdict(extent, held)


async def _batches(database: Database, size: int) -> AsyncGenerator[Batch]:
    """Each batch; the next one is read while the caller is at work on this one."""

    async def load(begin: int) -> Batch:
        async with snapshot(database) as db:
            return await load_batch(db, begin, min(begin + BATCH, size))

    reading: asyncio.Task[Batch] | None = None
    try:
        for begin in range(0, size, BATCH):
            batch = await (reading or load(begin))
            following = begin + BATCH
            reading = asyncio.create_task(load(following)) if following < size else None
            yield batch
    finally:
        if reading is not None:
            reading.cancel()
            await asyncio.gather(reading, return_exceptions=True)


class _Work:
    """One verification under way."""

    def __init__(self, audit: AuditServices, held: Held, findings: Findings, size: int) -> None:
        self._audit = audit
        self._findings = findings
        self._tree = TreeCheck()
        self._inner = InnerCheck(findings)
        self._rows = RowCheck(
            audit.sealer, lambda person: audit.emitter.index("person", person.hex()), findings, size=size
        )
        self.roots = RootCheck(held, findings, vkey=audit.key.vkey, origin=audit.key.name)
        self._present = self._pruned = 0
        self._last_gone = -1
        self._rows.after.journal = self._read_journal()
        self._uncovered = self._waiting = Span()

    def take(self, batch: Batch) -> None:
        """Checks the next events."""
        by_number = self._by_number(batch.rows)
        wanted = self.roots.sizes(batch.begin or -1, batch.end, batch.checkpoints)
        if 0 in wanted:
            self.roots.compare(self._tree, wanted[0])
        for begin in range(batch.begin, batch.end, WIDTH):
            self._take_row(batch, by_number, wanted, range(begin, min(begin + WIDTH, batch.end)))

    def _take_row(
        self,
        batch: Batch,
        by_number: Mapping[int, StoredRow],
        wanted: Mapping[int, StoredNote | None],
        numbers: range,
    ) -> None:
        """A row of the ledger: 256 hashes, fewer at the log's end."""
        stored, made = [], []
        for number in numbers:
            kept = batch.inner(0, number)
            computed = self._check_event(batch, number, by_number.get(number), kept)
            self._tree.push(kept, computed)
            stored.append(kept or computed or _NONE)
            made.append(computed or kept or _NONE)
            if number + 1 in wanted:
                self.roots.compare(self._tree, wanted[number + 1])
        if len(numbers) == WIDTH:
            self._inner.add_row(numbers.start // WIDTH, stored, made, batch.inner)

    def _check_event(self, batch: Batch, number: int, row: StoredRow | None, kept: bytes | None) -> bytes | None:
        """The hash of the event's body, None where it has no row."""
        if kept is None:
            self._findings.add(f"event {number}: its hash is missing in the ledger", number)
        if row is None:
            if batch.is_pruned(number):
                self._pruned += 1
                self._last_gone = number
            else:
                self._findings.add(f"event {number} is missing: its row is gone, and no clean-up removed it", number)
            return None
        self._present += 1
        computed = leaf_hash(row.body)
        if computed == kept:
            self._rows.check(row, batch.keys, computed)
        elif kept is not None:
            other = batch.find_leaf(computed)
            why = "one of the two was changed" if other is None else f"it is the body of event {other}"
            self._findings.add(f"event {number}: its body does not give its hash in the ledger: {why}", number)
        return computed

    def _by_number(self, rows: Sequence[StoredRow]) -> dict[int, StoredRow]:
        found: dict[int, StoredRow] = {}
        for row in rows:
            if isinstance(row.seq, int) and found.setdefault(row.seq, row) is not row:
                self._findings.add(f"event {row.seq}: two rows have this number", row.seq)
        return found

    async def take_unnumbered(self) -> None:
        """Checks the events that are in no tree yet against their own bodies."""
        after: tuple[int, bytes] | None = None
        while True:
            async with snapshot(self._audit.database) as db:
                rows = await load_unnumbered(db, after)
                keys = await load_keys(db, rows)
            for row in rows:
                self._rows.check(row, keys, leaf_hash(row.body))
            if len(rows) < BATCH:
                return
            after = (rows[-1].at, rows[-1].id)

    async def check_destructions(self, extent: Extent) -> None:
        """Whatever was removed or made unreadable must be told of by an event, or by the journal of erasures."""
        async with snapshot(self._audit.database) as db:
            late = await load_late_witnesses(db, extent.size)
            keys = await load_keys(db, late)
            following = await load_next(db)
            size = following if isinstance(following, int) else extent.size
            removed = await load_segments(db, 0, size, limit=size // WIDTH + 1)
        self._rows.listen(late, keys, size=size)
        told, after = self._rows.told, self._rows.after
        check_removed(removed, told=told.removed, gone=self._last_gone, findings=self._findings)
        # Read again: somebody may have been erased meanwhile.
        journal = self._read_journal()
        after.finish(journal, self._findings)
        for subject in told.unreadable.keys() - after.erased.keys() - journal.keys():
            number = told.unreadable[subject]
            words = f"the key of {show_id(PERSON, subject)} is destroyed, but no event tells of an erasure"
            self._findings.add(words if number is None else f"event {number}: {words}", number)

    def _read_journal(self) -> dict[bytes, int]:
        """When people were erased, by the journal."""
        erasures = read_journal(self._audit.settings.erasure_journal).erasures
        return {each.subject_id: to_micros(each.at) for each in erasures}

    async def check_tail(self, extent: Extent, held: Held, waiting: Span) -> None:
        """Whether more lies behind the last checkpoint than a working server leaves there."""
        # Where nothing from outside was read there is the database's own word alone, and the verdict says so.
        covered = self.roots.covered if held.read else self.roots.stored_fit
        async with snapshot(self._audit.database) as db:
            self._uncovered, self._waiting = await load_uncovered(db, covered, extent.size), waiting
        check_span((self._uncovered, waiting), self._audit.settings.checkpoint_every, self._findings)

    def verdict(self, extent: Extent, held: Held) -> LogVerdict:
        """What is to be said at the end."""
        return LogVerdict(
            size=extent.size,
            present=self._present,
            pruned=self._pruned,
            erased=self._rows.erased,
            unnumbered=extent.unnumbered,
            checkpoints=self.roots.stored,
            outside=held.read,
            covered=self.roots.covered,
            key=self._audit.key.vkey,
            findings=tuple(self._findings.first_ones()),
            count=self._findings.count,
            uncovered_since=find_moment(self._uncovered.since),
            unnumbered_since=find_moment(self._waiting.since),
        )
