"""Sealed values open under their key, in their place, unchanged; nothing else opens (S40)."""

import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from base.sealing import MasterKeyRefused, SealBroken, Sealer, check_master_key

OLD, NEW = os.urandom(32), os.urandom(32)


@given(plain=st.binary(max_size=200), aad=st.binary(max_size=40))
def test_what_is_sealed_opens_in_its_place(plain: bytes, aad: bytes) -> None:
    sealer = Sealer([NEW])
    assert sealer.unseal(sealer.seal(plain, aad=aad), aad=aad) == plain


def test_the_same_value_sealed_twice_differs() -> None:
    sealer = Sealer([NEW])
    assert sealer.seal(b"x", aad=b"") != sealer.seal(b"x", aad=b"")


def test_a_value_moved_to_another_place_does_not_open() -> None:
    sealer = Sealer([NEW])
    with pytest.raises(SealBroken):
        sealer.unseal(sealer.seal(b"x", aad=b"row 1"), aad=b"row 2")


@given(position=st.integers(min_value=0, max_value=40), flip=st.integers(min_value=1, max_value=255))
def test_any_changed_byte_is_noticed(position: int, flip: int) -> None:
    sealer = Sealer([NEW])
    blob = bytearray(sealer.seal(b"twelve bytes", aad=b""))
    blob[position % len(blob)] ^= flip
    with pytest.raises(SealBroken):
        sealer.unseal(bytes(blob), aad=b"")


@pytest.mark.parametrize("blob", [b"", b"\x01", b"\x01" + bytes(40), bytes(60)])
def test_what_was_never_sealed_does_not_open(blob: bytes) -> None:
    with pytest.raises(SealBroken):
        Sealer([NEW]).unseal(blob, aad=b"")


def test_old_values_open_after_a_new_master_key_was_put_first() -> None:
    """S40"""
    old = Sealer([OLD]).seal(b"x", aad=b"")
    both = Sealer([NEW, OLD])
    assert both.unseal(old, aad=b"") == b"x"
    assert not both.is_newest(old)
    assert both.is_newest(both.seal(b"x", aad=b""))
    with pytest.raises(SealBroken, match="OSTIARY_MASTER_KEY"):
        Sealer([NEW]).unseal(old, aad=b"")


@pytest.mark.parametrize(
    ("key", "words"), [(b"", "32 bytes"), (b"short", "32 bytes"), (bytes(32), "not random"), (b"ab" * 16, "not random")]
)
def test_keys_without_randomness_are_refused(key: bytes, words: str) -> None:
    """S40"""
    with pytest.raises(MasterKeyRefused, match=words):
        check_master_key(key)
    with pytest.raises(MasterKeyRefused):
        Sealer([key])


def test_without_any_key_nothing_is_sealed() -> None:
    with pytest.raises(MasterKeyRefused, match="no master key"):
        Sealer([])
