"""A sign-in that looks like somebody else's: the proofs that it is asked for, and the pages that refuse it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from pathlib import Path

from playwright.async_api import expect

from base.ids import new_id
from identity.person_values import Person
from risk.reports import Report, store_report
from tests.browser.walks.walk import Journey, Walk
from tests.identity.factors.steps import give_app
from tests.identity.mail.letters_read import letters
from tests.world import World

WHY = {"en": "This sign-in looks unlike your others", "tr": "Bu oturum açma diğerlerinize benzemiyor"}
UNUSUAL = {"en": "there is nothing to prove it with", "tr": "kanıtlayacak"}
TAKEN_OVER = {"en": "Choose a new password by mail first.", "tr": "Önce e-posta yoluyla yeni bir parola seçin."}
BLOCKED = {"en": "do not allow this sign-in", "tr": "bu oturum açmaya izin vermiyor"}
# Every sign-in is that risky here.
AT_ONCE = {"risk__notice": "1", "risk__step_up": "2", "risk__strong": "100"}
LOOPBACK = Path(__file__).with_name("loopback.txt")


async def proving(walk: Walk) -> None:
    """By a mailed code where there is no second factor; with one, by that alone."""
    person = await walk.person()
    await walk.sign_in()
    await walk.page.wait_for_url(walk.site.url("/signin/mail-code"))
    await _says_why(walk)
    await walk.see("risky-mail-code")
    await walk.page.click("button[value=send]")
    await _says_why(walk)
    await walk.see("risky-mail-code-sent")
    await walk.page.fill("#code", "00000000")
    await walk.page.click("button[value=code]")
    await walk.see("risky-mail-code-refused")
    await walk.page.fill("#code", (await letters(walk.world, "mail_code"))[-1].code)
    await walk.page.click("button[value=code]")
    await walk.page.wait_for_url(walk.site.url("/"))
    app = await give_app(walk.world, person)
    await walk.sign_out()
    await walk.sign_in()
    await walk.page.wait_for_url(walk.site.url("/signin/totp"))
    await _says_why(walk)
    await walk.see("risky-totp")
    await walk.type_code(app.code())
    await walk.page.wait_for_url(walk.site.url("/"))


async def _says_why(walk: Walk) -> None:
    await expect(walk.page.locator(".factor-why")).to_contain_text(WHY[walk.language])


async def nothing_to_prove(walk: Walk) -> None:
    """Nobody can be asked for anything: no second factor, and no mail leaves."""
    await walk.person()
    await walk.sign_in()
    await _is_refused(walk, UNUSUAL)
    await walk.see("refused-unusual")


async def _is_refused(walk: Walk, words: Mapping[str, str]) -> None:
    await expect(walk.page.locator("main .lead")).to_contain_text(words[walk.language])


async def taken_over(walk: Walk) -> None:
    """The account was reported as taken over."""
    await report_taken_over(walk.world, await walk.person())
    await walk.sign_in()
    await _is_refused(walk, TAKEN_OVER)
    await walk.see("refused-taken-over")


async def report_taken_over(world: World, person: Person) -> None:
    """A service says that somebody else holds the account."""
    services, now = world.services, world.clock()
    subject, until = services.risk.key.digest("person", person.id), now + timedelta(days=30)
    report = Report(new_id(now), "person", subject, person.id, "taken_over", 5.0, "cli", until)
    async with services.database.transaction() as db:
        await store_report(db, report, now=now)


async def blocked(walk: Walk) -> None:
    """The address stands in the operator's list of blocked ones."""
    walk.world.services.geography.look_now()
    await walk.person()
    await walk.sign_in()
    await _is_refused(walk, BLOCKED)
    await walk.see("refused-address")


JOURNEYS = (
    Journey(
        "risky sign-in",
        proving,
        {
            "risky-mail-code": "a code by mail, since the sign-in is unusual",
            "risky-mail-code-sent": "the same, after the letter went",
            "risky-mail-code-refused": "the same, refused",
            "risky-totp": "a code of an app, since the sign-in is unusual",
        },
        AT_ONCE,
        is_pictured=False,
    ),
    Journey(
        "risky sign-in, refused",
        nothing_to_prove,
        {"refused-unusual": "too unusual, and nothing to prove it with"},
        {**AT_ONCE, "demo": "off", "mfa__mail_code": "false"},
        is_pictured=False,
    ),
    Journey(
        "taken over",
        taken_over,
        {"refused-taken-over": "the account was reported as taken over"},
        is_pictured=False,
    ),
    Journey(
        "blocked address",
        blocked,
        {"refused-address": "sign-ins from this address are blocked"},
        {"risk__list_blocked": str(LOOPBACK)},
        is_pictured=False,
    ),
)
