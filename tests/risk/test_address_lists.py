"""The operator's lists of addresses."""

from __future__ import annotations

import logging
import os
import random
from ipaddress import ip_address, ip_network
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.place import Place
from risk.places.address_lists import AddressLists, ListKind, network_kind, parse_address_list
from risk.places.address_ranges import AddressRanges, parse_address, parse_network
from risk.places.geography import Geography
from risk.places.watched_files import FileRefused
from tests.risk.place_records import ISTANBUL, write_cities, write_networks
from tests.risk.test_geography import least_us
from tests.risk.test_geography_replaced import until

LOG = "ostiary.places"
V4 = st.tuples(st.integers(0, 2**32 - 1), st.integers(8, 32)).map(
    lambda drawn: ip_network((drawn[0] >> 32 - drawn[1] << 32 - drawn[1], drawn[1]))
)
V6 = st.tuples(st.integers(0, 2**128 - 1), st.integers(16, 128)).map(
    lambda drawn: ip_network((drawn[0] >> 128 - drawn[1] << 128 - drawn[1], drawn[1]))
)


def holds(ranges: AddressRanges, text: str) -> bool:
    """Whether an address is within."""
    found = parse_address(text)
    assert found is not None
    return ranges.holds(is_v6=found[0], number=found[1])


def kinds(known: AddressLists | Geography, *asked: object) -> list[str] | None:
    """The lists that hold an address, by name."""
    found = known.kinds_of(*asked)  # type: ignore[arg-type]
    return None if found is None else sorted(found)


def lists(tmp_path: Path, **texts: str) -> AddressLists:
    """Lists by kind, looked at whenever asked."""
    paths: dict[ListKind, Path] = {}
    for kind, text in texts.items():
        paths[kind] = tmp_path / f"{kind}.txt"  # type: ignore[index]
        paths[kind].write_text(text)  # type: ignore[index]
    return AddressLists(paths, look_every_s=0)


def test_addresses_networks_comments_and_blank_lines_make_a_list() -> None:
    listed = parse_address_list(
        "# Tor exits\r\n\r\n198.51.100.7\r\n203.0.113.0/24 # a whole network\n;ours\n"
        "  2001:db8::/32 ; six\nAS64500\nas64501"
    )
    assert (listed.entries, listed.networks, listed.remark) == (5, frozenset({64500, 64501}), None)
    for text, is_within in (
        ("198.51.100.7", True), ("198.51.100.8", False), ("203.0.113.255", True), ("203.0.114.0", False),
        ("2001:db8:ffff::1", True), ("2001:db9::", False), ("::ffff:198.51.100.7", True),
    ):  # fmt: skip
        assert holds(listed.ranges, text) is is_within, text


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("10.0.0.256", "expected an address, a network such as"),
        ("nonsense", "expected an address, a network such as"),
        ("10.0.0.0/33", "expected a prefix of 8 to 32 bits"),
        # What a line cut short would say: a network of a quarter of all addresses, for a /24.
        ("192.0.0.0/2", "expected a prefix of 8 to 32 bits"),
        ("0.0.0.0/0", "expected a prefix of 8 to 32 bits"),
        ("::/0", "expected a prefix of 16 to 128 bits"),
        ("10.0.0.1/24", "bits are set behind the prefix"),
        ("10.0.0.0/", "expected the prefix's length"),
        ("10.0.0.0/255.0.0.0", "expected the prefix's length"),
        ("10.0.0.0/٨", "expected the prefix's length"),
        ("AS0", "from AS1 to AS4294967295"),
        ("AS4294967296", "from AS1 to AS4294967295"),
        ("01.2.3.4", "expected an address"),
        ("fe80::1%eth0", "expected an address"),
        ("10.0.0.1\x00", "expected an address"),
    ],
)
def test_a_wrong_line_is_told_with_its_number_and_the_rest_counts(line: str, words: str) -> None:
    listed = parse_address_list(f"# list\n198.51.100.7\n{line}\n203.0.113.0/24\n")
    assert [number for number, _ in listed.wrong] == [3]
    assert words in listed.wrong[0][1]
    assert (listed.remark or "").startswith(f"has lines that are left out (line 3: {listed.wrong[0][1]})")
    assert holds(listed.ranges, "203.0.113.9")
    assert holds(listed.ranges, "198.51.100.7")


@pytest.mark.parametrize("text", ["", "\n \n", "<html>\n<h1>502 Bad Gateway</h1>\n</html>"])
def test_an_emptied_file_or_an_error_page_is_no_list_of_nobody(text: str) -> None:
    """S35"""
    with pytest.raises(FileRefused):
        parse_address_list(text)
    assert parse_address_list("# nobody\n").entries == 0


