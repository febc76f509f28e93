"""The words of every letter: in two languages, as text and as HTML, with everything foreign in them inert."""

from collections.abc import Iterator
from datetime import UTC, datetime
from html.parser import HTMLParser
from pathlib import Path

import pytest
from babel.messages.pofile import read_po
from jinja2.ext import babel_extract

import identity.mail
from identity.mail.letter_values import LINKS, SHAPES, Fact, Letter, LetterKind, Notice, check_facts
from identity.mail.letters import LetterWriter, Written, show_instant
from tests.world import ISSUER

ROOM = Path(str(identity.mail.__file__)).parent
AT = datetime(2026, 7, 3, 16, 5, tzinfo=UTC)
HOSTILE = "</td><script>alert(1)</script>{{ 7 * 7 }} %(name)s %s\r\nBcc: eve@example.com\u2028\"'"
LANGUAGES = ("en", "tr")


def facts_of(kind: str, *, whole: bool = True) -> dict[str, Fact]:
    """Facts of each name that the letter declares, or only those that it needs."""
    shape = SHAPES[kind]
    declared = {**shape.needed, **(shape.known if whole else {})}
    texts = {"method": "totp", "code": "123456"} | {name: f"{ISSUER}/{name}/olk_{name}" for name in LINKS}
    values: dict[type, Fact] = {datetime: AT, int: 3}
    return {name: values.get(type_, texts.get(name, f"the {name}")) for name, type_ in declared.items()}


def write(kind: str, language: str = "en", **facts: Fact) -> Written:
    writer = LetterWriter(service_name="Example", issuer=ISSUER)
    return writer.write(Letter(kind, "ada@example.com", language, {**facts_of(kind), **facts}))


