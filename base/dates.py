"""Dates and times as whoever reads a page expects them: in the forms of their language, in their time zone.

Where nobody knows the zone, times are in UTC, and the page says so.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo
from functools import lru_cache
from zoneinfo import ZoneInfo, available_timezones

from babel import Locale, UnknownLocaleError
from babel.dates import DateTimePattern, format_date, format_timedelta, parse_pattern

_CONTINENTS = frozenset("Africa America Antarctica Arctic Asia Atlantic Australia Europe Indian Pacific".split())
_SHORTEST = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class Reader:
    """Who reads a page: the locale whose forms they know, and their time zone, None where nobody knows it."""

    locale: str = "en"
    zone: str | None = None

    @property
    def zone_name(self) -> str:
        """The zone of the times on the page, as it is shown to people."""
        return (self.zone or "UTC").replace("_", " ")


def reader_of(language: str, *, locale: object = None, zone: object = None) -> Reader:
    """The reader of a page in `language`, with what a profile says of locale and zone, which may be any text.

    Of the locale only the region counts: a page in English has British dates for `en-GB`, and none in German.
    """
    tag = locale.replace("_", "-") if isinstance(locale, str) and len(locale) <= 35 else ""
    fitting = tag if tag.lower().partition("-")[0] == language and _find_locale(tag) else language
    return Reader(fitting, zone if isinstance(zone, str) and find_zone(zone) else None)


def find_zone(name: str) -> ZoneInfo | None:
    """The time zone of this IANA name, or None."""
    try:
        return ZoneInfo(name)
    # What is no name of a zone may be the name of a folder, or climb out of one.
    except (KeyError, ValueError, OSError):
        return None


@lru_cache(maxsize=1)
def known_zones() -> tuple[str, ...]:
    """The zones that a person can choose, UTC first. The first call reads them from the disk."""
    cities = {name for name in available_timezones() if name.partition("/")[0] in _CONTINENTS}
    return ("UTC", *sorted(cities))


def name_language(tag: str) -> str:
    """What a language is called by those who speak it."""
    locale = _load_locale(tag)
    return str(locale.get_display_name(locale)).title()


def show_moment(at: datetime, reader: Reader) -> str:
    """Day and time, such as `3 Jul 2026, 16:05`."""
    locale = _load_locale(reader.locale)
    return _moment_pattern(reader.locale).apply(at.astimezone(_zone_of(reader)), locale)


def show_day(at: datetime, reader: Reader) -> str:
    """The day, such as `3 July 2026`."""
    return format_date(at.astimezone(_zone_of(reader)).date(), "long", _load_locale(reader.locale))


def show_ago(at: datetime, now: datetime, reader: Reader) -> str | None:
    """How long ago, such as `3 hours ago`; None within the last minute, where a page has words of its own."""
    if now - at < _SHORTEST:
        return None
    return format_timedelta(at - now, granularity="minute", add_direction=True, locale=_load_locale(reader.locale))


def _zone_of(reader: Reader) -> tzinfo:
    return (reader.zone and find_zone(reader.zone)) or UTC


@lru_cache(maxsize=64)
def _find_locale(tag: str) -> Locale | None:
    try:
        return Locale.parse(tag, sep="-")
    except (ValueError, UnknownLocaleError):
        return None


def _load_locale(tag: str) -> Locale:
    return _find_locale(tag) or Locale("en")


@lru_cache(maxsize=64)
def _moment_pattern(tag: str) -> DateTimePattern:
    locale = _load_locale(tag)
    parts = {"{1}": locale.date_formats["medium"].pattern, "{0}": locale.time_formats["short"].pattern}
    whole = str(locale.datetime_formats["medium"])
    for mark, pattern in parts.items():
        whole = whole.replace(mark, pattern)
    return parse_pattern(whole)


# For templates: `{{ at|moment(reader) }}`, `{{ at|day(reader) }}`, `{{ at|ago(now, reader) }}`.
FILTERS: Mapping[str, Callable[..., str | None]] = {"moment": show_moment, "day": show_day, "ago": show_ago}
