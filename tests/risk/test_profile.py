"""A person's history: bounded, fading, and the same in every process."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from risk.history import facets
from risk.history.packing import Unreadable
from risk.history.profile import HALF_LIFE_S, LIMITS, MAX_DEVICES, Profile
from risk.sighting import Sighting
from tests.risk.signins import DAY_S, ISTANBUL, SIGHTINGS, START_S, learned, usual


def full() -> Profile:
    """A history that is full to the brim: nothing ever came twice."""
    profile = Profile.empty()
    for number in range(400):
        sighting = usual(number / 10)
        place = replace(ISTANBUL, country=f"LAND{number}Ü", city="Ü" * 90 + str(number), asn=number + 1)
        browser = replace(sighting.browser, family=f"F{number}", system=f"S{number}", kind="other", version=10**9)  # type: ignore[type-var]
        facts = replace(sighting.facts, screen=str(number), time_zone=str(number), platform=str(number))  # type: ignore[type-var]
        profile.learn(
            replace(
                sighting,
                address=f"a{number}",
                network=f"n{number}",
                place=place,
                browser=browser,
                user_agent=f"u{number}",
                languages=f"l{number}",
                facts=facts,
                device=f"d{number}",
                tls=f"t{number}",
            ),
            weight=10.0,
        )
    return profile


def test_a_history_that_is_full_stays_under_four_kilobytes() -> None:
    profile = full()
    assert len(profile.to_bytes()) < 4096
    assert [len(each) for each in profile.counts] == [*LIMITS[:5], 1, *LIMITS[6:]]
    assert len(profile.devices) == MAX_DEVICES


@given(st.lists(st.tuples(SIGHTINGS, st.floats()), max_size=12))
@settings(max_examples=100)
def test_a_history_stays_bounded_whatever_it_is_taught(taught: list[tuple[Sighting, float]]) -> None:
    profile = Profile.empty()
    for sighting, weight in taught:
        assert profile.learn(sighting, weight=weight) is profile
    encoded = profile.to_bytes()
    assert len(encoded) < 4096
    assert Profile.from_bytes(encoded).to_bytes() == encoded
    assert all(len(each) <= limit for each, limit in zip(profile.counts, LIMITS, strict=True))


def test_nothing_of_a_person_can_be_read_in_the_bytes_but_the_last_place() -> None:
    encoded = learned(3)[0].to_bytes()
    for secret in (b"198.51", b"laptop", b"Chrome", b"Windows", b"Europe/", b"tr-tr", b"Turk Telekom"):
        assert secret not in encoded
    assert b"Istanbul" in encoded


@given(st.binary(max_size=200))
def test_bytes_that_are_no_history_are_refused_by_one_error(garbage: bytes) -> None:
    with pytest.raises(Unreadable):
        Profile.from_bytes(garbage)


@given(st.integers(0, 3000), st.integers(0, 255))
@settings(max_examples=200)
def test_a_garbled_history_is_refused_or_read_but_never_breaks_anything_else(place: int, value: int) -> None:
    garbled = bytearray(ENCODED)
    garbled[place % len(garbled)] = value
    for bad in (bytes(garbled), ENCODED[: place % len(ENCODED)]):
        try:
            profile = Profile.from_bytes(bad)
        except Unreadable:
            continue
        profile.learn(usual(100))
        assert len(profile.to_bytes()) < 4096


def test_a_newer_layout_is_refused_and_an_older_one_with_fewer_facets_is_read() -> None:
    parts = msgspec.msgpack.decode(ENCODED)
    with pytest.raises(Unreadable, match="layout"):
        Profile.from_bytes(msgspec.msgpack.encode([99, *parts[1:]]))
    parts[4] = parts[4][:10]
    parts[5] = parts[5][:40]
    older = Profile.from_bytes(msgspec.msgpack.encode(parts))
    assert older.counts[facets.LANGUAGE] == {}
    assert older.totals[facets.LANGUAGE :] == [0.0] * (facets.FACETS - facets.LANGUAGE)
    assert older.counts[facets.ADDRESS] == Profile.from_bytes(ENCODED).counts[facets.ADDRESS]


def test_counts_halve_in_ninety_days_and_what_has_faded_is_forgotten() -> None:
    profile = Profile.empty().learn(usual(0))
    once = facets.key_of(facets.ADDRESS, "198.51.100.7")
    profile.learn(replace(usual(90), address="192.0.2.1"))
    assert profile.counts[facets.ADDRESS][once] == pytest.approx(0.5)
    profile.learn(replace(usual(90 + 7 * 90), address="192.0.2.1"))
    assert once not in profile.counts[facets.ADDRESS]


def test_a_sign_in_that_arrives_late_counts_for_what_it_is_worth_and_moves_nothing_back() -> None:
    profile = Profile.empty().learn(usual(90))
    profile.learn(replace(usual(0), address="192.0.2.1", place=replace(ISTANBUL, city="Izmir")))
    late = facets.key_of(facets.ADDRESS, "192.0.2.1")
    assert profile.counts[facets.ADDRESS][late] == pytest.approx(0.5)
    assert (profile.last_s, profile.last_place.city) == (START_S + 90 * DAY_S, "Istanbul")
    assert profile.first_s == START_S


@pytest.mark.parametrize("weight", [0.0, -1.0, float("nan"), float("inf")])
def test_a_weight_that_is_none_teaches_nothing(weight: float) -> None:
    assert Profile.empty().learn(usual(0), weight=weight).signins == 0


def test_a_device_remembers_where_and_as_what_it_was_last_seen() -> None:
    profile = learned(3)[0]
    device = profile.devices[facets.device_key("laptop")]
    assert device.network == facets.key_of(facets.NETWORK, "198.51.100.0/24")
    assert device.version == 126
    assert device.count == pytest.approx(3, abs=0.1)


def test_half_a_life_is_ninety_days() -> None:
    assert Profile.empty().learn(usual(0)).faded(START_S + HALF_LIFE_S) == 0.5


ENCODED = learned(5)[0].to_bytes()
