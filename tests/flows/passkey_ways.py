"""A passkey as a way in, and as a single-use contest: one answer, sent by many at once."""

import secrets
from collections.abc import Awaitable, Callable, Mapping

import httpx2

from audit.record import Origin
from identity.factors.passkey_store import add_passkey, handle_of
from identity.factors.passkey_values import Account, parse_answer
from identity.factors.passkeys import creation_options, relying_party, verify_registration
from identity.person_values import Person
from tests.forms_browser import FormsBrowser
from tests.identity.factors.passkey_authenticator import Authenticator
from tests.identity.factors.passkey_ceremonies import SIGN_IN, ask_options, passkey_form, send_answer
from tests.world import ISSUER, CreatedClient, World


async def own_passkey(world: World, person: Person) -> Authenticator:
    """A passkey of the person, whatever state they are in."""
    services, key, challenge = world.services, Authenticator(), secrets.token_bytes(32)
    party = relying_party(services.settings)
    account = Account(handle_of(services.emitter, person.id), "ada", "Ada")
    answer = parse_answer(key.create(creation_options(party, account, challenge=challenge, known=())))
    new = verify_registration(answer, party, expected_challenge=challenge)
    async with services.database.transaction() as db:
        await add_passkey(db, services, person.id, new, label="Passkey", now=world.clock(), origin=Origin())
    return key


async def sign_in_by_passkey(world: World, person: Person, client: CreatedClient, *, address: str) -> bool:
    """Whether a passkey of the person leads to a code."""
    key = await own_passkey(world, person)
    async with world.browser(address=address) as http:
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client, scope="openid offline_access"))
        if not page.forms:
            return False
        return "code" in (await send_answer(http, page, key.get(await ask_options(http, page)))).params


Shot = Callable[[World], Awaitable[httpx2.Response]]


def send_again(http: httpx2.AsyncClient, path: str, form: Mapping[str, str]) -> Shot:
    """Sends a form as this browser is now, at any process and as often as it is called."""
    cookies = dict(http.cookies.items())

    async def fire(at: World) -> httpx2.Response:
        async with at.browser() as other:
            for name, value in cookies.items():
                other.cookies.set(name, value, domain="id.example.com")
            return await other.post(path, data=dict(form))

    return fire


async def answer_by_passkey(world: World, person: Person, client: CreatedClient) -> Shot:
    """Sends one answer to one challenge, as the browser that asked."""
    key = await own_passkey(world, person)
    async with world.browser() as http:
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client))
        form = {**passkey_form(page).fields, "credential": key.get(await ask_options(http, page))}
        return send_again(http, SIGN_IN, form)
