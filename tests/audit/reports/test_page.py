"""The page: one file that needs nothing else, accessible by day and by night, as wide as a telephone."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest
from axe_playwright_python.async_playwright import Axe

import base
from audit.reports.page import page_policy, write_page
from audit.reports.words import load_words
from tests.audit.reports.hostile import hostile_report
from tests.audit.reports.small_log import make_small_log, number_and_sign, opened_report
from tests.browser.test_signin_pages import AXE_OPTIONS
from tests.browser_fixtures import NewVisit
from tests.world import World, open_world

pytestmark = pytest.mark.anyio
LOOKS = {
    "light": {"color_scheme": "light", "viewport": {"width": 1100, "height": 800}},
    "dark": {"color_scheme": "dark", "viewport": {"width": 1100, "height": 800}},
    "360 px": {"color_scheme": "light", "viewport": {"width": 360, "height": 740}},
    "320 px": {"color_scheme": "dark", "viewport": {"width": 320, "height": 256}},
}


@pytest.mark.parametrize("look", LOOKS.values(), ids=LOOKS.keys())
@pytest.mark.parametrize("is_hostile", [False, True], ids=["a day", "hostile texts"])
async def test_the_page_is_accessible_fits_and_runs_nothing(
    sqlite_url: Callable[[Path], str],
    tmp_path: Path,
    new_visit: NewVisit,
    look: dict[str, object],
    *,
    is_hostile: bool,
) -> None:
    """WCAG 2.2 AA by axe-core; reflow at 320 px (1.4.10); S49."""
    report, words = hostile_report(rows=20), load_words("en")
    if not is_hostile:
        async with open_world(sqlite_url(tmp_path), tmp_path) as world:
            await make_small_log(world)
            await number_and_sign(world)
            report, words = await opened_report(world, language="tr")
    file = tmp_path / "report.html"
    file.write_bytes(write_page(report, words))
    visit = await new_visit(**look)
    await visit.page.goto(file.as_uri())
    results = await Axe().run(visit.page, options=AXE_OPTIONS)
    found = [(rule["id"], [node["html"] for node in rule["nodes"]]) for rule in results.response["violations"]]
    assert found == []
    assert await visit.page.evaluate("document.documentElement.scrollWidth <= innerWidth")
    assert await visit.page.evaluate("window.broken") is None
    assert await visit.page.locator("h1").count() == 1
    # The style applies: nothing of the page was blocked by its own policy.
    assert await visit.page.evaluate("getComputedStyle(document.querySelector('section')).borderRadius") == "16px"
    visit.check_no_complaints()


async def test_the_page_asks_for_nothing_from_anywhere(world: World) -> None:
    await make_small_log(world)
    report, words = await opened_report(world)
    html = write_page(report, words).decode()
    assert re.findall(r"\b(?:src|href)=\"(?!#)[^\"]*\"", html) == []
    assert "url(" not in html
    assert "<script" not in html
    assert f'content="{page_policy().replace(chr(39), "&#39;")}"' in html
    for section in report.sections:
        assert f'id="{section.key}"' in html


def test_its_colours_are_those_of_every_page() -> None:
    own = (Path(__file__).parents[3] / "audit" / "templates" / "report.css").read_text()
    shared = (Path(str(base.__file__)).parent / "static" / "style.css").read_text()

    def tokens(style: str) -> list[dict[str, str]]:
        blocks = re.findall(r":root \{(.*?)\}", style, re.DOTALL)
        return [
            {name: value.replace("#fff", "#ffffff") if value == "#fff" else value
             for name, value in re.findall(r"(--[a-z-]+): (#[0-9a-f]+);", block)}
            for block in blocks[:2]
        ]  # fmt: skip

    for mine, theirs in zip(tokens(own), tokens(shared), strict=True):
        both = mine.keys() & theirs.keys()
        assert len(both) >= 8
        assert {name: mine[name] for name in both} == {name: theirs[name] for name in both}
