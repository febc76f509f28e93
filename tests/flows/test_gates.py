"""Every way in against every gate, and every route of the application in one of the two lists (S18, S23).

A cell says whether the way stays open when the gate has closed, and why where that is not plain.
"""

from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path

import pytest
from starlette.routing import Mount, Route

from identity.oauth.routes import hot_routes
from server import authzen
from server.app import _routes
from server.settings import load_settings
from tests.flows.gates import GATES, WAYS, Policy, prepare
from tests.world import World, open_world

CLOSED, OPEN = False, True

# In the order of GATES: lockout, suspended, disabled, deleted, consent, client, address, policy.
MATRIX = {
    "password": (CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    # A signature cannot be guessed, and nobody may keep its owner out by guessing something else (S24, decision 10).
    "passkey": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    # Lockout and address limits gate proofs and end no session (S18).
    "session": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OPEN, CLOSED),
    # The question itself asks for consent, so an earlier withdrawal does not forbid a new answer.
    "consent": (OPEN, CLOSED, CLOSED, CLOSED, OPEN, CLOSED, OPEN, CLOSED),
    "code": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OPEN, OPEN),
    "refresh token": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OPEN, OPEN),
    # A service is no person: only what is done to the client itself closes its door.
    "client credentials": (OPEN, OPEN, OPEN, OPEN, OPEN, CLOSED, OPEN, OPEN),
    # For one's own access token or another's: whoever closes what that rests on closes it, too.
    "token exchange": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, OPEN, CLOSED),
    # It makes the first administrator: no person, no client yet. Whom the policy denies has an account and no session.
    "setup link": (OPEN, OPEN, OPEN, OPEN, OPEN, OPEN, OPEN, CLOSED),
    # They lead to a new password and signing in with it: past a door that somebody's failures closed (S24), and past
    # nothing else.
    "recovery link": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    "reset link": (OPEN, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED, CLOSED),
    # As the setup link, it makes an account of its own.
    "invite link": (OPEN, OPEN, OPEN, OPEN, OPEN, OPEN, CLOSED, CLOSED),
}
CELLS = [(way, gate, MATRIX[way][column]) for way in MATRIX for column, gate in enumerate(GATES)]

OWN_PAGES = "lets nobody in: a person who is signed in, at their own pages (tests/identity/account)"
FEED = "lets nobody in: client credentials' tokens with feed:read (tests/feed/test_addresses.py)"
AUTHZEN = "lets nobody in: client credentials' tokens with authzen:evaluate (tests/contract/test_authzen.py)"
# Every route: the way in that it belongs to, or why it is none.
ROUTES = {
    "/oauth/authorize": "session",
    "/oauth/token": "code, refresh token, client credentials, token exchange",
    "/signin": "password",
    "/consent": "consent",
    "/signin/passkey": "passkey",
    "/signin/passkey/options": "lets nobody in: a challenge, the same for everybody",
    "/enrol/passkey": "lets nobody in by itself: adds a factor within a sign-in or a session (identity/factors tests)",
    "/enrol/passkey/options": "lets nobody in: a challenge for adding one",
    "/signin/totp": "a second step: tests/flows/test_factor_gates.py",
    "/signin/backup-code": "a second step: tests/flows/test_factor_gates.py",
    "/signin/mail-code": "a second step: tests/flows/test_factor_gates.py",
    "/enrol": "lets nobody in: a choice within a sign-in, or putting it off where there is a session already",
    "/enrol/totp": "lets nobody in by itself: adds a factor within a sign-in or a session (identity/factors tests)",
    "/enrol/backup-codes": "lets nobody in: makes backup codes within a session",
    "/enrol/backup-codes/download": "lets nobody in: the codes of a moment ago as a file",
    "/setup/{token}": "setup link",
    "/recover": "lets nobody in: asks for a letter (tests/identity/recovery/test_forgotten_password.py)",
    "/recover/code": "recovery link",
    "/recover/{token}": "recovery link",
    "/recover/done": "lets nobody in: says that it worked",
    "/reset/{token}": "reset link",
    "/reset/done": "lets nobody in: says that it worked",
    "/invite/{token}": "invite link",
    "/register": "lets nobody in: asks for a letter with an invite link",
    "/register/sent": "lets nobody in: says that a letter is on its way",
    "/unlock/{token}": "lets nobody in: counts a browser's failures apart (tests/identity/recovery/test_unlock.py)",
    "/verify/{token}": "lets nobody in: verifies a mail address (tests/identity/recovery/test_emails.py)",
    "/verify/done": "lets nobody in: says that it worked",
    "/not-me/{token}": "lets nobody in: ends everything, then recovery link",
    "/oauth/logout": "lets nobody in: it ends a session",
    "/oauth/userinfo": "lets nobody in: reads for a token that another way gave (tests/oauth/test_ended_access.py)",
    "/oauth/introspect": "lets nobody in: reads for an authenticated client (tests/oauth/test_ended_access.py)",
    "/oauth/revoke": "lets nobody in: ends tokens",
    "/": "lets nobody in: shows who is signed in",
    "/account": OWN_PAGES,
    "/account/profile": OWN_PAGES,
    "/account/profile/emails": OWN_PAGES,
    "/account/security": OWN_PAGES,
    "/account/security/password": OWN_PAGES,
    "/account/devices": OWN_PAGES,
    "/account/sessions": OWN_PAGES,
    "/account/activity": OWN_PAGES,
    "/account/apps": OWN_PAGES,
    "/account/data": OWN_PAGES,
    "/account/delete": OWN_PAGES,
    "/api/v1/{rest:path}": "lets nobody in: client credentials' tokens, or problem documents (tests/server/api)",
    "/feed/v1/snapshot": FEED,
    "/feed/v1/delta": FEED,
    "/feed/v1/events": FEED,
    "/feed/v1/ack": FEED,
    "/access/v1/evaluation": AUTHZEN,
    "/access/v1/evaluations": AUTHZEN,
    "/access/v1/search/subject": AUTHZEN,
    "/access/v1/search/resource": AUTHZEN,
    "/access/v1/search/action": AUTHZEN,
    "/.well-known/authzen-configuration": "public",
    "/static/{name}": "public",
    "/.well-known/openid-configuration": "public",
    "/.well-known/oauth-authorization-server": "public",
    "/.well-known/jwks.json": "public",
}
DEMO = "lets nobody in here: a relying party of its own, which comes through /oauth like any other"


