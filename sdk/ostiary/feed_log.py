"""One follower's place in the feed, and what each arrival means for it. Pure: whoever fetches does as `Step` says."""

import hashlib
from collections.abc import Iterable, Sequence
from enum import StrEnum

import msgspec

from ostiary.feed_lines import KEY, MAX_NUMBER, FeedEntry, FeedHead, FeedRefused, is_epoch, next_chain, parse_entry
from ostiary.revocations import Revocations


class Step(StrEnum):
    """What to do next: go on, ask the delta for what is missing, or load the snapshot."""

    GOOD = "good"
    GAP = "gap"
    SNAPSHOT = "snapshot"


class FeedLog:
    """What a follower knows of an issuer's log. For one thread; `revocations` alone may be read by others.

    Entries are obeyed as they come, as far as they refuse; a head must then agree with the chain over them. Nothing
    here raises for what a server sends: the step says what to do, and `reason` why it is not GOOD (for the log).
    """

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.epoch: str | None = None
        self.seq = 0
        self.chain = b""
        self.reason = "nothing was loaded yet"
        self.revocations = Revocations()
        # The last head that agreed with all that is known; None while none does.
        self._vouched_by: FeedHead | None = None
        self._unvouched: list[FeedEntry] = []

    @property
    def is_vouched(self) -> bool:
        """True when the last head agreed and nothing came after it."""
        return self._vouched_by is not None and self._vouched_by.seq == self.seq

    def take_entries(self, lines: Iterable[bytes]) -> Step:
        """Obey the next lines. Only the next number is taken: earlier ones are passed over, a later one is a GAP."""
        if self.epoch is None:
            return self._wants_snapshot("nothing was loaded yet")
        taken: list[FeedEntry] = []
        step = Step.GOOD
        for line in lines:
            step = self._follow(line, taken)
            if step is not Step.GOOD:
                break
        if taken:
            self.revocations.take(taken)
            self._unvouched += (entry for entry in taken if entry.facts is not None or entry.kind == KEY)
        return step

    def _follow(self, line: bytes, taken: list[FeedEntry]) -> Step:
        try:
            entry = parse_entry(line)
        except FeedRefused as error:
            return self._wants_snapshot(str(error))
        if entry.seq > self.seq + 1:
            return self._wants_delta(f"entry {entry.seq} came after {self.seq}")
        if entry.seq == self.seq + 1:
            self.seq, self.chain = entry.seq, next_chain(self.chain, line)
            taken.append(entry)
        return Step.GOOD

    def take_head(self, head: FeedHead, *, at: float) -> Step:
        """Whether we know the log as a proven head tells it. `at`: our own wall clock (seconds since 1970)."""
        if self.revocations.is_key_withdrawn(head.kid):
            return self._wants_snapshot("a head is signed by a key that was withdrawn")
        if head.epoch != self.epoch:
            return self._wants_snapshot("another epoch has begun" if self.epoch else "nothing was loaded yet")
        if head.seq > self.seq:
            return self._wants_delta(f"the log ends with {head.seq}, and {self.seq} is known")
        if head.seq < self.seq:
            return self._wants_snapshot(f"the log was set back from {self.seq} to {head.seq}")
        if head.chain != self.chain:
            return self._wants_snapshot(f"the chain up to {head.seq} is another")
        return self._vouch(head, at=at)

    def take_snapshot(self, head: FeedHead, lines: Sequence[bytes], *, at: float | None = None) -> Step:
        """Swap all that is known for a snapshot, if it is what its proven head says; otherwise nothing changes.

        One that the same process made before a head that we agree with says nothing new and is passed over.
        """
        # What nobody vouched for may be a forged line: it must not keep out the snapshot that takes it back.
        if self.revocations.is_key_withdrawn(head.kid) and head.kid not in self.revocations.unvouched_keys:
            return self._wants_snapshot("a snapshot is signed by a key that was withdrawn")
        known = self._vouched_by
        if known is not None and (known.epoch, known.boot) == (head.epoch, head.boot) and head.up_ms < known.up_ms:
            self.reason = ""
            return Step.GOOD
        try:
            entries = _parse_snapshot(head, lines)
        except FeedRefused as error:
            return self._wants_snapshot(str(error))
        self.revocations.swap(entries)
        self.epoch, self.seq, self.chain = head.epoch, head.seq, head.chain
        self._unvouched = []
        return self._vouch(head, at=head.at_ms / 1000 if at is None else at)

    def as_document(self) -> bytes | None:
        """What is known, for the disk; None while no head vouches for it. `restore` reads it.

        Its digest finds what was torn or changed by accident. It is no proof against who may write the folder.
        """
        if self.epoch is None or not self.is_vouched:
            return None
        body = b"".join(line + b"\n" for line in self.revocations.as_lines())
        saved = _Saved(1, self.issuer, self.epoch, self.seq, self.chain.hex(), hashlib.sha256(body).hexdigest())
        return msgspec.json.encode(saved) + b"\n" + body

    def restore(self, document: bytes) -> None:
        """Know again what `as_document` gave, or raise FeedRefused. The next head shows what has happened since."""
        first, _, body = document.partition(b"\n")
        try:
            saved = msgspec.json.decode(first, type=_Saved)
            chain = bytes.fromhex(saved.chain)
        except (ValueError, RecursionError):
            raise FeedRefused("the saved feed does not begin as it should") from None
        if saved.version != 1 or saved.issuer != self.issuer or hashlib.sha256(body).hexdigest() != saved.digest:
            raise FeedRefused("the saved feed is not whole, or of another issuer or version")
        # A place that cannot be would be asked for again and again, and never be answered.
        if not is_epoch(saved.epoch) or not 0 <= saved.seq <= MAX_NUMBER or len(chain) != 32:
            raise FeedRefused("the saved feed names a place in the log that cannot be")
        self.revocations.swap([parse_entry(line) for line in body.split(b"\n")[:-1]])
        self.epoch, self.seq, self.chain = saved.epoch, saved.seq, chain
        self._vouched_by, self._unvouched = None, []

    def _vouch(self, head: FeedHead, *, at: float) -> Step:
        self.reason = ""
        self._vouched_by = head
        if self._unvouched:
            self.revocations.believe(self._unvouched)
            self._unvouched = []
        # Forgetting needs both clocks to agree, so that neither, set forward by mistake, undoes a revocation.
        self.revocations.forget_expired(min(at, head.at_ms / 1000))
        return Step.GOOD

    def _wants_delta(self, reason: str) -> Step:
        self.reason = reason
        return Step.GAP

    def _wants_snapshot(self, reason: str) -> Step:
        self.reason = reason
        self._vouched_by = None
        return Step.SNAPSHOT


class _Saved(msgspec.Struct):
    version: int
    issuer: str
    epoch: str
    seq: int
    chain: str
    digest: str


def _parse_snapshot(head: FeedHead, lines: Sequence[bytes]) -> list[FeedEntry]:
    if head.count is None or head.digest is None:
        raise FeedRefused("a snapshot's head must have count and digest")
    if len(lines) != head.count:
        raise FeedRefused(f"the snapshot must have {head.count} lines")
    digest = hashlib.sha256()
    for line in lines:
        digest.update(line + b"\n")
    if digest.digest() != head.digest:
        raise FeedRefused("the snapshot is not what its head says")
    entries = [parse_entry(line) for line in lines]
    last = 0
    for entry in entries:
        if not last < entry.seq <= head.seq:
            raise FeedRefused("a snapshot's numbers must ascend and end with its head's")
        if entry.kind == KEY and entry.subject == head.kid:
            raise FeedRefused("a snapshot is signed by a key that was withdrawn, by its own words")
        last = entry.seq
    return entries
