"""A real Chromium for tests: one a worker, a clean profile a visit, and everything it complained about."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field

import pytest
from playwright.async_api import Browser, BrowserContext, ConsoleMessage, Error, Page, async_playwright

from tests.services import find_chromium

# Runs before the page's own scripts, outside its CSP, so that a page cannot hide a violation. It speaks through the
# console because console messages arrive in order with the answers to what a test does next.
VIOLATION = "Ostiary saw a violation: "
REPORT_VIOLATIONS = f"""
addEventListener("securitypolicyviolation", event =>
    console.debug("{VIOLATION}" + event.effectiveDirective + " " + event.blockedURI + " on " + event.documentURI))
"""
ARGUMENTS = ["--no-sandbox", "--disable-background-networking", "--disable-component-update", "--no-first-run"]


@dataclass(slots=True)
class Visit:
    """One clean profile with one open page, and what the browser complained about in any page of it."""

    page: Page
    context: BrowserContext
    violations: list[str] = field(default_factory=list)
    console_errors: list[str] = field(default_factory=list)
    script_errors: list[str] = field(default_factory=list)

    def check_no_complaints(self) -> None:
        """Fails when a page broke its security policy or one of its scripts failed.

        Console errors are not counted: Chromium writes one for every answer of 400 and above, which tests provoke.
        """
        assert self.violations == [], "a page broke its content security policy"
        assert self.script_errors == [], "a script of a page failed"


NewVisit = Callable[..., Awaitable[Visit]]


@pytest.fixture(scope="session")
async def browser(anyio_backend: tuple[str, dict[str, bool]]) -> AsyncIterator[Browser]:
    """The worker's one Chromium."""
    async with async_playwright() as playwright:
        launched = await playwright.chromium.launch(executable_path=find_chromium(), args=ARGUMENTS)
        yield launched
        await launched.close()


# What people's browsers call themselves: without a screen Chromium says that a program drives it, which raises scores.
AGENT = "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/{version}.0.0.0 Safari/537.36"


@pytest.fixture
async def new_visit(browser: Browser) -> AsyncIterator[NewVisit]:
    """Opens visits, each as another person's browser; keyword arguments go to Playwright's `new_context`.

    Certificates are not checked, since the tests make their own. Complaints are collected, not judged.
    """
    contexts: list[BrowserContext] = []

    async def open_visit(**options: object) -> Visit:
        usual = {"ignore_https_errors": True, "user_agent": AGENT.format(version=browser.version.split(".")[0])}
        context = await browser.new_context(**{**usual, **options})  # type: ignore[arg-type]
        contexts.append(context)
        return await watch(context)

    yield open_visit
    for context in contexts:
        await context.close()


@pytest.fixture
async def visit(new_visit: NewVisit) -> AsyncIterator[Visit]:
    """One visit that fails its test when a page broke its security policy or a script failed."""
    opened = await new_visit()
    yield opened
    opened.check_no_complaints()


async def watch(context: BrowserContext) -> Visit:
    """A visit in a clean profile, with one open page."""
    await context.add_init_script(REPORT_VIOLATIONS)
    visit = Visit(page=await context.new_page(), context=context)

    def on_console(message: ConsoleMessage) -> None:
        if message.text.startswith(VIOLATION):
            visit.violations.append(message.text.removeprefix(VIOLATION))
        elif message.type == "error":
            visit.console_errors.append(message.text)

    def on_page(page: Page) -> None:
        page.on("pageerror", on_script_error)

    def on_script_error(error: Error) -> None:
        visit.script_errors.append(str(error))

    context.on("console", on_console)
    context.on("page", on_page)
    on_page(visit.page)
    return visit