class Page(HTMLParser):
    """What a mail program would make of the HTML."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words = ""
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words += data


def test_there_are_words_for_every_kind_and_no_others() -> None:
    assert set(SHAPES) == {*LetterKind, *Notice}
    named = {path.stem.removeprefix("mail_") for path in (ROOM / "templates").glob("*.txt")}
    assert named == {*SHAPES, "parts"}


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("kind", list(SHAPES))
def test_text_and_html_say_the_same_and_nothing_is_fetched(kind: str, language: str) -> None:
    letter = write(kind, language)
    page = Page(letter.html)
    assert page.tags[0] == ("html", {"lang": language})
    assert letter.subject == letter.subject.strip() != ""
    for block in letter.blocks:
        for words in (block.text, *(word for row in block.rows for word in row)):
            assert words in page.words, words
            assert words.split()[:1] == [] or words.split()[0] in letter.text
    links = [str(value) for name, value in facts_of(kind).items() if name in LINKS]
    assert {attributes["href"] for tag, attributes in page.tags if tag == "a"} == set(links)
    assert [link for link in links if f"\n{link}\n" not in letter.text] == []
    assert {tag for tag, _ in page.tags} <= {
        "html", "head", "meta", "title", "style", "body", "div", "h1", "p", "a", "br", "table", "tr", "th", "td",
    }  # fmt: skip
    for forbidden in ("src=", "url(", "@import", "http://", "onclick"):
        assert forbidden not in letter.html
    assert max(map(len, letter.text.splitlines())) <= max(72, *(map(len, links or [""])))


@pytest.mark.parametrize("kind", list(SHAPES))
def test_a_letter_that_knows_only_what_it_needs_has_no_gaps(kind: str) -> None:
    writer = LetterWriter(service_name="Example", issuer=ISSUER)
    letter = writer.write(Letter(kind, "ada@example.com", "en", facts_of(kind, whole=False)))
    assert "None" not in letter.text + Page(letter.html).words
    assert [name for block in letter.blocks for name, text in block.rows if not text] == []
    assert letter.text.startswith("Hello,\n")


@pytest.mark.parametrize("kind", [kind for kind in SHAPES if {"name", "label"} & set(SHAPES[kind].known)])
def test_foreign_words_stay_words(kind: str) -> None:
    """S46, S49: they begin no line, no tag and no header."""
    foreign = {name: HOSTILE for name in ("name", "label", "browser", "address") if name in SHAPES[kind].known}
    letter = write(kind, **foreign)
    page = Page(letter.html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert not any(line.startswith("Bcc:") for line in letter.text.splitlines())
    assert "\u2028" not in letter.text + letter.html
    assert "\n" not in letter.subject
    assert "</td><script>alert(1)</script>{{ 7 * 7 }} %(name)s" in page.words


def test_a_name_that_goes_on_for_a_page_is_cut() -> None:
    letter = write(Notice.LOCKED, name="a very long name " * 40)
    assert "…," in letter.text
    assert len(letter.text) < 1500


def test_every_sentence_is_translated_to_turkish_and_none_is_left_over() -> None:
    with (ROOM / "locale" / "tr.po").open("rb") as source:
        catalogue = read_po(source)
    told = {}
    for message in catalogue:
        key = message.id if isinstance(message.id, str) else message.id[0]
        texts = [message.string] if isinstance(message.string, str) else list(message.string or ())
        told[key] = texts
        assert [list(message.check(catalogue))] == [[]], message.id
        assert message.id == "" or all(texts), message.id
    said = set(sentences())
    assert said - set(told) == set()
    assert set(told) - said == {""}


def sentences() -> Iterator[str]:
    for path in sorted((ROOM / "templates").iterdir()):
        with path.open("rb") as source:
            options = {"trimmed": "true", "newstyle_gettext": "true"}
            for _, _, message, _ in babel_extract(source, ("_", "gettext", "ngettext"), (), options):
                yield str(message[0] if isinstance(message, tuple) else message)


def test_numbers_and_dates_follow_the_language() -> None:
    assert "You have 1 backup code left." in write(Notice.BACKUP_CODE_USED, left=1).text
    assert "You have 3 backup codes left." in write(Notice.BACKUP_CODE_USED, left=3).text
    assert "You have 0 backup codes left." in write(Notice.BACKUP_CODE_USED, left=0).text
    assert "1 yedek kodunuz kaldı." in write(Notice.BACKUP_CODE_USED, "tr", left=1).text
    assert "until 3 July 2026, 16:05 UTC." in write(LetterKind.INVITE).text
    assert "son kullanma: 3 Temmuz 2026, 16:05 UTC." in write(LetterKind.INVITE, "tr").text
    assert show_instant(AT, language="tr") == "3 Temmuz 2026, 16:05 UTC"


@pytest.mark.parametrize(
    ("method", "words"), [("totp", "an authenticator app"), ("passkey_bound", "a passkey"), ("pwd", "a password")]
)
def test_factors_have_names_that_people_know(method: str, words: str) -> None:
    assert words in write(Notice.FACTOR_REMOVED, method=method).text


def test_a_letter_to_an_unproven_address_has_no_room_for_a_strangers_words() -> None:
    """Nobody can make the server carry their advertisement to anybody."""
    for kind in (LetterKind.INVITE, LetterKind.VERIFY, LetterKind.REGISTER, LetterKind.ALREADY_REGISTERED):
        assert set(SHAPES[kind].needed) | set(SHAPES[kind].known) <= {"link", "expires_at"}


@pytest.mark.parametrize(
    ("facts", "fault"),
    [
        ({"expires_at": AT}, "link is missing"),
        ({"link": f"{ISSUER}/x", "expires_at": AT, "secret": "x"}, "secret is not declared"),
        ({"link": f"{ISSUER}/x", "expires_at": "tomorrow"}, "expires_at must be datetime"),
        ({"link": "https://evil.example/x", "expires_at": AT}, "link must be an address under the issuer"),
        ({"link": f"{ISSUER}.evil.example/x", "expires_at": AT}, "link must be an address under the issuer"),
    ],
)
def test_a_letter_that_would_be_wrong_is_refused_where_it_is_promised(facts: dict[str, Fact], fault: str) -> None:
    """S27: links lead to the configured issuer alone."""
    with pytest.raises(ValueError, match=fault):
        check_facts(LetterKind.INVITE, facts, issuer=ISSUER)
