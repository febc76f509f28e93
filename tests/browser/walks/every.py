"""All journeys, and the table of their pages."""

from __future__ import annotations

from tests.browser.walks import account, demo, links, risky, signin
from tests.browser.walks.walk import LANGUAGES, THEMES, WIDTHS, Journey

EVERY: tuple[Journey, ...] = (
    *signin.JOURNEYS,
    *risky.JOURNEYS,
    *links.JOURNEYS,
    *account.JOURNEYS,
    *demo.JOURNEYS,
)
PICTURED = tuple(journey for journey in EVERY if journey.is_pictured)


def file_of(page: str, language: str, theme: str, width: int) -> str:
    """The name of a page's picture."""
    return f"{page}-{language}-{theme}-{width}.webp"


def table() -> str:
    """Page by page, a link to each of its pictures."""
    looks = [(language, theme) for language in LANGUAGES for theme in THEMES]
    head = ["journey", "page", *(f"{LANGUAGES[language]}, {theme}" for language, theme in looks)]
    rows = [head, ["---"] * len(head)]
    for journey in PICTURED:
        for page, words in journey.pages.items():
            cells = [
                " · ".join(f"[{width}]({file_of(page, language, theme, width)})" for width in WIDTHS)
                for language, theme in looks
            ]
            rows.append([journey.name, f"`{page}`: {words}", *cells])
    return "".join("| " + " | ".join(row) + " |\n" for row in rows)
