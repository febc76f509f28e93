"""Dates and times in the forms of the reader's language, region and zone."""

from datetime import UTC, datetime, timedelta

import pytest

from base.dates import find_zone, known_zones, name_language, reader_of, show_ago, show_day, show_moment

AT = datetime(2026, 7, 3, 22, 5, tzinfo=UTC)


@pytest.mark.parametrize(
    ("language", "locale", "zone", "moment", "day"),
    [
        ("en", None, None, "Jul 3, 2026, 10:05\u202fPM", "July 3, 2026"),
        ("en", "en-GB", "Europe/Istanbul", "4 Jul 2026, 01:05", "4 July 2026"),
        ("en", "en_GB", "Europe/Istanbul", "4 Jul 2026, 01:05", "4 July 2026"),
        ("tr", "tr", "Europe/Istanbul", "4 Tem 2026 01:05", "4 Temmuz 2026"),
        ("tr", "tr-TR", "America/New_York", "3 Tem 2026 18:05", "3 Temmuz 2026"),
        # The page speaks another language than the profile.
        ("tr", "en-GB", None, "3 Tem 2026 22:05", "3 Temmuz 2026"),
        ("en", "de-DE", None, "Jul 3, 2026, 10:05\u202fPM", "July 3, 2026"),
        ("en", "en-\x00", "Mars/Olympus", "Jul 3, 2026, 10:05\u202fPM", "July 3, 2026"),
        ("en", 7, ["UTC"], "Jul 3, 2026, 10:05\u202fPM", "July 3, 2026"),
    ],
)
def test_a_moment_is_written_as_the_reader_writes_it(
    language: str, locale: object, zone: object, moment: str, day: str
) -> None:
    reader = reader_of(language, locale=locale, zone=zone)
    assert (show_moment(AT, reader), show_day(AT, reader)) == (moment, day)


@pytest.mark.parametrize(
    ("ago", "english", "turkish"),
    [
        (timedelta(seconds=59), None, None),
        (timedelta(minutes=1), "1 minute ago", "1 dakika önce"),
        (timedelta(minutes=5), "5 minutes ago", "5 dakika önce"),
        (timedelta(hours=3), "3 hours ago", "3 saat önce"),
        (timedelta(days=1), "1 day ago", "1 gün önce"),
        (timedelta(days=40), "1 month ago", "1 ay önce"),
    ],
)
def test_how_long_ago_has_the_right_plural(ago: timedelta, english: str | None, turkish: str | None) -> None:
    assert show_ago(AT - ago, AT, reader_of("en")) == english
    assert show_ago(AT - ago, AT, reader_of("tr")) == turkish


@pytest.mark.parametrize("name", ["", "../../etc/passwd", "/etc/localtime", "Europe", "Europe/\x00", "x" * 5000, "."])
def test_what_names_no_zone_is_none(name: str) -> None:
    assert find_zone(name) is None
    assert reader_of("en", zone=name).zone_name == "UTC"


def test_the_zones_to_choose_from_all_exist() -> None:
    zones = known_zones()
    assert zones[0] == "UTC"
    assert {"Europe/Istanbul", "America/New_York", "Asia/Tokyo"} <= set(zones)
    assert [zone for zone in zones if find_zone(zone) is None] == []


def test_languages_are_called_as_their_speakers_call_them() -> None:
    assert [name_language(tag) for tag in ("en", "tr", "en-GB")] == ["English", "Türkçe", "English (United Kingdom)"]
