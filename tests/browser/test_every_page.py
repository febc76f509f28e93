"""Every page that a person can meet: accessible, as wide as the window, quiet, in both languages, by day and night."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe
from playwright.async_api import Browser, Page, ViewportSize, expect

from tests.browser.test_signin_pages import AXE_OPTIONS
from tests.browser.walks.every import EVERY, PICTURED, file_of, table
from tests.browser.walks.walk import LANGUAGES, THEMES, WIDTHS, Journey, begun
from tests.databases import Databases
from tests.test_layout import ROOT

PICTURES = ROOT / "docs" / "screenshots"
MOST_BYTES = 6 * 1024**2
# Chromium writes a line for every answer of 400 and above; the walks provoke them.
ANSWERED = "Failed to load resource: the server responded with a status of 4"
# Each page once in each theme; contrast is the same in both languages and widths, and the rest differs by one of them.
AXE_AT = {("en", "light"): 1200, ("tr", "dark"): 360}
FAULTS = """page => {
    const faults = [];
    if (document.documentElement.scrollWidth > innerWidth) faults.push("wider than the window");
    if (document.querySelectorAll("h1").length !== 1) faults.push("not one first heading");
    for (const each of document.querySelectorAll(".button"))
        if (each.scrollWidth > each.clientWidth + 1) faults.push("does not fit: " + each.textContent.trim());
    return faults;
}"""


async def _check(page: Page, name: str, language: str) -> None:
    # A page that is still arriving has no root element yet.
    await expect(page.locator("html")).to_have_attribute("lang", language)
    for theme in THEMES:
        await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
        for width in WIDTHS:
            await page.set_viewport_size(ViewportSize(width=width, height=WIDTHS[width]))
            assert await page.evaluate(FAULTS) == [], (name, language, theme, width)
            if AXE_AT.get((language, theme)) == width:
                results = await Axe().run(page, options={**AXE_OPTIONS, "resultTypes": ["violations"]})
                found = [
                    (rule["id"], [node["html"] for node in rule["nodes"]]) for rule in results.response["violations"]
                ]
                assert found == [], (name, language, theme, width)


@pytest.mark.anyio
@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize("journey", EVERY, ids=lambda journey: journey.name)
async def test_every_page_of_a_journey_is_accessible_fits_and_complains_of_nothing(
    journey: Journey, language: str, browser: Browser, databases: Databases, tmp_path: Path
) -> None:
    """WCAG 2.2 AA by axe-core, reflow at 360 px (1.4.10), S9."""

    async def look(page: Page, name: str) -> None:
        await _check(page, name, language)

    async with begun(journey, browser, databases, tmp_path, language=language, look=look) as walk:
        await journey.steps(walk)
        assert sorted(walk.seen) == sorted(journey.pages)
        walk.visit.check_no_complaints()
        assert [words for words in walk.visit.console_errors if not words.startswith(ANSWERED)] == []


def test_the_table_of_pictures_is_that_of_the_walks() -> None:
    readme = (PICTURES / "README.md").read_text()
    assert readme.endswith(table()), "run python -m tests.browser.screenshots docs/screenshots"


def test_every_page_has_its_pictures_and_no_other_lies_there() -> None:
    names = [page for journey in EVERY for page in journey.pages]
    assert len(names) == len(set(names)), "two pages have one name"
    expected = {
        file_of(name, language, theme, width)
        for journey in PICTURED
        for name in journey.pages
        for language in LANGUAGES
        for theme in THEMES
        for width in WIDTHS
    }
    pictures = set(PICTURES.glob("*.webp"))
    assert {path.name for path in pictures} == expected
    assert all(path.read_bytes()[8:12] == b"WEBP" for path in pictures)
    assert sum(path.stat().st_size for path in pictures) < MOST_BYTES
