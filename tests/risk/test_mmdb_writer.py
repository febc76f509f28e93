"""The writer of test databases: both of maxminddb's readers find in its files what was put in."""

from __future__ import annotations

from ipaddress import ip_network
from pathlib import Path

import geoip2.database
import maxminddb
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.risk.mmdb_writer import Value, make_mmdb
from tests.risk.place_records import CITIES, ISTANBUL, write_cities, write_networks

READERS = [maxminddb.MODE_MMAP_EXT, maxminddb.MODE_MEMORY]
NETWORK = st.tuples(st.integers(0, 2**32 - 1), st.integers(4, 32)).map(
    lambda drawn: str(ip_network((drawn[0] >> 32 - drawn[1] << 32 - drawn[1], drawn[1])))
)
TEXT = st.text(st.characters(codec="utf-8"), max_size=400)
VALUE = st.recursive(
    st.one_of(TEXT, st.floats(allow_nan=False), st.integers(0, 2**32 - 1), st.booleans()),
    lambda inner: st.one_of(st.lists(inner, max_size=3), st.dictionaries(TEXT, inner, max_size=3)),
    max_leaves=8,
)


@pytest.mark.parametrize("mode", READERS)
@pytest.mark.parametrize("record_size", [24, 28, 32])
def test_both_readers_find_every_network_and_nothing_beside(tmp_path: Path, mode: int, record_size: int) -> None:
    path = tmp_path / "made.mmdb"
    path.write_bytes(make_mmdb(CITIES, record_size=record_size))
    with maxminddb.open_database(path, mode) as reader:
        assert {str(network): record for network, record in reader} == CITIES
        assert reader.get(f"::ffff:{ISTANBUL}") == reader.get(ISTANBUL) == CITIES["81.213.0.0/16"]
        assert reader.get("9.9.9.9") is None


@pytest.mark.parametrize("mode", READERS)
@settings(max_examples=30, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(records=st.dictionaries(NETWORK, st.dictionaries(TEXT, VALUE, max_size=4), min_size=1, max_size=6))
def test_any_records_come_back_and_the_longest_prefix_wins(
    tmp_path: Path, mode: int, records: dict[str, dict[str, Value]]
) -> None:
    path = tmp_path / "made.mmdb"
    path.write_bytes(make_mmdb(records, ip_version=4))
    networks = sorted((ip_network(text) for text in records), key=lambda each: each.prefixlen)
    with maxminddb.open_database(path, mode) as reader:
        for network in networks:
            address = network.broadcast_address
            longest = [each for each in networks if address in each][-1]
            assert reader.get(str(address)) == records[str(longest)]


def test_geoip2_takes_the_files_for_what_they_call_themselves(tmp_path: Path) -> None:
    with geoip2.database.Reader(write_cities(tmp_path / "city.mmdb")) as cities:
        found = cities.city(ISTANBUL)
        assert (found.country.iso_code, found.city.name, found.location.accuracy_radius) == ("TR", "Istanbul", 20)
    with geoip2.database.Reader(write_networks(tmp_path / "asn.mmdb")) as networks:
        assert networks.asn(ISTANBUL).autonomous_system_number == 9121
