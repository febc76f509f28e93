"""The demo's start page, and the letters that it keeps."""

from __future__ import annotations

from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from tests.browser.walks.walk import ORIGIN, Journey, Walk


async def demo(walk: Walk) -> None:
    """From the demo's start page through a sign-in to the letters."""
    person = await walk.person()
    await walk.open("/demo/mail")
    await walk.see("demo-mail-none")
    await walk.open("/demo")
    await walk.see("demo")
    await walk.page.locator("main a.button").click()
    await walk.type_password()
    await walk.page.wait_for_url(walk.site.url("/demo"))
    services = walk.world.services
    for notice in (Notice.PASSWORD_CHANGED, Notice.LOCKED):
        async with services.database.transaction() as db:
            await notify(db, services, person.id, notice, now=walk.world.clock(), origin=ORIGIN)
    await walk.open("/demo/mail")
    await walk.see("demo-mail")
    await walk.page.locator("ol.letters a").first.click()
    await walk.see("demo-letter")


JOURNEYS = (
    Journey(
        "demo",
        demo,
        {
            "demo-mail-none": "the demo's letters, when there is none",
            "demo": "the demo",
            "demo-mail": "the demo's letters",
            "demo-letter": "one of them",
        },
    ),
)
