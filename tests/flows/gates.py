"""Every way in and every gate, as functions: what a person or service tries, and what an operator or attacker did.

A way takes everything that could let it in and says whether it got in. A gate is closed before the way is tried.
"""

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass

import httpx2

from identity.accounts import set_person_state
from identity.clients import set_client_disabled
from identity.person_values import Person
from identity.revocation import end_client_grants
from identity.setup import make_link
from identity.values import PersonState
from policy.values import Decision, Effect, SigninFacts
from tests.flows.link_ways import LinkPaths, choose_and_sign_in, join, make_links
from tests.flows.passkey_ways import sign_in_by_passkey
from tests.forms_browser import FormsBrowser, Page
from tests.oauth.exchanges import add_policy, exchange
from tests.oauth.exchanges import service as exchange_service
from tests.signin_policy import decide
from tests.world import ISSUER, PASSWORD, Answer, CreatedClient, World

ADDRESS = "198.51.100.7"


@dataclass(frozen=True, slots=True)
class Entrant:
    """A person and an application with everything that they hold before a gate closes."""

    person: Person
    client: CreatedClient
    service: CreatedClient
    gateway: CreatedClient
    http: httpx2.AsyncClient
    access_token: str
    refresh_token: str
    code: Answer
    setup_path: str
    consent_page: Page
    links: LinkPaths


async def prepare(world: World, http: httpx2.AsyncClient) -> Entrant:
    """Somebody who signed in before, and allowed an application everything."""
    client, person = await world.client(first_party=False), await world.person()
    service = await world.client(grants=("client_credentials",), redirect_uris=())
    gateway = await exchange_service(world)
    browser = FormsBrowser(http, ISSUER)
    await world.sign_in(http, person)
    page = await browser.open(world.authorize_url(client, scope="openid offline_access orders:read"))
    allowed = await browser.consent(page)
    tokens = (await world.redeem(client, Answer(allowed.response, allowed.url, allowed.params))).json()
    code = await world.authorize(http, client, scope="openid offline_access")
    async with world.services.database.transaction() as db:
        link = await make_link(db, world.services, now=world.clock(), actor="cli")
    waiting = await browser.open(world.authorize_url(client, scope="openid email"))
    path = link.removeprefix(ISSUER)
    links = await make_links(world, person)
    held = tokens["access_token"], tokens["refresh_token"]
    return Entrant(person, client, service, gateway, http, *held, code, path, waiting, links)


Way = Callable[[World, Entrant], Awaitable[bool]]


async def by_password(world: World, entrant: Entrant) -> bool:
    async with world.browser(address=ADDRESS) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(world.authorize_url(entrant.client, scope="openid offline_access"))
        if not page.forms:
            return False
        return "code" in (await browser.sign_in(page, "ada", PASSWORD)).params


async def by_passkey(world: World, entrant: Entrant) -> bool:
    return await sign_in_by_passkey(world, entrant.person, entrant.client, address=ADDRESS)


async def by_session(world: World, entrant: Entrant) -> bool:
    answer = await world.authorize(entrant.http, entrant.client, scope="openid offline_access", prompt="none")
    return "code" in answer.params


async def by_consent(world: World, entrant: Entrant) -> bool:
    browser = FormsBrowser(entrant.http, ISSUER)
    return "code" in (await browser.consent(entrant.consent_page)).params


async def by_code(world: World, entrant: Entrant) -> bool:
    return (await world.redeem(entrant.client, entrant.code)).status_code == 200


async def by_refresh_token(world: World, entrant: Entrant) -> bool:
    return (await world.refresh(entrant.client, entrant.refresh_token)).status_code == 200


async def by_client_credentials(world: World, entrant: Entrant) -> bool:
    return (await world.token(entrant.service, grant_type="client_credentials")).status_code == 200


async def by_token_exchange(world: World, entrant: Entrant) -> bool:
    return (await exchange(world, entrant.gateway, entrant.access_token)).status_code == 200


