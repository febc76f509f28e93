"""Verifies a log bundle with nothing but the bundle, a checkpoint and a key: no database, no secret, no network (S45).

Imports no database, so that an outsider can run and read just this.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import msgspec

from audit.bundle.form import BundleEvent, BundleReader, BundleRefused, Header, parse_hash
from audit.ledger.merkle import cover, leaf_hash, verify_consistency
from audit.ledger.notes import Checkpoint, NoteRefused
from audit.verification.held import Held, checked, read_held
from audit.verification.row_checks import PERSON_INDEX, Body, Opened, differing_fields, parse_body
from audit.verification.tree import WIDTH, TreeCheck
from audit.verification.values import Finding, Findings, Progress

_TOLD_EVERY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleVerdict:
    """The verdict over a bundle: `count` events from `first` on, in the log `origin` of `size` events.

    `key` verified the checkpoints; unless `key_given`, it is the bundle's own word. `confirmed` are the sizes of the
    checkpoints from outside that the bundle fits, `unproven` those that it holds no proof for.
    """

    origin: str
    key: str
    key_given: bool
    first: int
    count: int
    size: int
    hashes_only: int
    opened: int
    erased: int
    confirmed: tuple[int, ...]
    unproven: tuple[int, ...]
    findings: tuple[Finding, ...]
    finding_count: int

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.finding_count == 0

    @property
    def last(self) -> int:
        """The number of the last event."""
        return self.first + self.count - 1


def verify_bundle(
    file: BinaryIO, *, checkpoints: Iterable[Path] = (), vkey: str | None = None, told: Progress | None = None
) -> BundleVerdict:
    """The verdict over a bundle; `file` can seek. Raises BundleRefused where it is none, OSError for a file.

    `checkpoints` are files with one or more checkpoints that were not handed over with the bundle. Without `vkey` the
    key is the one that the bundle names.
    """
    reader = BundleReader(file)
    key = reader.header.key if vkey is None else vkey
    try:
        own = checked(reader.header.checkpoint, vkey=key, origin=reader.header.origin)
    except NoteRefused as refused:
        raise BundleRefused(f"the bundle's own checkpoint: {refused}") from None
    held, findings = read_held(checkpoints, vkey=key, origin=own.origin)
    work = _Work(reader.header, own, held, findings)
    for done, event in enumerate(_placed(reader, findings), 1):
        work.take(event)
        if told is not None and (done % _TOLD_EVERY == 0 or done == reader.header.count):
            told(done, reader.header.count)
    work.finish()
    return work.verdict(key=key, key_given=vkey is not None)


def _placed(reader: BundleReader, findings: Findings) -> Iterator[BundleEvent]:
    """The events up to the first that is not where it belongs, which is a finding."""
    expected = reader.header.first
    try:
        for event in reader.events():
            yield event
            expected += 1
    except BundleRefused as refused:
        findings.add(str(refused), expected)


class _Work:
    """One verification under way."""

    def __init__(self, header: Header, own: Checkpoint, held: Held, findings: Findings) -> None:
        self._header, self._own, self._held, self._findings = header, own, held, findings
        end = header.first + header.count
        if end > own.size:
            raise BundleRefused(f"the bundle goes up to event {end - 1}, its checkpoint is of {own.size} events")
        left = [parse_hash(each, "each hash on the left") for each in header.left]
        if len(left) != len(cover(0, header.first)):
            raise BundleRefused(f"expected {len(cover(0, header.first))} hashes on the left, found {len(left)}")
        self._tree = TreeCheck(header.first, left)
        self._confirmed: list[int] = []
        self._unproven: list[int] = []
        self._fits_until = 0
        self._hashes_only = self._opened = self._erased = 0
        self._has_body = False
        self._compare()

    def take(self, event: BundleEvent) -> None:
        """Checks one event, and puts its hash into the tree."""
        kept = computed = None
        try:
            kept = parse_hash(event.hash, "the hash")
        except BundleRefused as refused:
            self._findings.add(f"event {event.seq}: {refused}", event.seq)
        if event.body is not None:
            computed = leaf_hash(event.body.encode())
            if kept not in (None, computed):
                self._findings.add(f"event {event.seq}: its body does not give its hash", event.seq)
        self._check_body_is_there(event)
        self._check_opened(event)
        self._tree.push(kept, computed)
        self._compare()

    def _check_body_is_there(self, event: BundleEvent) -> None:
        """Clean-ups remove from the oldest event on, by whole rows: a body that is missing elsewhere was left out."""
        if event.body is None:
            self._hashes_only += 1
            if self._has_body:
                self._findings.add(
                    f"event {event.seq}: its body was left out; a clean-up removes no event behind one that it leaves",
                    event.seq,
                )
        elif not self._has_body:
            self._has_body = True
            if self._hashes_only and event.seq % WIDTH:
                self._findings.add(
                    f"event {event.seq - 1}: its body was left out; a clean-up removes a multiple of {WIDTH} events",
                    event.seq - 1,
                )

    def _check_opened(self, event: BundleEvent) -> None:
        if event.opened is msgspec.UNSET:
            return
        body = None if event.body is None else parse_body(event.body.encode())
        if body is None:
            self._findings.add(f"event {event.seq}: personal fields without a body to compare them with", event.seq)
        elif event.opened is None:
            self._erased += 1
            if PERSON_INDEX not in body.hidden:
                self._findings.add(
                    f"event {event.seq}: its personal fields were left out; it is about nobody who was erased",
                    event.seq,
                )
        else:
            self._check_fields(event.seq, body, event.opened)

    def _check_fields(self, seq: int, body: Body, opened: Opened) -> None:
        self._opened += 1
        if wrong := differing_fields(body, opened):
            names = ", ".join(wrong)
            self._findings.add(f"event {seq}: {names} and the digests in its body differ", seq)

    def _compare(self) -> None:
        """Compares the tree so far with what others hold of the same size."""
        size = self._tree.size
        if size not in self._held.roots:
            return
        root, where = self._held.roots[size]
        if self._tree.fits(root):
            self._confirmed.append(size)
            self._fits_until = size
        else:
            self._tell_misfit(size, where)

    def finish(self) -> None:
        """Closes the tree on its right side, and compares it with its own checkpoint and with the others."""
        header, own = self._header, self._own
        end = header.first + header.count
        if self._tree.size != end:
            return
        right = [parse_hash(each, "each hash on the right") for each in header.right]
        nodes = cover(end, own.size)
        if len(right) != len(nodes):
            raise BundleRefused(f"expected {len(nodes)} hashes on the right, found {len(right)}")
        for (level, _), joined in zip(nodes, right, strict=True):
            self._tree.push_subtree(level, joined)
        if not self._tree.fits(own.root):
            self._tell_misfit(own.size, "the bundle")
            return
        if right:
            self._compare()
        self._follow_proofs()

    def _follow_proofs(self) -> None:
        header, own = self._header, self._own
        proofs = {each.size: [parse_hash(one, "each hash of a proof") for one in each.hashes] for each in header.proofs}
        compared = range(header.first, header.first + header.count + 1)
        for size in sorted(self._held.roots):
            if size in compared or size == own.size:
                continue
            root, where = self._held.roots[size]
            if size not in proofs:
                self._unproven.append(size)
                continue
            older, newer = sorted(((size, root), (own.size, own.root)))
            if verify_consistency(*older, *newer, proofs[size]):
                self._confirmed.append(size)
            else:
                self._findings.add(f"the bundle's log is not that of the checkpoint of {size} events in {where}")
        self._check_all_proven()

    def _check_all_proven(self) -> None:
        """Each checkpoint that goes further than the range's beginning is of a tree that may hold other events there.

        Of those before it, some other one being confirmed is enough.
        """
        further = [size for size in self._unproven if size > self._header.first]
        if further or (self._unproven and not self._confirmed):
            sizes = ", ".join(map(str, (further or self._unproven)[:5]))
            self._findings.add(
                f"the bundle holds no proof that leads to the checkpoint of {sizes} events: ask for one that was"
                " exported with this checkpoint"
            )

    def _tell_misfit(self, size: int, where: str) -> None:
        header = self._header
        first = max(header.first, min(self._fits_until, header.first + header.count - 1))
        last = max(min(header.first + header.count, size) - 1, first)
        self._findings.add(
            f"between event {first} and event {last}, or in the hashes beside them: they do not give the root of the"
            f" checkpoint of {size} events in {where}",
            first,
            last,
        )

    def verdict(self, *, key: str, key_given: bool) -> BundleVerdict:
        """What is to be said at the end."""
        return BundleVerdict(
            origin=self._own.origin,
            key=key,
            key_given=key_given,
            first=self._header.first,
            count=self._header.count,
            size=self._own.size,
            hashes_only=self._hashes_only,
            opened=self._opened,
            erased=self._erased,
            confirmed=tuple(sorted(self._confirmed)),
            unproven=tuple(self._unproven),
            findings=tuple(self._findings.first_ones()),
            finding_count=self._findings.count,
        )
