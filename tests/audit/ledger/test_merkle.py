"""The tree's arithmetic against a naive reference, written from the definitions of RFC 9162 alone."""

import hashlib

from hypothesis import given
from hypothesis import strategies as st

from audit.ledger.merkle import (
    EMPTY_ROOT,
    Frontier,
    consistency_ranges,
    cover,
    fold,
    inclusion_ranges,
    leaf_hash,
    node_hash,
    verify_consistency,
    verify_inclusion,
)

SIZES = st.integers(1, 150)


def naive_root(entries: list[bytes]) -> bytes:
    """MTH of RFC 9162 §2.1.1, by recursion."""
    if not entries:
        return hashlib.sha256(b"").digest()
    if len(entries) == 1:
        return hashlib.sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    return hashlib.sha256(b"\x01" + naive_root(entries[:split]) + naive_root(entries[split:])).digest()


def naive_inclusion(index: int, entries: list[bytes]) -> list[bytes]:
    """PATH of RFC 9162 §2.1.3.1."""
    if len(entries) == 1:
        return []
    split = 1
    while split * 2 < len(entries):
        split *= 2
    if index < split:
        return [*naive_inclusion(index, entries[:split]), naive_root(entries[split:])]
    return [*naive_inclusion(index - split, entries[split:]), naive_root(entries[:split])]


def naive_consistency(old: int, entries: list[bytes], *, whole: bool = True) -> list[bytes]:
    """SUBPROOF of RFC 9162 §2.1.4.1."""
    if old == len(entries):
        return [] if whole else [naive_root(entries)]
    split = 1
    while split * 2 < len(entries):
        split *= 2
    if old <= split:
        return [*naive_consistency(old, entries[:split], whole=whole), naive_root(entries[split:])]
    return [*naive_consistency(old - split, entries[split:], whole=False), naive_root(entries[:split])]


def entries_of(size: int) -> list[bytes]:
    return [number.to_bytes(4, "big") for number in range(size)]


def range_hash(entries: list[bytes], begin: int, end: int) -> bytes:
    return fold([naive_root(entries[index << level : (index + 1) << level]) for level, index in cover(begin, end)])


def test_the_hashes_of_the_published_vectors() -> None:
    """RFC 6962's tree of the entries of certificate-transparency-go's test data."""
    entries = [bytes.fromhex(text) for text in ("", "00", "10", "2021", "3031", "40414243", "5051525354555657")]
    entries.append(bytes.fromhex("606162636465666768696a6b6c6d6e6f"))
    frontier = Frontier()
    for entry in entries:
        frontier.push(leaf_hash(entry))
    assert EMPTY_ROOT.hex() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"
    assert leaf_hash(b"").hex() == "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
    assert frontier.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


@given(SIZES)
def test_a_growing_tree_has_the_root_of_the_definition(size: int) -> None:
    frontier = Frontier()
    entries = entries_of(size)
    for number, entry in enumerate(entries, 1):
        frontier.push(leaf_hash(entry))
        assert (frontier.size, frontier.root()) == (number, naive_root(entries[:number]))


@given(SIZES, st.data())
def test_an_inclusion_proof_is_the_one_of_the_definition_and_verifies(size: int, data: st.DataObject) -> None:
    index = data.draw(st.integers(0, size - 1))
    entries = entries_of(size)
    proof = [range_hash(entries, begin, end) for begin, end in inclusion_ranges(index, size)]
    assert proof == naive_inclusion(index, entries)
    root = naive_root(entries)
    assert verify_inclusion(leaf_hash(entries[index]), index, size, proof, root)
    assert not verify_inclusion(leaf_hash(b"another"), index, size, proof, root)
    assert not verify_inclusion(leaf_hash(entries[index]), index, size, [*proof, root], root)
    assert not verify_inclusion(leaf_hash(entries[index]), index, size + 1, proof, naive_root(entries_of(size + 1)))
    other = data.draw(st.integers(0, size - 1))
    assert verify_inclusion(leaf_hash(entries[index]), other, size, proof, root) == (other == index)
    if proof:
        assert not verify_inclusion(leaf_hash(entries[index]), index, size, proof[:-1], root)


@given(SIZES, st.data())
def test_a_consistency_proof_is_the_one_of_the_definition_and_verifies(size: int, data: st.DataObject) -> None:
    old = data.draw(st.integers(1, size))
    entries = entries_of(size)
    proof = [range_hash(entries, begin, end) for begin, end in consistency_ranges(old, size)]
    assert proof == naive_consistency(old, entries)
    older, newer = naive_root(entries[:old]), naive_root(entries)
    assert verify_consistency(old, older, size, newer, proof)
    forged = naive_root([*entries[: old - 1], b"another"])
    assert not verify_consistency(old, forged, size, newer, proof)
    if proof:
        assert not verify_consistency(old, older, size, newer, proof[:-1])
        assert not verify_consistency(old, older, size, newer, [*proof, newer])


@given(SIZES, st.data())
def test_a_run_of_leaves_between_two_covers_has_the_root_of_the_whole(size: int, data: st.DataObject) -> None:
    begin = data.draw(st.integers(0, size))
    end = data.draw(st.integers(begin, size))
    entries = entries_of(size)

    def hashes(first: int, last: int) -> list[bytes]:
        return [naive_root(entries[index << level : (index + 1) << level]) for level, index in cover(first, last)]

    frontier = Frontier(begin, hashes(0, begin))
    for entry in entries[begin:end]:
        frontier.push(leaf_hash(entry))
    for (level, _), joined in zip(cover(end, size), hashes(end, size), strict=True):
        frontier.push_subtree(level, joined)
    assert (frontier.size, frontier.root()) == (size, naive_root(entries))


def test_a_node_cannot_pass_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")
    assert leaf_hash(left + right) != node_hash(left, right)
