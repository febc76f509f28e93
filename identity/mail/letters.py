"""Letters in words: the same sentences as plain text and as HTML, in the reader's language.

A template `mail_<kind>.txt` says the sentences to a `Draft`, as plain text; only the frame around them makes HTML of
them, and escapes everything. Nothing in a letter is fetched from anywhere, and nothing in it tells who read it.
"""

import textwrap
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import Literal

from babel.dates import format_datetime
from babel.support import Translations
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from base.languages import DEFAULT
from base.mail import one_line
from base.pages import load_translations
from identity.country_names import country_name
from identity.mail.letter_values import FIGURES, Fact, Letter

_HERE = Path(__file__).parent
_WIDTH = 72
_MAX_FOREIGN = 80


@dataclass(frozen=True, slots=True)
class Block:
    """A piece of a letter: `rows` belong to details, `url` to a button or a link."""

    kind: Literal["text", "button", "link", "code", "details"]
    text: str = ""
    url: str = ""
    rows: tuple[tuple[str, str], ...] = ()


@dataclass(slots=True)
class Draft:
    """What a template writes a letter into; each method gives the template nothing to print."""

    subject: str = ""
    blocks: list[Block] = field(default_factory=list)

    def title(self, text: str) -> str:
        """The subject, which is the letter's heading too."""
        self.subject = one_line(text)
        return ""

    def say(self, text: str) -> str:
        """A paragraph."""
        return self._add(Block("text", one_line(text)))

    def button(self, text: str, url: str) -> str:
        """What the letter is for, with its address in plain sight."""
        return self._add(Block("button", one_line(text), url=url))

    def link(self, text: str, url: str) -> str:
        """A second way, less loud."""
        return self._add(Block("link", one_line(text), url=url))

    def code(self, text: str) -> str:
        """A code to type."""
        return self._add(Block("code", one_line(text)))

    def details(self, rows: Mapping[str, str | None]) -> str:
        """Facts beside their names; those that are not known are left out."""
        return self._add(Block("details", rows=tuple((name, one_line(text)) for name, text in rows.items() if text)))

    def _add(self, block: Block) -> str:
        self.blocks.append(block)
        return ""


@dataclass(frozen=True, slots=True)
class Written:
    """A letter in words."""

    subject: str
    text: str
    html: str
    blocks: tuple[Block, ...]


class LetterWriter:
    """Puts letters into words for one deployment; made once, since it reads templates and translations."""

    def __init__(self, *, service_name: str, issuer: str) -> None:
        self._service_name, self._issuer = service_name, issuer
        languages = {DEFAULT, *(path.stem for path in (_HERE / "locale").glob("*.po"))}
        catalogues = {language: load_translations([_HERE / "locale" / f"{language}.po"]) for language in languages}
        self._words = {language: _environment(each, autoescape=False) for language, each in catalogues.items()}
        self._frames = {language: _environment(each, autoescape=True) for language, each in catalogues.items()}

    def write(self, letter: Letter) -> Written:
        """The letter's subject and both of its bodies."""
        draft = Draft()
        shared = {"service": self._service_name, "issuer": self._issuer}
        # What a template may ask for by name, told or not.
        names = ("name", "browser", "address", "label", "code", "until", "new_email", "added", "removed", "country")
        unknown = dict.fromkeys((*names, *FIGURES))
        facts = {name: _shown(value) for name, value in letter.facts.items()}
        words = self._words[letter.language]
        words.get_template(f"mail_{letter.kind}.txt").render(
            **unknown | facts | shared,
            letter=draft,
            show=partial(show_instant, language=letter.language),
            show_day=partial(show_day, language=letter.language),
            show_country=partial(country_name, language=letter.language),
        )
        frame = self._frames[letter.language].get_template("mail_frame.html")
        html = frame.render(**shared, language=letter.language, subject=draft.subject, blocks=draft.blocks)
        return Written(draft.subject, _plain(draft), html, tuple(draft.blocks))


def show_instant(at: datetime, *, language: str) -> str:
    """A moment as people write it, in UTC, which is said."""
    return format_datetime(at.astimezone(UTC), "d MMMM y, HH:mm", locale=language) + " UTC"


def show_day(at: datetime, *, language: str) -> str:
    """The day of a moment, in UTC."""
    return format_datetime(at.astimezone(UTC), "EEEE, d MMMM y", locale=language)


def _shown(value: Fact) -> Fact:
    # Links are ours and long; a name that goes on for a page is neither.
    if not isinstance(value, str) or "://" in value:
        return value
    return textwrap.shorten(one_line(value), _MAX_FOREIGN, placeholder="…") if len(value) > _MAX_FOREIGN else value


def _plain(draft: Draft) -> str:
    return "\n\n".join(filter(None, map(_plain_block, draft.blocks))) + "\n"


def _plain_block(block: Block) -> str:
    match block.kind:
        case "text":
            return textwrap.fill(block.text, _WIDTH, break_long_words=False, break_on_hyphens=False)
        case "button" | "link":
            return f"{block.text}:\n{block.url}"
        case "code":
            return f"    {block.text}"
        case "details":
            return "\n".join(f"{name}: {text}" for name, text in block.rows)


def _environment(translations: Translations, *, autoescape: bool) -> Environment:
    environment = Environment(
        loader=FileSystemLoader(_HERE / "templates"),
        autoescape=autoescape,  # noqa: S701 - the sentences are plain text; the frame, which makes HTML, escapes them
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        auto_reload=False,
        extensions=["jinja2.ext.i18n"],
    )
    environment.install_gettext_translations(translations, newstyle=True)  # type: ignore[attr-defined]
    environment.policies["ext.i18n.trimmed"] = True
    return environment