async def by_setup_link(world: World, entrant: Entrant) -> bool:
    async with world.browser(address=ADDRESS) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open(entrant.setup_path)
        names = {"username": "root", "email": "root@example.com", "name": "Root"}
        form = page.form("password_repeat")
        done = await browser.submit(page, form, **names, password=PASSWORD, password_repeat=PASSWORD)
        return done.status == 200 and "You are signed in" in done.text


async def by_recovery_link(world: World, entrant: Entrant) -> bool:
    return await choose_and_sign_in(world, entrant.links.recovery, entrant.client, address=ADDRESS)


async def by_reset_link(world: World, entrant: Entrant) -> bool:
    return await choose_and_sign_in(world, entrant.links.reset, entrant.client, address=ADDRESS)


async def by_invite_link(world: World, entrant: Entrant) -> bool:
    return await join(world, entrant.links.invite, address=ADDRESS)


Gate = Callable[[World, Entrant], Awaitable[None]]


async def lockout(world: World, _entrant: Entrant) -> None:
    """As many wrong passwords as the limit, from a browser that nobody knows."""
    async with world.browser(address="203.0.113.9") as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/signin")
        for number in range(world.services.settings.lockout_failures):
            page = await browser.sign_in(page, "ada", f"wrong {number} by far")
            assert page.status == 403


def person_is(state: PersonState) -> Gate:
    """An administrator moves the account."""

    async def close(world: World, entrant: Entrant) -> None:
        async with world.services.database.transaction() as db:
            await set_person_state(db, world.services, entrant.person.id, state, now=world.clock(), actor="cli")

    return close


async def consent_withdrawn(world: World, entrant: Entrant) -> None:
    async with world.services.database.transaction() as db:
        client_id, now = entrant.client.client.client_id, world.clock()
        await end_client_grants(db, world.services, entrant.person.id, client_id, now=now, actor="cli")


async def clients_disabled(world: World, entrant: Entrant) -> None:
    async with world.services.database.transaction() as db:
        for client in (entrant.client, entrant.service):
            client_id, now = client.client.client_id, world.clock()
            await set_client_disabled(db, world.services, client_id, disabled=True, now=now, actor="cli")
    await world.services.catalogue.poll()


async def address_limit(world: World, _entrant: Entrant) -> None:
    """A spray over names that nobody has, from the same address, up to the limit."""
    async with world.browser(address=ADDRESS) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/signin")
        for number in range(world.services.settings.address_attempts):
            page = await browser.sign_in(page, f"nobody{number}", "wrong by far 1")
            assert page.status == 403


@dataclass
class Policy:
    """A policy that lets people in until it is told not to."""

    denies: bool = False

    def __call__(self, facts: SigninFacts) -> Decision:
        return Decision(Effect.DENY, reasons=("closed",)) if self.denies else decide(facts)


async def policy_denies(world: World, _entrant: Entrant) -> None:
    """From now on the policy lets nobody sign in, nor have a token in the place of another."""
    policy = world.services.decide
    assert isinstance(policy, Policy)
    policy.denies = True
    await add_policy(world, '@id("closed") @reason("closed") forbid (principal, action, resource);')


WAYS: Mapping[str, Way] = {
    "password": by_password,
    "passkey": by_passkey,
    "session": by_session,
    "consent": by_consent,
    "code": by_code,
    "refresh token": by_refresh_token,
    "client credentials": by_client_credentials,
    "token exchange": by_token_exchange,
    "setup link": by_setup_link,
    "recovery link": by_recovery_link,
    "reset link": by_reset_link,
    "invite link": by_invite_link,
}
GATES: Mapping[str, Gate] = {
    "lockout": lockout,
    "suspended": person_is("suspended"),
    "disabled": person_is("disabled"),
    "deleted": person_is("deleted"),
    "consent withdrawn": consent_withdrawn,
    "client disabled": clients_disabled,
    "address limit": address_limit,
    "policy denies": policy_denies,
}