@pytest.fixture
async def gated(database_url: str, tmp_path: Path) -> AsyncIterator[World]:
    """A deployment with a policy that can be closed, two failures to a lockout, and three sign-ins an address."""
    opened = open_world(
        database_url,
        tmp_path,
        policy=Policy(),
        refusal_deadline=timedelta(),
        rate__per_address="3",
        lockout__failures="2",
    )
    async with opened as world:
        yield world


@pytest.mark.anyio
@pytest.mark.parametrize("way", WAYS)
async def test_every_way_is_open_while_no_gate_is_closed(gated: World, way: str) -> None:
    """Without this, a closed cell would prove nothing."""
    async with gated.browser() as http:
        assert await WAYS[way](gated, await prepare(gated, http))


@pytest.mark.anyio
@pytest.mark.parametrize(("way", "gate", "is_open"), CELLS, ids=[f"{way}, {gate}" for way, gate, _ in CELLS])
async def test_a_closed_gate_holds_on_every_way(gated: World, way: str, gate: str, is_open: bool) -> None:
    """S18, S23, S41"""
    async with gated.browser() as http:
        entrant = await prepare(gated, http)
        await GATES[gate](gated, entrant)
        assert await WAYS[way](gated, entrant) is is_open


def test_every_way_has_a_cell_for_every_gate() -> None:
    assert set(MATRIX) == set(WAYS)
    assert {way for way in MATRIX if len(MATRIX[way]) != len(GATES)} == set()
    named = {name for row in ROUTES.values() for name in row.split(", ") if name in WAYS}
    assert named == set(WAYS), "a way in without a route"


@pytest.mark.anyio
async def test_every_route_of_the_application_has_a_row(world: World) -> None:
    settings = load_settings(environ={"OSTIARY_DEMO": "on"}).settings
    found = _routes(settings, world.services, world.app.feed, world.app.asgi)
    assert all(isinstance(route, Route | Mount) for route in found)
    paths = {route.path for route in found if isinstance(route, Route | Mount)}
    paths |= set(hot_routes(world.services)) | set(authzen.hot_routes(world.services))
    demo = {path for path in paths if path == "/demo" or path.startswith("/demo/")}
    assert paths - demo == set(ROUTES), "a route without a row, or a row without a route"
    assert demo, DEMO
