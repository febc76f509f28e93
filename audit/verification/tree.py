"""Follows the tree leaf by leaf and compares it with stored inner hashes and roots; rules without I/O.

Each leaf comes twice: as the ledger has its hash, and as the event's body gives it. Where both differ, both trees are
followed on, so that a changed hash is told from a changed body by what the checkpoints say.
"""

from collections.abc import Callable, Iterable, Sequence
from copy import deepcopy

from audit.ledger.merkle import Frontier, node_hash
from audit.verification.values import Findings

WIDTH = 256
_NONE = bytes(32)

# The stored hash of a level (of rows) and an index there, None where it is missing.
Lookup = Callable[[int, int], bytes | None]


class TreeCheck:
    """The tree so far; it may begin behind leaves whose hashes `left` are those of `cover(0, begin)`."""

    def __init__(self, begin: int = 0, left: Iterable[bytes] = ()) -> None:
        self._stored = Frontier(begin, left)
        # The tree by the events' bodies; made when it first differs.
        self._by_bodies: Frontier | None = None

    @property
    def size(self) -> int:
        """How many leaves there are."""
        return self._stored.size

    def push(self, stored: bytes | None, computed: bytes | None) -> None:
        """The next leaf; None where the ledger's hash, or the event, is gone."""
        kept, made = stored or computed or _NONE, computed or stored or _NONE
        if self._by_bodies is None and kept != made:
            self._by_bodies = deepcopy(self._stored)
        self._stored.push(kept)
        if self._by_bodies is not None:
            self._by_bodies.push(made)

    def push_subtree(self, level: int, joined: bytes) -> None:
        """A complete subtree of which nothing else is known."""
        self._stored.push_subtree(level, joined)
        if self._by_bodies is not None:
            self._by_bodies.push_subtree(level, joined)

    def fits(self, root: bytes) -> bool:
        """Whether this is the root of all leaves so far, by the stored hashes or by the bodies."""
        if self._stored.root() == root:
            return True
        return self._by_bodies is not None and self._by_bodies.root() == root


class InnerCheck:
    """Compares the hash stored for each full row of 256 with that row."""

    def __init__(self, findings: Findings) -> None:
        self._findings = findings
        self._pending: list[tuple[list[bytes], list[bytes]]] = []

    def add_row(
        self, number: int, stored: Sequence[bytes], made: Sequence[bytes], find: Lookup, *, level: int = 0
    ) -> None:
        """A full row as it is stored, and as what lies beneath it gives it; goes up where the row above is full."""
        possible = {_root(stored), _root(made)}
        kept = find(level + 1, number)
        if kept not in possible:
            self._tell(level, number, "is missing" if kept is None else "does not fit them")
        while len(self._pending) <= level:
            self._pending.append(([], []))
        above, true = self._pending[level]
        joined = _root(made)
        above.append(kept if kept is not None else joined)
        true.append(joined)
        if len(above) == WIDTH:
            self._pending[level] = ([], [])
            self.add_row(number // WIDTH, above, true, find, level=level + 1)

    def _tell(self, level: int, number: int, what: str) -> None:
        leaves = WIDTH ** (level + 1)
        first, last = number * leaves, (number + 1) * leaves - 1
        self._findings.add(f"events {first} to {last}: the ledger's hash over all of them {what}", first, last)


def _root(hashes: Sequence[bytes]) -> bytes:
    """The hash over a full row."""
    while len(hashes) > 1:
        pairs = iter(hashes)
        hashes = [node_hash(left, right) for left, right in zip(pairs, pairs, strict=True)]
    return hashes[0]
