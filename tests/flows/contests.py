"""Single-use things, each as a contest: many ask for the same at once, and the rules say how many may get it (I1).

`CONTESTS` grows by one line for a new kind.
"""

import secrets
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import cast

import httpx2
from sqlalchemy import func, select

from audit.tables import events
from identity.mail.letter_values import Notice
from identity.person_values import Person
from identity.setup import make_link
from identity.signin.paths import PROVING
from tests.flows.link_ways import make_links, make_notice_link, make_verify_link
from tests.flows.passkey_ways import answer_by_passkey, send_again
from tests.forms_browser import FormsBrowser
from tests.identity.factors.steps import give_app, give_codes, to_second_step
from tests.identity.mail.letters_read import letters
from tests.world import ISSUER, PASSWORD, CreatedClient, World

Shot = Callable[[World], Awaitable[httpx2.Response]]


@dataclass(frozen=True, slots=True)
class Contest:
    """`fire` at any process; `count_wins` of all answers; `wins` how many there may be; `check` what must hold then."""

    fire: Shot
    has_won: Callable[[httpx2.Response], bool]
    wins: range
    check: Callable[[World, list[httpx2.Response]], Awaitable[None]]


def is_ok(response: httpx2.Response) -> bool:
    return response.status_code == 200


async def count(world: World, name: str) -> int:
    """How many events of a kind there are."""
    async with world.services.database.reading() as db:
        found = await db.execute(select(func.count()).select_from(events).where(events.c.name == name))
        return found.scalar_one()


@dataclass(frozen=True, slots=True)
class Tally:
    """How many events of some kinds there were before a contest."""

    before: Mapping[str, int]

    @classmethod
    async def take(cls, world: World, *names: str) -> "Tally":
        """The numbers of now."""
        return cls({name: await count(world, name) for name in names})

    async def gained(self, world: World) -> dict[str, int]:
        """How many more there are now."""
        return {name: await count(world, name) - number for name, number in self.before.items()}


async def somebody(world: World) -> Person:
    """A person whom no other contest has."""
    return await world.person(f"ada{secrets.token_hex(4)}")


def check_losers(answers: list[httpx2.Response], error: str) -> None:
    """Fails unless whoever did not win was told so in the protocol's words."""
    for answer in answers:
        if answer.status_code != 200:
            assert (answer.status_code, answer.json()["error"]) == (400, error), answer.text


async def authorization_code(world: World) -> Contest:
    """S5: at most one gets tokens, and once a loser was answered they are dead."""
    client = await world.client()
    async with world.browser() as browser:
        await world.sign_in(browser, await somebody(world))
        answer = await world.authorize(browser, client)
    tally = await Tally.take(world, "token.issued")

    async def fire(at: World) -> httpx2.Response:
        at.verifiers.update(world.verifiers)
        return await at.redeem(client, answer)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        check_losers(answers, "invalid_grant")
        assert await tally.gained(at) == {"token.issued": sum(map(is_ok, answers))}
        for winner in filter(is_ok, answers):
            for kind in ("access_token", "refresh_token"):
                assert await at.introspect(client, winner.json()[kind]) == {"active": False}

    return Contest(fire, is_ok, range(2), check)


async def refresh_family(world: World) -> tuple[CreatedClient, str]:
    client = await world.client()
    tokens = await world.tokens(client, await somebody(world), scope="openid offline_access")
    return client, tokens["refresh_token"]


async def refresh_token(world: World) -> Contest:
    """S10: one rotation, whoever asks; within the grace all are given the same successor."""
    client, token = await refresh_family(world)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert len({answer.json()["refresh_token"] for answer in answers}) == 1
        own = [event for event in await at.events("token.refreshed") if event["client"] == client.client.client_id]
        assert {cast(Mapping[str, int], event["data"])["number"] for event in own} == {2}
        assert (await at.refresh(client, answers[0].json()["refresh_token"])).status_code == 200

    return Contest(lambda at: at.refresh(client, token), is_ok, range(1, 1000), check)


async def spent_refresh_token(world: World) -> Contest:
    """S10: reuse ends the family, and nobody gets anything for it."""
    client, token = await refresh_family(world)
    newer = (await world.refresh(client, token)).json()["refresh_token"]
    newest = (await world.refresh(client, newer)).json()["refresh_token"]
    tally = await Tally.take(world, "token.grant_ended")

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        check_losers(answers, "invalid_grant")
        assert await tally.gained(at) == {"token.grant_ended": 1}
        assert (await at.refresh(client, newest)).status_code == 400

    return Contest(lambda at: at.refresh(client, token), is_ok, range(1), check)


