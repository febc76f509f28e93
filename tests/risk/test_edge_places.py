"""Country and city as an edge gives them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from risk.place import NOWHERE, Place
from risk.places.edge_places import EdgeHeaders, EdgePlace, place_by_edge, read_edge_place

NAMES = EdgeHeaders(b"cf-ipcountry", b"cf-ipcity")
ISTANBUL = Place("TR", "Istanbul", "Istanbul", 41.0, 29.0, 20, 9121, "Turk Telekom", "mobile")


@pytest.mark.parametrize(
    ("headers", "place"),
    [
        ([(b"cf-ipcountry", b"TR")], EdgePlace("TR")),
        ([(b"cf-ipcountry", b" tr "), (b"cf-ipcity", "İstanbul".encode())], EdgePlace("TR", "İstanbul")),
        ([(b"cf-ipcountry", b"DE"), (b"cf-ipcity", b"M%C3%BCnchen")], EdgePlace("DE", "München")),
        ([(b"cf-ipcountry", b"DE"), (b"cf-ipcity", b"\xff\xfe")], EdgePlace("DE")),
        ([(b"cf-ipcountry", b"DE"), (b"cf-ipcity", b"A\x1b[2J")], EdgePlace("DE")),
        ([(b"cf-ipcountry", b"DE"), (b"cf-ipcity", b"A"), (b"cf-ipcity", b"B")], EdgePlace("DE")),
        ([(b"cf-ipcountry", b"DE"), (b"cf-ipcountry", b"TR")], None),
        ([(b"cf-ipcity", b"Berlin")], None),
        ([(b"cf-ipcountry", b"XX")], None),
        ([(b"cf-ipcountry", b"T1")], None),
        ([(b"cf-ipcountry", b"Turkey")], None),
        ([(b"cf-ipcountry", b"\xdf\xdf")], None),
        ([], None),
    ],
)
def test_headers_are_read_and_garbage_says_nothing(headers: list[tuple[bytes, bytes]], place: EdgePlace | None) -> None:
    """S34"""
    assert read_edge_place(headers, NAMES) == place


def test_a_city_header_that_is_not_set_is_not_read() -> None:
    assert read_edge_place([(b"cf-ipcountry", b"DE"), (b"cf-ipcity", b"Berlin")], EdgeHeaders(b"cf-ipcountry")) == (
        EdgePlace("DE")
    )


@given(st.lists(st.tuples(st.sampled_from([b"cf-ipcountry", b"cf-ipcity", b"host"]), st.binary(max_size=2000))))
def test_any_bytes_give_a_right_country_or_nothing(headers: list[tuple[bytes, bytes]]) -> None:
    """S34"""
    found = read_edge_place(headers, NAMES)
    if found is not None:
        assert len(found.country) == 2
        assert found.country.isupper()
        assert found.city is None or (found.city.isprintable() and len(found.city) <= 100)


@pytest.mark.parametrize(
    ("edge", "place"),
    [
        (None, ISTANBUL),
        (EdgePlace("TR"), ISTANBUL),
        (EdgePlace("TR", "istanbul"), ISTANBUL),
        (EdgePlace("TR", "İstanbul"), ISTANBUL),
        (EdgePlace("TR", "Ankara"), Place("TR", None, "Ankara", None, None, None, 9121, "Turk Telekom", "mobile")),
        (EdgePlace("DE"), Place("DE", None, None, None, None, None, 9121, "Turk Telekom", "mobile")),
        (EdgePlace("DE", "Berlin"), Place("DE", None, "Berlin", None, None, None, 9121, "Turk Telekom", "mobile")),
    ],
)
def test_the_edge_overrides_the_database_and_no_distance_is_claimed_from_another_place(
    edge: EdgePlace | None, place: Place
) -> None:
    assert place_by_edge(ISTANBUL, edge) == place


def test_a_database_that_knows_the_country_alone_gains_the_edge_s_city() -> None:
    country = Place("TR", latitude=39.0, longitude=35.0, radius_km=1000)
    assert place_by_edge(country, EdgePlace("TR", "Ankara")) == Place("TR", None, "Ankara", 39.0, 35.0, 1000)
    assert place_by_edge(NOWHERE, EdgePlace("TR", "Ankara")) == Place("TR", city="Ankara")
