"""Takes a picture of every page in every look: `python -m tests.browser.screenshots FOLDER [JOURNEY …]`.

A page is one picture for each language, theme and width. Whoever changed a page opens its pictures and looks at them.
The table in FOLDER/README.md is written anew; journeys are told by words of their names, all where none is given.
"""

from __future__ import annotations

import asyncio
import base64
import sys
import tempfile
from pathlib import Path

from playwright.async_api import Browser, Page, ViewportSize, async_playwright

from tests.browser.walks.every import PICTURED, file_of, table
from tests.browser.walks.walk import LANGUAGES, THEMES, WIDTHS, Journey, begun
from tests.browser_fixtures import ARGUMENTS
from tests.databases import Databases
from tests.services import find_chromium
from tests.shared_run import SharedRun

QUALITY = 15
# The wide pictures are read on a screen that is wide, too; smaller ones keep the repository light.
SCALES = {360: 1.0, 1200: 0.625}
MARK = "<!-- table -->\n"


async def take(page: Page, path: Path, scale: float) -> None:
    """One picture of the whole page; as WebP, since a picture of PNG has several times its bytes."""
    session = await page.context.new_cdp_session(page)
    size = (await session.send("Page.getLayoutMetrics"))["cssContentSize"]
    clip = {"x": 0, "y": 0, "width": size["width"], "height": size["height"], "scale": scale}
    options = {"format": "webp", "quality": QUALITY, "captureBeyondViewport": True, "clip": clip}
    taken = await session.send("Page.captureScreenshot", options)
    path.write_bytes(base64.b64decode(taken["data"]))


async def take_all(page: Page, folder: Path, name: str, language: str) -> None:
    """The pictures of a page in every theme and width."""
    await page.evaluate("scrollTo(0, 0)")
    for width, height in WIDTHS.items():
        await page.set_viewport_size(ViewportSize(width=width, height=height))
        for theme in THEMES:
            await page.emulate_media(color_scheme="dark" if theme == "dark" else "light")
            await take(page, folder / file_of(name, language, theme, width), SCALES[width])


async def walk_all(browser: Browser, folder: Path, journeys: list[Journey], databases: Databases) -> None:
    """Every journey in every language, one after the other."""
    for journey in journeys:
        for language in LANGUAGES:

            async def look(page: Page, name: str, language: str = language) -> None:
                await take_all(page, folder, name, language)

            with tempfile.TemporaryDirectory() as data:
                opening = begun(journey, browser, databases, Path(data), language=language, look=look)
                async with opening as walk:
                    await journey.steps(walk)
        sys.stdout.write(f"{journey.name}: {len(journey.pages)} pages\n")
        sys.stdout.flush()


async def main(folder: Path, wanted: list[str]) -> None:
    """Takes the pictures, and writes the table of all."""
    folder.mkdir(parents=True, exist_ok=True)
    journeys = [journey for journey in PICTURED if not wanted or any(word in journey.name for word in wanted)]
    run = SharedRun.begin()
    try:
        async with async_playwright() as playwright:
            browser = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
            await walk_all(browser, folder, journeys, Databases(run))
            await browser.close()
    finally:
        run.end()
    readme = folder / "README.md"
    if readme.exists():
        readme.write_text(readme.read_text().partition(MARK)[0] + MARK + table())


if __name__ == "__main__":
    asyncio.run(main(Path(sys.argv[1]), sys.argv[2:]))
