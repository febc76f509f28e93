"""Every signal has its sentence, in each language, with the same places in it."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

from risk.sentences import LOCALE, SENTENCES, sentence
from risk.values import Detail

SIGNALS = Path(__file__).parents[2] / "risk" / "signals"
PLACES = re.compile(r"\{(\w+)\}")


def test_every_id_that_a_signal_may_give_has_a_sentence() -> None:
    named = {
        found
        for path in SIGNALS.glob("*.py")
        for found in re.findall(r'"([a-z]+(?:_[a-z]+)+)"', path.read_text())
        if not found.endswith(("_s", "_activity"))
    }
    parts = {"km_h", "time_zone", "go-http"}
    assert named - parts <= set(SENTENCES)
    assert len(named & set(SENTENCES)) > 40


def test_every_sentence_is_translated_with_the_same_places() -> None:
    for path in LOCALE.glob("*.po"):
        with path.open("rb") as source:
            catalogue = {each.id: each.string for each in read_po(source) if each.id and not each.fuzzy}
        assert set(catalogue) == set(SENTENCES.values())
        for english, translated in catalogue.items():
            assert translated
            assert sorted(PLACES.findall(str(english))) == sorted(PLACES.findall(str(translated)))


def test_a_sentence_is_filled_in_both_languages() -> None:
    detail: Detail = {"km": 9000, "km_h": 18000, "minutes": 30, "from": "Istanbul", "to": "Sydney"}
    assert sentence("travel_impossible", detail) == (
        "9000 km from Istanbul to Sydney within 30 minutes (18000 km/h): faster than an airliner."
    )
    assert sentence("device_known", {}, "tr") == "Bu cihaz tanınıyor."
    assert sentence("device_known", {}, "xx") == "This device is known."


@pytest.mark.parametrize("bad", ["a\r\nb", "a\u2028b", "a\x1b[31mb"])
def test_what_others_sent_stays_on_one_line(bad: str) -> None:
    """S46"""
    told = sentence("city_new", {"city": bad})
    assert told.splitlines() == [told]
    assert "\x1b" not in told


def test_what_is_not_known_is_left_open_and_a_newer_id_is_shown_as_it_is() -> None:
    assert sentence("city_new", {}) == "A city that is new to this person: …."
    assert sentence("from_a_newer_version", {"x": 1}) == "from_a_newer_version"