async def setup_link(world: World) -> Contest:
    """I1: one administrator a link."""
    async with world.services.database.transaction() as db:
        url = await make_link(db, world.services, now=world.clock(), actor="cli")
    path = url.removeprefix(world.services.settings.issuer)
    async with world.browser() as http:
        page = await FormsBrowser(http, ISSUER).open(path)
    token = page.form("password_repeat").fields["form_token"]
    tally = await Tally.take(world, "admin.person_created", "session.started", "admin.link_used")

    async def fire(at: World) -> httpx2.Response:
        name = f"root{secrets.token_hex(4)}"
        form = {"username": name, "email": f"{name}@example.com", "name": "Root", "form_token": token}
        async with at.browser() as http:
            data = {**form, "password": PASSWORD, "password_repeat": PASSWORD}
            return await http.post(path, data=data)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 404}
        assert await tally.gained(at) == {"admin.person_created": 1, "session.started": 1, "admin.link_used": 1}

    return Contest(fire, lambda answer: answer.status_code == 303, range(1, 2), check)


async def signin_step(world: World) -> Contest:
    """S17: one form gives one session, however often it is sent."""
    client, person = await world.client(), await somebody(world)
    tally = await Tally.take(world, "token.code_issued", "session.started")
    async with world.browser() as http:
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client))
        form = {**page.form("username", "password").fields, "username": person.username or "", "password": PASSWORD}
        fire = send_again(http, "/signin", form)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 400, 403, 503}
        assert await tally.gained(at) == {"token.code_issued": 1, "session.started": 1}

    def has_won(answer: httpx2.Response) -> bool:
        return answer.status_code == 303 and "code=" in answer.headers["location"]

    return Contest(fire, has_won, range(1, 2), check)


async def consent_answer(world: World) -> Contest:
    """S17: one answer gives one code."""
    client, person = await world.client(first_party=False), await somebody(world)
    async with world.browser() as http:
        await world.sign_in(http, person)
        page = await FormsBrowser(http, ISSUER).open(world.authorize_url(client))
        form = {**page.form("decision").fields, "decision": "allow"}
        cookies = dict(http.cookies.items())
    tally = await Tally.take(world, "token.code_issued", "login.consented")

    async def fire(at: World) -> httpx2.Response:
        async with at.browser() as other:
            for name, value in cookies.items():
                other.cookies.set(name, value, domain="id.example.com")
            return await other.post("/consent", data=form)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 400}
        assert await tally.gained(at) == {"token.code_issued": 1, "login.consented": 1}

    return Contest(fire, lambda answer: answer.status_code == 303, range(1, 2), check)


async def revocation(world: World) -> Contest:
    """I5: revoking again is safe, and told once."""
    client = await world.client()
    tokens = await world.tokens(client, await somebody(world))
    tally = await Tally.take(world, "token.revoked")

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert await tally.gained(at) == {"token.revoked": 1}
        assert await at.introspect(client, tokens["access_token"]) == {"active": False}

    def fire(at: World) -> Awaitable[httpx2.Response]:
        return at.token(client, path="/oauth/revoke", token=tokens["access_token"])

    return Contest(fire, is_ok, range(1, 1000), check)


async def link_form(
    world: World, path: str, fields: Callable[[], Mapping[str, str]], expected: Mapping[str, int]
) -> Contest:
    """A link's form, sent by many browsers: one is let through, and the events are those of one."""
    async with world.browser() as http:
        page = await FormsBrowser(http, ISSUER).open(path)
    token = page.form("form_token").fields["form_token"]
    tally = await Tally.take(world, *expected)

    async def fire(at: World) -> httpx2.Response:
        async with at.browser() as http:
            return await http.post(path, data={"form_token": token, **fields()})

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 404, 503}
        assert await tally.gained(at) == expected

    return Contest(fire, lambda answer: answer.status_code == 303, range(1, 2), check)


def a_new_password() -> Mapping[str, str]:
    """Another one each time: the winner's alone may be kept."""
    chosen = f"wet slate and lanterns {secrets.token_hex(4)}"
    return {"password": chosen, "password_repeat": chosen}


async def recover_link(world: World) -> Contest:
    """I1, S27: one new password a link."""
    path = (await make_links(world, await somebody(world))).recovery
    return await link_form(world, path, a_new_password, {"recovery.completed": 1, "password.set": 1})


async def reset_link(world: World) -> Contest:
    """I1, S29: one reset a link."""
    path = (await make_links(world, await somebody(world))).reset
    return await link_form(world, path, a_new_password, {"recovery.completed": 1, "password.set": 1})


async def invite_link(world: World) -> Contest:
    """I1: one account a link, and one session."""
    path = (await make_links(world, await somebody(world))).invite

    def fields() -> Mapping[str, str]:
        return {"username": f"grace{secrets.token_hex(4)}", **a_new_password()}

    return await link_form(world, path, fields, {"admin.person_created": 1, "session.started": 1})


async def verify_link(world: World) -> Contest:
    """I1: an address is verified once."""
    path = await make_verify_link(world, await somebody(world))
    return await link_form(world, path, dict, {"admin.email_verified": 1})


