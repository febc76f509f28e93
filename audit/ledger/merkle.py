"""The Merkle tree's arithmetic (RFC 6962 §2.1, RFC 9162 §2.1): hashes, proofs, roots; no storage, no log.

A node is `(level, index)`: the hash over the leaves `index * 2**level` up to the next one's first. Leaf and node
hashes are told apart by their first byte, so that no node can pass for a leaf.
"""

import hashlib
from collections.abc import Iterable, Sequence

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()

Node = tuple[int, int]
Range = tuple[int, int]


def leaf_hash(data: bytes) -> bytes:
    """The hash of one entry."""
    return hashlib.sha256(b"\x00" + data).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """The hash over two neighbours."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def cover(begin: int, end: int) -> list[Node]:
    """The fewest complete subtrees that hold the leaves from `begin` to before `end`, from left to right."""
    nodes = []
    while begin < end:
        level = (end - begin).bit_length() - 1
        if begin:
            # A subtree begins at a multiple of its own size.
            level = min(level, (begin & -begin).bit_length() - 1)
        nodes.append((level, begin >> level))
        begin += 1 << level
    return nodes


def fold(hashes: Sequence[bytes]) -> bytes:
    """The hash over a range of leaves from those of its cover; raises ValueError for none."""
    if not hashes:
        raise ValueError("a range without leaves has no hash")
    *others, joined = hashes
    for left in reversed(others):
        joined = node_hash(left, joined)
    return joined


def inclusion_ranges(index: int, size: int) -> list[Range]:
    """The ranges whose hashes prove that leaf `index` is in the tree of `size` leaves, in the proof's order.

    Raises ValueError where the tree has no such leaf.
    """
    if not 0 <= index < size:
        raise ValueError(f"a tree of {size} leaves has no leaf {index}")
    beside: list[Range] = []
    begin, end = 0, size
    while end - begin > 1:
        middle = begin + _split(end - begin)
        if index < middle:
            beside.append((middle, end))
            end = middle
        else:
            beside.append((begin, middle))
            begin = middle
    return beside[::-1]


def consistency_ranges(old: int, new: int) -> list[Range]:
    """The ranges whose hashes prove that the tree of `old` leaves is the beginning of that of `new`, in order.

    Raises ValueError unless 0 < old <= new.
    """
    if not 0 < old <= new:
        raise ValueError(f"expected two sizes from 1 on, the older one first, not {old} and {new}")
    ranges: list[Range] = []
    begin, end = 0, new
    while old != end:
        middle = begin + _split(end - begin)
        if old <= middle:
            ranges.append((middle, end))
            end = middle
        else:
            ranges.append((begin, middle))
            begin = middle
    if begin:
        ranges.append((begin, end))
    return ranges[::-1]


def _split(size: int) -> int:
    """The largest power of two that is smaller than `size`."""
    return 1 << ((size - 1).bit_length() - 1)


def verify_inclusion(leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes) -> bool:
    """Whether `proof` leads from a leaf's hash to the root (RFC 9162 §2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, joined = index, size - 1, leaf
    for beside in proof:
        if last == 0:
            return False
        if node & 1 or node == last:
            joined = node_hash(beside, joined)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            joined = node_hash(joined, beside)
        node, last = node >> 1, last >> 1
    return last == 0 and joined == root


def verify_consistency(old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]) -> bool:
    """Whether `proof` shows the older tree to be the beginning of the newer one (RFC 9162 §2.1.4.2)."""
    if old == new:
        return old_root == new_root and not proof
    if not 0 < old < new:
        return old == 0 and old_root == EMPTY_ROOT and not proof
    hashes = list(proof) if old & (old - 1) else [old_root, *proof]
    if not hashes:
        return False
    node, last = old - 1, new - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    older = newer = hashes[0]
    for beside in hashes[1:]:
        if last == 0:
            return False
        if node & 1 or node == last:
            older, newer = node_hash(beside, older), node_hash(beside, newer)
            while not node & 1 and node:
                node, last = node >> 1, last >> 1
        else:
            newer = node_hash(newer, beside)
        node, last = node >> 1, last >> 1
    return last == 0 and older == old_root and newer == new_root


class Frontier:
    """The right edge of a growing tree: the hashes of its complete subtrees, enough for its root.

    `hashes` are those of `cover(0, size)`. Raises ValueError where they do not fit the size.
    """

    def __init__(self, size: int = 0, hashes: Iterable[bytes] = ()) -> None:
        levels = [level for level, _ in cover(0, size)]
        self.size = size
        self._nodes = list(zip(levels, hashes, strict=True))

    def push(self, leaf: bytes) -> None:
        """Adds the hash of one more leaf."""
        self.push_subtree(0, leaf)

    def push_subtree(self, level: int, joined: bytes) -> None:
        """Adds a complete subtree; raises ValueError where one of that size cannot begin here."""
        if self.size & ((1 << level) - 1):
            raise ValueError(f"a subtree of {1 << level} leaves cannot begin at {self.size}")
        self.size += 1 << level
        while self._nodes and self._nodes[-1][0] == level:
            joined = node_hash(self._nodes.pop()[1], joined)
            level += 1
        self._nodes.append((level, joined))

    def root(self) -> bytes:
        """The hash of the whole tree."""
        return fold([joined for _, joined in self._nodes]) if self._nodes else EMPTY_ROOT
