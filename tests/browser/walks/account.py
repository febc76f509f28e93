"""A person's own pages, of a new account and of one in use."""

from __future__ import annotations

from sqlalchemy import select, update

from identity.browser_labels import label_of
from identity.device_looks import Looks, seal_looks
from identity.person_values import Person
from identity.tables import devices
from risk.browsers import parse_user_agent
from risk.place import NOWHERE, Place
from tests.browser.walks.walk import CHROME, Journey, Walk
from tests.identity.account.furnished import AGENTS, furnish
from tests.identity.factors.steps import give_app

PLACES = (Place(country="GB", city="Leeds"), Place(country="TR", city="İstanbul"), NOWHERE)


async def new_account(walk: Walk) -> None:
    """Nothing happened yet."""
    await walk.person()
    await walk.sign_in()
    await walk.open("/account")
    await walk.see("account-new")
    await walk.open("/account/security")
    await walk.see("account-security-new")
    await walk.open("/account/apps")
    await walk.see("account-apps-none")


async def account_in_use(walk: Walk) -> None:
    """Several factors, sessions, browsers, applications and a past."""
    await _sign_in(walk, await walk.person())
    for page in ("profile", "security", "devices", "sessions", "activity", "apps", "data", "delete"):
        await walk.open(f"/account/{page}")
        await walk.see(f"account-{page}")
    await _open_all(walk)
    await _change(walk)


async def _sign_in(walk: Walk, person: Person) -> None:
    app = await give_app(walk.world, person, label="Tablet")
    await walk.sign_in()
    await walk.type_code(app.code())
    await walk.page.wait_for_url(walk.site.url("/"))
    await furnish(walk.world, person)
    sealer = walk.world.services.sealer
    async with walk.world.services.database.transaction() as db:
        known = (await db.execute(select(devices.c.id).order_by(devices.c.id))).scalars()
        for device_id, agent, place in zip(known, (CHROME, *AGENTS), PLACES, strict=False):
            trusted = {} if agent != CHROME else {"trusted_until": None}
            looks = seal_looks(sealer, device_id, Looks(browser=parse_user_agent(agent), place=place))
            found = update(devices).where(devices.c.id == device_id)
            await db.execute(found.values(label=label_of(agent), looks=looks, **trusted))
    await walk.open("/account")
    await walk.see("account")


async def _open_all(walk: Walk) -> None:
    """What opens before it is done."""
    for page in ("security", "devices", "apps"):
        await walk.open(f"/account/{page}")
        for summary in (await walk.page.locator("details > summary").all())[:2]:
            await summary.click()
        await walk.see(f"account-{page}-opened")


async def _change(walk: Walk) -> None:
    """Forms that are refused, and forms that are taken."""
    page = walk.page
    await walk.open("/account/security")
    await page.eval_on_selector_all("input", "all => all.forEach(each => each.removeAttribute('required'))")
    await page.locator("form[action$=password] button").click()
    await walk.see("account-security-refused")
    await walk.open("/account/profile")
    await page.fill("#birthdate", "yesterday")
    await page.locator("form[action='/account/profile'] button").click()
    await walk.see("account-profile-refused")
    await walk.open("/account/sessions")
    await page.locator("button[value=end]").first.click()
    await walk.see("account-sessions-ended")
    await walk.open("/account/delete")
    await page.check("#sure")
    await page.locator("form[action='/account/delete'] button").click()
    await walk.see("account-to-be-deleted")


JOURNEYS = (
    Journey(
        "new account",
        new_account,
        {
            "account-new": "overview of a new account",
            "account-security-new": "security of a new account",
            "account-apps-none": "applications, when there is none",
        },
    ),
    Journey(
        "account in use",
        account_in_use,
        {
            "account": "overview",
            "account-profile": "profile",
            "account-security": "security",
            "account-devices": "devices",
            "account-sessions": "sessions",
            "account-activity": "activity",
            "account-apps": "applications",
            "account-data": "your data",
            "account-delete": "deleting the account",
            "account-security-opened": "security, what opens before it is done",
            "account-devices-opened": "devices, before one is named or removed",
            "account-apps-opened": "applications, before access is withdrawn",
            "account-security-refused": "a new password, refused",
            "account-profile-refused": "profile, refused",
            "account-sessions-ended": "sessions, after one was ended",
            "account-to-be-deleted": "overview of an account that is to be deleted",
        },
    ),
)
