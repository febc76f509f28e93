"""The words of reports: all in Turkish, numbers and times as people write them."""

import ast
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest
from babel.messages.pofile import read_po

import audit.reports
import identity
from audit.reports.display import change_of
from audit.reports.model import Figure
from audit.reports.words import known_languages, load_words
from server.reporting import report_sections

ROOM = Path(str(audit.reports.__file__)).parent
IDENTITY = Path(str(identity.__file__)).parent


def sentences(paths: list[Path]) -> Iterator[tuple[str, ...]]:
    """The English of every `words.text(…)` and `words.plural(…)`; each must be written there as it is."""
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                count = {"text": 1, "plural": 2}.get(node.func.attr)
                told = node.func.value
                is_ours = (isinstance(told, ast.Name) and told.id in ("words", "self")) or (
                    isinstance(told, ast.Attribute) and told.attr in ("words", "_words")
                )
                if count and is_ours:
                    yield tuple(ast.literal_eval(argument) for argument in node.args[:count])


def translated(path: Path) -> dict[str, list[str]]:
    """What a catalogue translates, with what it makes of it."""
    told: dict[str, list[str]] = {}
    with path.open("rb") as source:
        for message in read_po(source):
            key = message.id if isinstance(message.id, str) else message.id[0]
            told[key] = [message.string] if isinstance(message.string, str) else list(message.string or ())
    return told


def test_every_text_of_this_room_is_translated_to_turkish_and_none_is_left_over() -> None:
    said = {sentence[0] for sentence in sentences(sorted(ROOM.rglob("*.py")))}
    told = translated(ROOM / "locale" / "tr.po")
    assert said - set(told) == set()
    assert set(told) - said == {""}
    assert [key for key, texts in told.items() if key and not all(texts)] == []
    for key, texts in told.items():
        places = {part.split("}")[0] for part in key.split("{")[1:]}
        assert key == "" or all({part.split("}")[0] for part in each.split("{")[1:]} == places for each in texts), key


def test_the_sections_of_other_rooms_are_translated_where_they_are_written() -> None:
    said = {sentence[0] for sentence in sentences([IDENTITY / "report_sections.py"])}
    told = translated(IDENTITY / "locale" / "tr.po")
    assert len(said) > 20
    assert {text for text in said if not all(told.get(text, [""]))} == set()


def test_numbers_times_and_lengths_are_written_as_people_write_them() -> None:
    english, turkish = (load_words(language, report_sections().folders) for language in ("en", "tr"))
    at = datetime(2026, 11, 2, 16, 5, 7, tzinfo=UTC)
    assert (english.number(1234567), turkish.number(1234567)) == ("1,234,567", "1.234.567")
    assert (english.number(1.25), turkish.number(1.25)) == ("1.2", "1,2")
    assert (english.share(0.256), turkish.share(0.256)) == ("26%", "%26")
    assert (english.share(0.0123), english.share(0), english.share(1), english.share(0.999)) == (
        "1.2%", "0%", "100%", "99.9%",
    )  # fmt: skip
    assert (english.moment(at), turkish.moment(at)) == ("2 Nov 2026, 16:05:07", "2 Kas 2026, 16:05:07")
    assert (english.day(at.date()), turkish.day(at.date())) == ("Monday, 2 November 2026", "2 Kasım 2026 Pazartesi")
    assert [english.duration(seconds) for seconds in (0.25, 59, 61, 3661, 90000)] == [
        "0.2 s", "59 s", "1 min 1 s", "1 h 1 min", "1 d 1 h",
    ]  # fmt: skip
    assert turkish.duration(61) == "1 dk 1 sn"
    assert (english.cell(None, "number"), english.cell("", "text"), english.cell(0, "number")) == ("–", "–", "0")
    assert known_languages() == ("en", "tr")
    assert english.text("{first} to {last}", first="{last}", last="b") == "{last} to b"


@pytest.mark.parametrize(
    ("value", "before", "kind", "rising", "said", "tone"),
    [
        (120, 100, "number", "bad", "+20% (before: 100)", "bad"),
        (80, 100, "number", "bad", "−20% (before: 100)", "good"),
        (80, 100, "number", "neither", "−20% (before: 100)", "neither"),
        (100, 100, "number", "bad", "unchanged", "neither"),
        (5, 0, "number", "bad", "before: 0", "bad"),
        (0, 5, "number", "bad", "−100% (before: 5)", "good"),
        (1000, 3, "number", "good", "before: 3", "good"),
        (0.041, 0.02, "share", "bad", "+2.1 points", "bad"),
        (5, None, "number", "bad", "", "neither"),
        (None, 5, "number", "bad", "", "neither"),
    ],
)
def test_a_change_is_said_in_words_and_judged(
    value: float | None, before: float | None, kind: str, rising: str, said: str, tone: str
) -> None:
    figure = Figure(key="x", label="X", value=value, before=before, kind=kind, rising=rising)  # type: ignore[arg-type]
    assert change_of(figure, load_words("en")) == (said, tone)
