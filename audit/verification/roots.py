"""Compares the tree with what checkpoints say of it; rules without I/O.

A log whose hashes were all made anew fits itself. What it cannot fit is a checkpoint that lay elsewhere: the change is
behind the last one that fits and before the first one that does not.
"""

from bisect import bisect_right
from collections.abc import Iterable
from dataclasses import dataclass

from audit.ledger.notes import NoteRefused
from audit.verification.held import Held, checked
from audit.verification.tree import TreeCheck
from audit.verification.values import Findings
from base.clock import to_micros

# A checkpoint as the database has it: size, root, instant in microseconds, note.
StoredNote = tuple[int, bytes, int, str]


@dataclass
class _Misfit:
    """Checkpoints in a row that do not fit: the first one, the last size before it that fits, and how many."""

    low: int
    size: int
    where: str
    count: int = 1


class RootCheck:
    """Takes the checkpoints in the order of their sizes."""

    def __init__(self, held: Held, findings: Findings, *, vkey: str, origin: str) -> None:
        self._held = held
        self._sizes = sorted(held.roots)
        self._findings = findings
        self._vkey, self._origin = vkey, origin
        self._misfits_outside: list[_Misfit] = []
        self._misfits_stored: list[_Misfit] = []
        self._missing: list[int] = []
        self.covered = self.stored_fit = self.stored = 0

    def sizes(self, begin: int, end: int, stored: Iterable[StoredNote]) -> dict[int, StoredNote | None]:
        """The sizes to compare at behind `begin` up to `end`, each with what the database has of it."""
        wanted: dict[int, StoredNote | None] = dict.fromkeys(
            self._sizes[bisect_right(self._sizes, begin) : bisect_right(self._sizes, end)]
        )
        wanted.update((each[0], each) for each in stored)
        return wanted

    def compare(self, tree: TreeCheck, stored: StoredNote | None) -> None:
        """Compares the tree so far with the checkpoints of its size."""
        size = tree.size
        outside = self._held.roots.get(size)
        if outside is not None:
            root, where = outside
            if tree.fits(root):
                self.covered = size
            else:
                _extend(self._misfits_outside, _Misfit(self.covered, size, where))
        if stored is None:
            self._missing.append(size)
            return
        self.stored += 1
        if reason := self._refusal(stored):
            self._findings.add(f"the stored checkpoint of {size} events: {reason}")
        elif tree.fits(stored[1]):
            self.stored_fit = size
        else:
            low = self.covered if self._sizes else self.stored_fit
            _extend(self._misfits_stored, _Misfit(low, size, "the database"))

    def _refusal(self, stored: StoredNote) -> str | None:
        size, root, at, note = stored
        try:
            checkpoint = checked(note, vkey=self._vkey, origin=self._origin)
        except NoteRefused as refused:
            return str(refused)
        if (checkpoint.size, checkpoint.root, to_micros(checkpoint.at)) != (size, root, at):
            return "its columns and its signed note differ"
        return None

    def finish(self) -> None:
        """Tells of what did not fit, once everything was compared."""
        for misfit in self._misfits_outside:
            self._findings.add(self._words(misfit), misfit.low, misfit.size - 1)
        if self._missing:
            sizes = ", ".join(map(str, self._missing[:5])) + (" …" if len(self._missing) > 5 else "")
            self._findings.add(f"the database has lost its checkpoints of {sizes} events, which lie outside")
        for misfit in self._misfits_stored:
            if misfit.size <= self.covered:
                self._findings.add(
                    f"the stored checkpoint of {misfit.size} events does not fit the log, which a checkpoint of"
                    f" {self.covered} events from outside confirms: the stored one was signed over another log"
                )
            elif not any(each.low < misfit.size for each in self._misfits_outside):
                self._findings.add(self._words(misfit), misfit.low, misfit.size - 1)

    def _words(self, misfit: _Misfit) -> str:
        others = f", nor that of {misfit.count - 1} later ones" if misfit.count > 1 else ""
        words = (
            f"between event {misfit.low} and event {misfit.size - 1}: the log was rewritten; it does not give the root"
            f" of the checkpoint of {misfit.size} events in {misfit.where}{others}"
        )
        if self.covered > misfit.size:
            words += f"; a later one, of {self.covered} events, does fit: there were two logs"
        return words


def _extend(misfits: list[_Misfit], found: _Misfit) -> None:
    if misfits and misfits[-1].low == found.low:
        misfits[-1].count += 1
    else:
        misfits.append(found)
