"""Events in plain words, in the language of whoever reads: for the console, mails and reports.

The English texts stand in the catalogue and in `audit.word_lists`; `locale/<language>.po` beside this file translates
them. A language that nobody translated is answered in English.
"""

from collections.abc import Callable, Mapping
from functools import lru_cache
from pathlib import Path

from audit.catalogue import all_types
from audit.reading import StoredEvent
from audit.record import Origin
from audit.word_lists import (
    ACTOR_WORDS,
    ERASED,
    FAMILY_WORDS,
    FIELD_LABELS,
    OUTCOME_WORDS,
    REASON_WORDS,
    RISK_LEVEL_WORDS,
    SEVERITY_WORDS,
    TRUTH_WORDS,
)
from base.languages import DEFAULT
from base.mail import one_line

LOCALE = Path(__file__).parent / "locale"
_MAX_VALUE = 200
_OURS = Origin().source
# What the intake itself puts among the fields of an event that another service sent.
_OF_THE_INTAKE = frozenset({"address", "message", "sender_id"})
# Where codes of ours stand.
_CODED = frozenset({"reason", "why", "effect"})
# Ciphers to a reader; they stay in the log and its exports.
_LEFT_OUT = frozenset({"typed_digest", "jti", "from_jti", "grant", "kid", "credential", "hint"})


def sentence(name: str, language: str = DEFAULT) -> str:
    """What happened, by the name of the event; a name that the catalogue does not know is given back as it is."""
    known = _sentences().get(name)
    return name if known is None else translate(known, language)


def describe(event: StoredEvent, language: str = DEFAULT, *, names: Mapping[str, str] | None = None) -> str:
    """The event's sentence, then who, about whom, from where and why, as far as that is known; always one line.

    `names` are what people call an id (`usr_…`, `cli_…`); an id without a name is shown as it is.
    """
    facts = "; ".join(f"{label}: {value}" for label, value in facts_of(event, language, names=names))
    said = sentence(event.name, language)
    end = f" {translate(ERASED, language)}" if event.personal is None else ""
    return f"{said} {facts}.{end}" if facts else said + end


def facts_of(
    event: StoredEvent, language: str = DEFAULT, *, names: Mapping[str, str] | None = None
) -> list[tuple[str, str]]:
    """What is known of an event, as labels and values for people; what is unknown or says nothing is left out.

    Fields that another service sent keep their own names after "data." or "personal.": no label of ours vouches for
    them.
    """
    known, personal = names or {}, event.personal or {}
    given: dict[str, object] = {
        "actor": known.get(event.actor) or translate(ACTOR_WORDS.get(event.actor, event.actor), language),
        "subject": event.subject and known.get(event.subject, event.subject),
        "client": event.client_id and known.get(event.client_id, event.client_id),
        **{_named(event, "personal", name): personal[name] for name in sorted(personal)},
        "place": place_word(event.place),
        "risk_score": risk_word(event, language),
        **{_named(event, "data", name): event.data[name] for name in sorted(event.data)},
    }
    if event.subject == event.actor:
        del given["subject"]
    told = {name: _shown(name, value, language) for name, value in given.items() if name not in _LEFT_OUT}
    return [(field_label(name, language), value) for name, value in told.items() if value]


def _named(event: StoredEvent, part: str, name: str) -> str:
    return name if event.source == _OURS or name in _OF_THE_INTAKE else f"{part}.{name}"


def family_word(family: str, language: str = DEFAULT) -> str:
    """The heading of a family."""
    return translate(FAMILY_WORDS.get(family, family), language)


def severity_word(severity: str, language: str = DEFAULT) -> str:
    """A severity in words."""
    return translate(SEVERITY_WORDS.get(severity, severity), language)


def outcome_word(outcome: str, language: str = DEFAULT) -> str:
    """An outcome in words."""
    return translate(OUTCOME_WORDS.get(outcome, outcome), language)


def risk_word(event: StoredEvent, language: str = DEFAULT) -> str:
    """An event's score with its level, such as `72 (high)`; empty where it has none."""
    if event.risk_score is None:
        return ""
    level = translate(RISK_LEVEL_WORDS.get(event.risk_level or "", event.risk_level or ""), language)
    return f"{event.risk_score} ({level})" if level else str(event.risk_score)


def place_word(place: object) -> str:
    """An event's place, such as `Ankara, TR (AS64500 Example Net)`, as far as it is known; empty where nothing is."""
    if not isinstance(place, Mapping):
        return ""
    where = ", ".join(each for name in ("city", "country") if isinstance(each := place.get(name), str))
    number, name = place.get("asn"), place.get("network_name")
    network = " ".join(str(each) for each in (f"AS{number}" if isinstance(number, int) else None, name) if each)
    return " ".join(filter(None, (where, f"({network})" if network else "")))


def field_label(name: str, language: str = DEFAULT) -> str:
    """What a field is called; one that has no label keeps its name."""
    return translate(FIELD_LABELS.get(name, name), language)


def reason_word(reason: str, language: str = DEFAULT) -> str:
    """A code of `reason` or `why` in words; a text that is no code is given back as it is."""
    return translate(REASON_WORDS.get(reason, reason), language)


def translate(text: str, language: str) -> str:
    """One of this room's English texts in the language."""
    # An empty text would be answered with the catalogue's own head.
    return text if not text or language == DEFAULT else _gettext(language)(text)


def _shown(name: str, value: object, language: str) -> str:
    match value:
        case None:
            return ""
        case bool():
            return translate(TRUTH_WORDS[value], language)
        case list() | tuple():
            return _short(", ".join(filter(None, (_shown(name, each, language) for each in value))))
        case Mapping():
            return _short(", ".join(f"{inner} {_shown(inner, each, language)}" for inner, each in value.items()))
        case _:
            # Only these hold codes of ours; elsewhere the same letters may be what somebody typed.
            return _short(reason_word(str(value), language) if name in _CODED else str(value))


def _short(text: str) -> str:
    line = one_line(text)
    return line if len(line) <= _MAX_VALUE else line[: _MAX_VALUE - 1] + "…"


@lru_cache(maxsize=1)
def _sentences() -> dict[str, str]:
    return {name: kind.sentence for name, kind in all_types().items()}


@lru_cache(maxsize=16)
def _gettext(language: str) -> Callable[[str], str]:
    # Exporters need English alone, and the libraries behind the catalogues take long to load.
    from base.pages import load_translations

    # Only the name of a file that stands there already is ever made a path.
    return load_translations([path for path in LOCALE.glob("*.po") if path.stem == language]).gettext
