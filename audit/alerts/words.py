"""Every word that an alert says, in English; `locale/<language>.po` translates them, and those of the rules."""

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from functools import lru_cache
from pathlib import Path

from babel.dates import format_datetime
from babel.support import NullTranslations

from audit.alerts.advice import ADVICE, TITLES
from audit.alerts.rules import BY_NAME
from audit.alerts.values import Purpose
from base.pages import load_translations

LOCALE = Path(__file__).parent / "locale"

# What stands around the title where more is to be said than that it happened.
BEGINNINGS: Mapping[Purpose, str] = {
    Purpose.ESCALATED: "Nobody has answered: %(title)s",
    Purpose.ACKNOWLEDGED: "Somebody looks after it: %(title)s",
    Purpose.OVER: "It is over: %(title)s",
}
LABELS: Mapping[str, str] = {
    "account": "Account",
    "accounts": "Last account",
    "by": "By",
    "address": "From",
    "label": "Device",
    "client": "Application",
    "source": "Service",
    "since": "Since",
    "last_at": "Last",
    "at": "When",
    "count": "How often",
    "log": "In the log",
    "taken_by": "Looked after by",
}
MANY = "Many at once: %(title)s"
TIMES_AND_MORE = "%(count)s times so far"
NUMBERS = "number %(first)s"
NUMBERS_FROM = "numbers %(first)s to %(last)s"
ERASED = "erased since"
WHAT_NOW = "What to do now"
SHOW = "See what happened"
ACKNOWLEDGE = "Say that you look after it, so that nobody else is called"
MADE_BY = "%(service)s sent this because an alert was set up for it. Nobody reads an answer."
_OTHERS = (MANY, TIMES_AND_MORE, NUMBERS, NUMBERS_FROM, ERASED, WHAT_NOW, SHOW, ACKNOWLEDGE, MADE_BY)


def texts() -> Iterator[str]:
    """Every English text that people read in an alert."""
    yield from (text for rule in BY_NAME.values() for text in (rule.title, rule.advice))
    yield from TITLES.values()
    yield from ADVICE.values()
    yield from BEGINNINGS.values()
    yield from LABELS.values()
    yield from _OTHERS


def say(text: str, language: str, **values: object) -> str:
    """A text in the language, with its values."""
    said = str(_translations(language).gettext(text))
    return said % values if values else said


def show_instant(at: datetime, language: str) -> str:
    """A moment as people write it, in UTC, which is said."""
    return format_datetime(at.astimezone(UTC), "d MMMM y, HH:mm:ss", locale=language) + " UTC"


def languages() -> frozenset[str]:
    """The languages that alerts can speak."""
    return frozenset({"en", *(path.stem for path in LOCALE.glob("*.po"))})


@lru_cache(maxsize=8)
def _translations(language: str) -> NullTranslations:
    # Only the name of a file that stands there already is ever made a path.
    known = {path.stem: path for path in LOCALE.glob("*.po")}
    return load_translations([known[language]]) if language in known else NullTranslations()