@given(v4=st.lists(V4, max_size=30), v6=st.lists(V6, max_size=30), chance=st.randoms(use_true_random=False))
def test_ranges_hold_what_their_networks_hold_nested_or_not(
    v4: list[object], v6: list[object], chance: random.Random
) -> None:
    networks = [ip_network(str(each)) for each in [*v4, *v6]]
    ranges = AddressRanges(parse_network(str(each)) for each in networks)
    asked = [ip_address(chance.getrandbits(32)), ip_address(chance.getrandbits(128) | 1 << 120)]
    for each in networks:
        edges = (int(each.network_address) - 1, int(each.network_address), int(each.broadcast_address) + 1)
        asked += [type(each.network_address)(edge) for edge in edges if 0 <= edge < 1 << each.max_prefixlen]
    for address in asked:
        if address.version == 6 and address.ipv4_mapped is not None:
            continue
        expected = any(address in each for each in networks if each.version == address.version)
        assert holds(ranges, str(address)) is expected


@given(st.text(max_size=60))
def test_no_line_whatever_it_holds_makes_anything_but_an_entry_or_a_fault(text: str) -> None:
    """S48"""
    try:
        listed = parse_address_list(f"198.51.100.7\n{text}")
    except FileRefused:
        return
    assert listed.entries + len(listed.wrong) >= 1
    if parse_address(text) is not None:
        ip_address(text)


def test_a_mapped_network_is_the_ipv4_one() -> None:
    assert parse_network("::ffff:203.0.113.0/120") == parse_network("203.0.113.0/24")


def test_the_lists_that_hold_an_address_or_its_network_are_named(tmp_path: Path) -> None:
    known = lists(tmp_path, tor="198.51.100.7\n", hosting="AS64500\n198.51.100.0/24\n", blocked="# nobody\n")
    assert kinds(known, "198.51.100.7") == ["hosting", "tor"]
    assert kinds(known, "198.51.100.8") == ["hosting"]
    assert kinds(known, "192.0.2.1", 64500) == ["hosting"]
    assert kinds(known, "192.0.2.1", 64501) == []
    assert known.kinds_of("not an address") is None
    assert AddressLists({}).kinds_of("198.51.100.7") is None


@pytest.mark.parametrize(
    ("kinds", "kind"),
    [
        ({"tor", "hosting"}, "anonymous"),
        ({"hosting", "mobile"}, "hosting"),
        ({"mobile", "blocked"}, "mobile"),
        ({"blocked"}, None),
        (set(), None),
    ],
)
def test_what_hides_a_person_decides_the_kind_of_a_network(kinds: set[ListKind], kind: str | None) -> None:
    assert network_kind(frozenset(kinds)) == kind


def test_a_place_knows_its_network_s_kind_from_the_lists(tmp_path: Path) -> None:
    path = tmp_path / "mobile.txt"
    path.write_text("AS9121\n")
    known = Geography(
        [write_cities(tmp_path / "c.mmdb")], [write_networks(tmp_path / "a.mmdb")], lists={"mobile": path}
    )
    assert known.place_of(ISTANBUL).network_kind == "mobile"
    assert kinds(known, ISTANBUL) == ["mobile"]
    assert known.place_of("9.9.9.9") == Place()
    assert Geography(lists={"mobile": path}).place_of(ISTANBUL) == Place(), "without a database nobody's ASN is known"


def test_a_list_is_replaced_while_it_is_asked_and_a_bad_one_is_not_taken(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """S35, F9"""
    known = lists(tmp_path, blocked="198.51.100.7\n")
    assert kinds(known, "198.51.100.7") == ["blocked"]
    path = tmp_path / "blocked.txt"
    (tmp_path / "new").write_text("198.51.100.0/24\nnonsense\n")
    with caplog.at_level(logging.WARNING, LOG):
        os.replace(tmp_path / "new", path)
        until(lambda: kinds(known, "198.51.100.8") == ["blocked"])
        for bad in (b"", b"<html>", b"\xff\xfe1\x00", b"not one\n" * 10):
            path.write_bytes(bad)
            for _ in range(3):
                known.files["blocked"].look_now()
            assert kinds(known, "198.51.100.8") == ["blocked"]
        path.unlink()
        assert kinds(known, "198.51.100.8") == ["blocked"]
    told = [record.getMessage() for record in caplog.records]
    assert len(told) == 2
    assert "has lines that are left out (line 2: expected an address" in told[0]
    assert "is empty: a list of nobody holds a comment (#); its last good version stays in use" in told[1]


def test_a_list_that_was_never_there_says_nothing_and_the_others_still_do(tmp_path: Path) -> None:
    """S35"""
    (tmp_path / "tor.txt").write_text("198.51.100.7\n")
    known = AddressLists({"blocked": tmp_path / "missing.txt", "tor": tmp_path / "tor.txt"})
    assert kinds(known, "198.51.100.7") == ["tor"]
    assert AddressLists({"blocked": tmp_path / "missing.txt"}).kinds_of("198.51.100.7") is None


def test_a_hundred_thousand_networks_are_asked_in_five_microseconds() -> None:
    chance = random.Random(1)
    lines = [f"{chance.randrange(1, 224)}.{chance.randrange(256)}.{chance.randrange(256)}.0/26" for _ in range(100_000)]
    listed = parse_address_list("\n".join(lines))
    assert len(listed.ranges) > 90_000
    is_v6, number = parse_address("198.51.100.7") or (True, 0)
    assert least_us(lambda: listed.ranges.holds(is_v6=is_v6, number=number), 5000) < 5
