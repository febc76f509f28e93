"""The texts, numbers and moments of a report in the reader's language; times are UTC, and the report says so."""

from collections.abc import Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime, format_time
from babel.numbers import format_decimal, format_percent
from babel.support import Translations

from audit.reports.model import Cell, Kind
from base.pages import load_translations

FOLDER = Path(__file__).parent
DASH = "–"
# English dates with the day first and 24 hours: a report is read in many countries, and its times are compared.
_LOCALES = {"en": "en_GB"}
_MINUTE, _HOUR, _DAY = 60, 3600, 86400


class Words:
    """One language's texts and forms. `text` and `plural` translate English; what nobody translated stays English."""

    def __init__(self, language: str, translations: Translations) -> None:
        self.language = language
        self._translations = translations
        self._locale = Locale.parse(_LOCALES.get(language, language))

    def text(self, english: str, **facts: object) -> str:
        """The text with its facts in the places `{name}`; what stands in a fact is never looked at."""
        told = self._translations.gettext(english)
        return told.format_map(facts) if facts else told

    def plural(self, one: str, many: str, count: int, **facts: object) -> str:
        """The text for so many; `{count}` is the number as people write it."""
        told = self._translations.ngettext(one, many, count)
        return told.format_map({"count": self.number(count), **facts})

    def known(self, text: str) -> str:
        """A text that is no literal here, such as an event's sentence, where a translation is known."""
        return self._translations.gettext(text) if text else text

    def number(self, value: int | float) -> str:
        """Grouped as people write it, with at most one digit behind the comma."""
        return str(
            format_decimal(value, format="#,##0" if float(value).is_integer() else "#,##0.0", locale=self._locale)
        )

    def share(self, value: float) -> str:
        """A share of 0 to 1 in per cent."""
        pattern = "0.#" if 0 < value < 0.1 or 0.99 < value < 1 else "0"
        own = self._locale.percent_formats[None].pattern.replace("#,##0", pattern)
        return str(format_percent(value, format=own, locale=self._locale))

    def moment(self, at: datetime, *, seconds: bool = True) -> str:
        """Day and time in UTC, such as `22 Nov 2026, 16:05:11`."""
        at = at.astimezone(UTC)
        day = format_date(at.date(), "medium", locale=self._locale)
        return f"{day}, {format_time(at, 'HH:mm:ss' if seconds else 'HH:mm', locale=self._locale)}"

    def time(self, at: datetime) -> str:
        """The time of day in UTC, such as `16:05:11`."""
        return str(format_time(at.astimezone(UTC), "HH:mm:ss", locale=self._locale))

    def day(self, on: date) -> str:
        """The day in full, such as `Sunday, 22 November 2026`."""
        return str(format_date(on, "full", locale=self._locale))

    def short_day(self, on: date) -> str:
        """The day for an axis, such as `22 Nov`."""
        return str(format_datetime(datetime(on.year, on.month, on.day, tzinfo=UTC), "d MMM", locale=self._locale))

    def duration(self, seconds: float) -> str:
        """How long, in its two largest units: `3 min 5 s`."""
        if seconds < _MINUTE:
            return self.text("{seconds} s", seconds=self.number(round(seconds, 1)))
        whole = round(seconds)
        if whole < _HOUR:
            return self.text("{minutes} min {seconds} s", minutes=whole // _MINUTE, seconds=whole % _MINUTE)
        if whole < _DAY:
            return self.text("{hours} h {minutes} min", hours=whole // _HOUR, minutes=whole % _HOUR // _MINUTE)
        return self.text("{days} d {hours} h", days=self.number(whole // _DAY), hours=whole % _DAY // _HOUR)

    def span(self, length: timedelta) -> str:
        """A length of time as `duration` says it."""
        return self.duration(length.total_seconds())

    def cell(self, value: Cell, kind: Kind) -> str:
        """A value as it is shown; a dash where there is none."""
        if value is None or value == "":
            return DASH
        if kind == "moment" and isinstance(value, str):
            return self.moment(datetime.fromisoformat(value))
        if isinstance(value, str) or kind in ("text", "id", "code"):
            return str(value)
        if kind == "share":
            return self.share(value)
        return self.duration(value) if kind == "duration" else self.number(value)


def load_words(language: str, folders: Sequence[Path] = ()) -> Words:
    """The words of a language: those of reports, and of the rooms whose folders are given (`locale/<language>.po`)."""
    return Words(language, _load(language, (*folders, FOLDER)))


@lru_cache(maxsize=16)
def _load(language: str, folders: tuple[Path, ...]) -> Translations:
    return load_translations([folder / "locale" / f"{language}.po" for folder in folders])


def known_languages() -> tuple[str, ...]:
    """The languages that a report can speak."""
    return ("en", *sorted(path.stem for path in (FOLDER / "locale").glob("*.po")))
