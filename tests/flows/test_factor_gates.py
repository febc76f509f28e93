"""Every kind of code as a second step against every gate: the password was right before the gate closed (S18, S23)."""

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path

import httpx2
import pytest

from policy.values import Decision, SigninFacts, SigninRules
from tests.flows.gates import ADDRESS, GATES, Entrant, Gate, Policy, prepare
from tests.forms_browser import FormsBrowser
from tests.identity.factors.steps import give_app, give_codes, send_code, to_second_step
from tests.identity.factors.test_mail_code import ask, newest_code
from tests.signin_policy import decide
from tests.world import ISSUER, World, open_world

pytestmark = pytest.mark.anyio

# Takes the last step; its result says whether the application got a code.
Step = Callable[[], Awaitable[bool]]


async def by_app(world: World, entrant: Entrant, http: httpx2.AsyncClient) -> Step:
    app = await give_app(world, entrant.person)
    page = await to_second_step(world, http, world.authorize_url(entrant.client, scope="openid offline_access"))

    async def take() -> bool:
        return "code" in (await send_code(http, page, app.code())).params

    return take


async def by_backup_code(world: World, entrant: Entrant, http: httpx2.AsyncClient) -> Step:
    await give_app(world, entrant.person)
    codes = await give_codes(world, entrant.person)
    await to_second_step(world, http, world.authorize_url(entrant.client, scope="openid offline_access"))
    page = await FormsBrowser(http, ISSUER).open("/signin/backup-code")

    async def take() -> bool:
        return "code" in (await send_code(http, page, codes[0])).params

    return take


async def by_mailed_code(world: World, entrant: Entrant, http: httpx2.AsyncClient) -> Step:
    await give_app(world, entrant.person)
    await to_second_step(world, http, world.authorize_url(entrant.client, scope="openid offline_access"))
    page = await ask(http)
    code = await newest_code(world)

    async def take() -> bool:
        return "code" in (await send_code(http, page, code)).params

    return take


WAYS: Mapping[str, Callable[[World, Entrant, httpx2.AsyncClient], Awaitable[Step]]] = {
    "code of an app": by_app,
    "backup code": by_backup_code,
    "mailed code": by_mailed_code,
}


class TakingMail(Policy):
    """The same, where a mailed code is taken."""

    def __call__(self, facts: SigninFacts) -> Decision:
        return super().__call__(facts) if self.denies else decide(facts, SigninRules(mail_code=True))


async def address_limit(world: World, _entrant: Entrant) -> None:
    """A spray from the same address, which has used some of its share already."""
    async with world.browser(address=ADDRESS) as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/signin")
        told = [(await browser.sign_in(page, f"nobody{number}", "wrong by far 1")).status for number in range(4)]
        assert told[-1] == 429


CLOSING: Mapping[str, Gate] = {**GATES, "address limit": address_limit}


@pytest.fixture
async def gated(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """As in test_gates.py, where mailed codes are taken: three steps an address are exactly enough."""
    opened = open_world(
        database_url,
        tmp_path,
        policy=TakingMail(),
        refusal_deadline=timedelta(),
        rate__per_address="3",
        lockout__failures="2",
        mfa__mail_code="true",
    )
    async with opened as world:
        yield world


@pytest.mark.parametrize("way", WAYS)
async def test_every_code_lets_in_while_no_gate_is_closed(gated: World, way: str) -> None:
    """Without this, a closed cell would prove nothing."""
    async with gated.browser() as home, gated.browser() as http:
        entrant = await prepare(gated, home)
        take = await WAYS[way](gated, entrant, http)
        assert await take()


@pytest.mark.parametrize("gate", CLOSING)
@pytest.mark.parametrize("way", WAYS)
async def test_a_closed_gate_holds_between_the_password_and_the_code(gated: World, way: str, gate: str) -> None:
    """S18, S23, S41: all of them, also those that end no session, since there is none yet."""
    async with gated.browser() as home, gated.browser() as http:
        entrant = await prepare(gated, home)
        take = await WAYS[way](gated, entrant, http)
        await CLOSING[gate](gated, entrant)
        assert not await take()
