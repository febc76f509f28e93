"""What letters and links lead to: a forgotten password, joining, an address, "this was not me", unlocking, a reset."""

from __future__ import annotations

from identity.mail.letter_values import Notice
from identity.mail.notices import notify
from identity.person_values import Person
from identity.recovery.emails import add_email
from identity.recovery.invitations import invite
from identity.recovery.resets import start_reset
from tests.browser.walks.walk import ORIGIN, Journey, Walk
from tests.identity.factors.steps import give_app
from tests.identity.mail.letters_read import letters, one_letter
from tests.identity.recovery.steps import NEW_PASSWORD


async def _choose(walk: Walk, password: str = NEW_PASSWORD) -> None:
    await walk.page.fill("#password", password)
    await walk.page.fill("#password_repeat", password)
    await walk.page.locator("main form button[type=submit]").click()


async def _ask(walk: Walk) -> None:
    await walk.page.fill("#username", "ada")
    await walk.page.locator("main form button[type=submit]").click()


async def _tell(walk: Walk, person: Person, notice: Notice) -> None:
    services = walk.world.services
    async with services.database.transaction() as db:
        await notify(db, services, person.id, notice, now=walk.world.clock(), origin=ORIGIN)


async def forgotten(walk: Walk) -> None:
    """A forgotten password, by the letter's code and by its link."""
    await walk.person()
    await walk.open("/recover")
    await walk.see("recover")
    await _ask(walk)
    await walk.see("recover-code")
    await walk.type_code("12345678")
    await walk.see("recover-code-refused")
    await walk.type_code((await letters(walk.world, "recover"))[-1].code)
    await walk.see("recover-new-password")
    await _choose(walk, "ada")
    await walk.see("recover-new-password-refused")
    await _choose(walk)
    await walk.see("recover-done")
    await walk.open("/recover")
    await _ask(walk)
    link = (await letters(walk.world, "recover"))[-1].link()
    await walk.open(link)
    await walk.see("recover-by-link")
    await _choose(walk, "four ropes under old bridges 5")
    await walk.open(link)
    await walk.see("dead-link")


async def without_mail(walk: Walk) -> None:
    """A deployment that sends no mail."""
    await walk.open("/recover")
    await walk.see("recover-without-mail")


async def joining(walk: Walk) -> None:
    """An invitation by mail, one by link, and registering."""
    services, now = walk.world.services, walk.world.clock()
    async with services.database.transaction() as db:
        mailed = await invite(
            db, services, email="grace@example.com", name="Grace Hopper", now=now, actor="cli", via="mail"
        )
        handed = await invite(db, services, email=None, is_admin=True, now=now, actor="cli", via="link")
    await walk.open(mailed)
    await walk.see("invitation")
    await walk.send_empty()
    await walk.see("invitation-refused")
    await walk.open(handed)
    await walk.see("invitation-to-manage")
    await walk.open("/register")
    await walk.see("register")
    await walk.page.fill("#email", "alan@example.com")
    await walk.page.locator("main form button[type=submit]").click()
    await walk.see("register-sent")


async def own_address(walk: Walk) -> None:
    """A new mail address is confirmed."""
    person = await walk.person()
    services = walk.world.services
    async with services.database.transaction() as db:
        await add_email(db, services, person.id, "ada@mail.example.com", now=walk.world.clock(), origin=ORIGIN)
    await walk.open((await one_letter(walk.world, "verify")).link())
    await walk.see("verify")
    await walk.page.locator("main form button[type=submit]").click()
    await walk.see("verify-done")


async def not_me(walk: Walk) -> None:
    """A notice was about somebody else."""
    person = await walk.person()
    await _tell(walk, person, Notice.NEW_DEVICE)
    await walk.open((await one_letter(walk.world, "new_device")).link("not_me"))
    await walk.see("not-me")
    await walk.page.locator("main form button[type=submit]").click()
    await walk.see("not-me-new-password")


async def unlocking(walk: Walk) -> None:
    """Others' failures closed the door."""
    person = await walk.person()
    await _tell(walk, person, Notice.LOCKED)
    await walk.open((await one_letter(walk.world, "locked")).link("unlock"))
    await walk.see("unlock")
    await walk.page.locator("main form button[type=submit]").click()
    await walk.page.wait_for_url(walk.site.url("/signin"))


async def resetting(walk: Walk) -> None:
    """An administrator's reset: of the factors alone, and of everything."""
    person = await walk.person()
    await give_app(walk.world, person)
    services = walk.world.services
    links = []
    for password in (False, True):
        async with services.database.transaction() as db:
            links.append(
                await start_reset(
                    db, services, person.id, password=password, factors=True, now=walk.world.clock(), actor="cli"
                )
            )
        await walk.open(links[-1])
        await walk.see("reset" if password else "reset-of-factors")
    await _choose(walk)
    await walk.see("reset-done")


JOURNEYS = (
    Journey(
        "forgotten password",
        forgotten,
        {
            "recover": "asking for a letter",
            "recover-code": "the letter is on its way; its code",
            "recover-code-refused": "the letter's code, refused",
            "recover-new-password": "a new password, by the letter's code",
            "recover-new-password-refused": "a new password, refused",
            "recover-done": "the password is set",
            "recover-by-link": "a new password, by the letter's link",
            "dead-link": "a link that was used",
        },
    ),
    Journey(
        "no mail", without_mail, {"recover-without-mail": "a forgotten password where no mail leaves"}, {"demo": "off"}
    ),
    Journey(
        "joining",
        joining,
        {
            "invitation": "an invitation by mail",
            "invitation-refused": "an invitation by mail, refused",
            "invitation-to-manage": "an administrator's invitation by link",
            "register": "asking for an account",
            "register-sent": "asking for an account, sent",
        },
    ),
    Journey(
        "mail address",
        own_address,
        {"verify": "confirming a mail address", "verify-done": "the mail address is confirmed"},
    ),
    Journey(
        "not me",
        not_me,
        {"not-me": "this was not me", "not-me-new-password": "a new password, after this was not me"},
    ),
    Journey("unlock", unlocking, {"unlock": "the way past a closed door"}),
    Journey(
        "reset",
        resetting,
        {
            "reset-of-factors": "an administrator's reset of the factors",
            "reset": "an administrator's reset of everything",
            "reset-done": "the reset is done",
        },
    ),
)