async def not_me_link(world: World) -> Contest:
    """I1: everything is ended once, and one link to a new password is given."""
    path = await make_notice_link(world, await somebody(world), Notice.PASSWORD_CHANGED, "not_me")
    return await link_form(world, path, dict, {"recovery.not_me": 1, "password.cleared": 1})


async def unlock_link(world: World) -> Contest:
    """I1, S24: one browser gets past the closed door."""
    path = await make_notice_link(world, await somebody(world), Notice.LOCKED, "unlock")
    return await link_form(world, path, dict, {"lockout.passed": 1, "device.added": 1})


async def one_address_for_many(world: World) -> Contest:
    """Of many accounts that claim an address one gets it, each by a link of its own."""
    paths = [await make_verify_link(world, await somebody(world), "shared@example.net") for _ in range(16)]
    forms = []
    async with world.browser() as http:
        for path in paths:
            page = await FormsBrowser(http, ISSUER).open(path)
            forms.append((path, page.form("form_token").fields["form_token"]))
    tally = await Tally.take(world, "admin.email_verified")

    async def fire(at: World) -> httpx2.Response:
        path, token = forms.pop()
        async with at.browser() as http:
            return await http.post(path, data={"form_token": token})

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} == {303, 409}
        assert await tally.gained(at) == {"admin.email_verified": 1}

    return Contest(fire, lambda answer: answer.status_code == 303, range(1, 2), check)


async def recovery_code(world: World) -> Contest:
    """I1: the code of a letter is exchanged once."""
    person = await somebody(world)
    async with world.browser() as http:
        browser = FormsBrowser(http, ISSUER)
        page = await browser.open("/recover")
        page = await browser.submit(page, page.form("username"), username=person.username or "")
        form = {**page.form("code").fields, "code": (await letters(world, "recover"))[-1].code}
        cookies = dict(http.cookies.items())

    async def fire(at: World) -> httpx2.Response:
        async with at.browser() as other:
            for name, value in cookies.items():
                other.cookies.set(name, value, domain="id.example.com")
            return await other.post("/recover/code", data=form)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 403}

    return Contest(fire, lambda answer: answer.status_code == 303, range(1, 2), check)


async def _code_contest(world: World, method: str) -> Contest:
    """One browser's second step, at both processes at once."""
    client, person = await world.client(), await somebody(world)
    app = await give_app(world, person)
    codes = await give_codes(world, person)
    tally = await Tally.take(world, "token.code_issued", "session.started", "mfa.succeeded", "backup_code.used")
    async with world.browser() as http:
        page = await to_second_step(world, http, world.authorize_url(client), person.username or "")
        page = await FormsBrowser(http, ISSUER).open(PROVING[method])
        form = {**page.form("code").fields, "code": codes[0] if method == "backup_code" else app.code()}
        cookies = dict(http.cookies.items())

    async def fire(at: World) -> httpx2.Response:
        async with at.browser() as other:
            for name, value in cookies.items():
                other.cookies.set(name, value, domain="id.example.com")
            return await other.post(PROVING[method], data=form)

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert {answer.status_code for answer in answers} <= {303, 400, 403, 503}
        used = 1 if method == "backup_code" else 0
        expected = {"token.code_issued": 1, "session.started": 1, "mfa.succeeded": 1, "backup_code.used": used}
        assert await tally.gained(at) == expected

    def has_won(answer: httpx2.Response) -> bool:
        return answer.status_code == 303 and "code=" in answer.headers["location"]

    return Contest(fire, has_won, range(1, 2), check)


async def totp_step(world: World) -> Contest:
    """S25: a code of an app, in one sign-in."""
    return await _code_contest(world, "totp")


async def backup_code(world: World) -> Contest:
    """S26: a backup code, in one sign-in."""
    return await _code_contest(world, "backup_code")


async def passkey_answer(world: World) -> Contest:
    """S17: a challenge is answered once, whoever sends the same answer."""
    fire = await answer_by_passkey(world, await somebody(world), await world.client())
    tally = await Tally.take(world, "token.code_issued", "session.started")

    async def check(at: World, answers: list[httpx2.Response]) -> None:
        assert await tally.gained(at) == {"token.code_issued": 1, "session.started": 1}

    return Contest(fire, lambda answer: "code=" in answer.headers.get("location", ""), range(1, 2), check)


CONTESTS: Mapping[str, Callable[[World], Awaitable[Contest]]] = {
    "authorization code": authorization_code,
    "refresh token": refresh_token,
    "spent refresh token": spent_refresh_token,
    "setup link": setup_link,
    "recover link": recover_link,
    "reset link": reset_link,
    "invite link": invite_link,
    "verify link": verify_link,
    "not-me link": not_me_link,
    "unlock link": unlock_link,
    "one address for many": one_address_for_many,
    "recovery code": recovery_code,
    "sign-in step": signin_step,
    "consent answer": consent_answer,
    "revocation": revocation,
    "passkey answer": passkey_answer,
    "totp step": totp_step,
    "backup code": backup_code,
}
