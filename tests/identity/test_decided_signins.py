"""Sign-ins are decided by the set of policies in force: what is kept of it, and that another set holds at once."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import httpx2
import msgspec
import pytest
from sqlalchemy import insert, select, update

from audit.verification.verify import verify_log
from base.ids import new_id
from base.tables import revisions
from identity.membership_tables import group_members, groups, organisation_members, organisations, role_members, roles
from identity.person_values import Person
from identity.standing import find_standing
from identity.tables import attempts
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Answer, Question
from policy.sets import keep_set
from policy.starter import starter_set
from policy.values import Decision, EntityRef
from tests.identity.forms import sign_in, words_of
from tests.world import Answer as Answered
from tests.world import World, open_world

pytestmark = pytest.mark.anyio

CLOSED = """
@id("shop.contractors") @reason("contractors_stay_out")
forbid (principal in Ostiary::Group::"acme/contractors", action == Ostiary::Action::"signIn", resource);
"""


async def activate(world: World, added: str, revision: int) -> None:
    """Puts the starter set with one more policy in force, as another process would."""
    text = replace(starter_set(), policies=starter_set().policies + added)
    async with world.services.database.transaction() as db:
        await keep_set(db, text, revision=revision, actor="cli", reason="a test", now=world.clock())
        await db.execute(update(revisions).where(revisions.c.name == "policy").values(number=revisions.c.number + 1))
    await world.services.policies.poll()


async def join(world: World, person: Person) -> None:
    """A role, a group of an organisation and one of none, and an organisation."""
    ids, now = [new_id(world.clock()) for _ in range(5)], world.clock()
    common = {"created_at": now, "version": 1}
    async with world.services.database.transaction() as db:
        for number, name in ((0, "acme"), (1, "initech")):
            await db.execute(insert(organisations).values(id=ids[number], name=name, attributes={}, **common))
        for number, name, owner in ((2, "contractors", ids[0]), (3, "night shift", None)):
            await db.execute(insert(groups).values(id=ids[number], name=name, organisation_id=owner, **common))
        await db.execute(insert(roles).values(id=ids[4], name="auditor", description="", **common))
        theirs = {"person_id": person.id, "created_at": now}
        await db.execute(insert(organisation_members).values(organisation_id=ids[1], **theirs))
        for group in ids[2:4]:
            await db.execute(insert(group_members).values(group_id=group, **theirs))
        await db.execute(insert(role_members).values(role_id=ids[4], **theirs))


async def authorized(world: World, http: httpx2.AsyncClient, url: str) -> Answered:
    """What the application hears of a sign-in."""
    await http.get(url)
    return Answered.of(await sign_in(http))


async def kept_decisions(world: World) -> list[Decision]:
    """What attempts keep of their decisions, the oldest first."""
    async with world.services.database.reading() as db:
        found = (await db.execute(select(attempts.c.decision).order_by(attempts.c.created_at))).scalars().all()
    return [msgspec.convert(each, type=Decision) for each in found if each is not None]


async def test_a_sign_in_keeps_its_decision_and_its_events_say_the_revision(world: World) -> None:
    await world.person()
    client = await world.client()
    async with world.browser() as http:
        answer = await authorized(world, http, world.authorize_url(client))
    assert "code" in answer.params
    (kept,) = await kept_decisions(world)
    assert (kept.effect, kept.reasons, kept.revision, kept.policies) == ("allow", ("signed_in",), 1, ("signin.people",))
    (event,) = await world.events("login.succeeded")
    assert (event["v"], event["policy"]) == (3, 1)
    assert (await verify_log(world.services.audit)).findings == ()


async def test_another_set_alters_the_next_sign_in_without_a_restart(world: World) -> None:
    """The forbid names a group, so what the person belongs to is looked at as well."""
    person, client = await world.person(), await world.client()
    await join(world, person)
    await activate(world, CLOSED, 2)
    async with world.browser() as http:
        refused = await authorized(world, http, world.authorize_url(client))
        assert refused.params["error"] == "access_denied"
        assert refused.params["error_description"] == "the sign-in was denied by policy"
        await activate(world, "", 3)
        assert "code" in (await authorized(world, http, world.authorize_url(client))).params
    (denied, allowed) = await kept_decisions(world)
    assert (denied.effect, denied.reasons, denied.revision, denied.policies) == (
        "deny", ("contractors_stay_out",), 2, ("shop.contractors",),
    )  # fmt: skip
    assert (allowed.effect, allowed.revision) == ("allow", 3)
    (event,) = await world.events("login.refused")
    assert (event["policy"], event["outcome"]) == (2, "denied")
    assert await world.events("session.started") != []


async def test_a_session_that_is_open_already_is_asked_about_again(world: World) -> None:
    """S28: single sign-on ends where a new set forbids it."""
    person, client = await world.person(), await world.client()
    async with world.browser() as http:
        await world.sign_in(http, person)
        assert "code" in (await world.authorize(http, client, prompt="none")).params
        await join(world, person)
        await activate(world, CLOSED, 2)
        answer = await world.authorize(http, client, prompt="none")
    assert answer.params["error"] == "access_denied"


async def test_a_denial_that_no_application_hears_of_is_told_on_a_page(world: World) -> None:
    person = await world.person()
    await join(world, person)
    await activate(world, CLOSED, 2)
    async with world.browser() as http:
        page = await sign_in(http)
    assert page.status_code == 403
    assert "The rules of this service do not allow this sign-in." in words_of(page)


async def test_what_a_person_belongs_to_is_read_with_the_rest(world: World) -> None:
    person = await world.person()
    other = await world.person("bela")
    await join(world, person)
    found = [await find_standing(world.services.database, each.id, mail_code=False) for each in (person, other)]
    assert [each.memberships for each in found if each] == [
        (
            EntityRef("Ostiary::Group", "acme/contractors"),
            EntityRef("Ostiary::Group", "night shift"),
            EntityRef("Ostiary::Organisation", "acme"),
            EntityRef("Ostiary::Organisation", "initech"),
            EntityRef("Ostiary::Role", "auditor"),
        ),
        (),
    ]


ABROAD = """
@id("shop.here-alone") @reason("not_from_there")
forbid (principal, action == Ostiary::Action::"signIn", resource)
when { context has address && context.address.isInRange(ip("203.0.113.0/24")) }
unless { context has place && context.place has country && context.place.country == "TR" };
"""


async def test_policies_see_where_a_sign_in_comes_from(database_url: str, tmp_path: Path) -> None:
    """Through an edge that names the country; what an edge says that is not trusted is not looked at (S34)."""
    opened = open_world(database_url, tmp_path, risk__country_header="CF-IPCountry", trusted_proxies="198.51.100.0/24")
    async with opened as world:
        await world.person()
        await activate(world, ABROAD, 2)
        for behind, country, status in (
            ("198.51.100.7", "TR", 303),
            ("198.51.100.7", "BR", 403),
            ("203.0.113.9", "TR", 403),
        ):
            async with world.browser(address=behind) as http:
                http.headers.update({"x-forwarded-for": "203.0.113.9", "cf-ipcountry": country})
                assert (await sign_in(http)).status_code == status, (behind, country)


async def test_a_policy_that_fails_denies_and_raises_an_alert(world: World) -> None:
    """S41"""
    await world.person()
    overflow = "context.time.epoch_s * 9223372036854775807 < 0"
    await activate(
        world,
        f'@id("shop.sum") @reason("never") forbid (principal, action == Ostiary::Action::"signIn", resource)'
        f" when {{ {overflow} }};",
        2,
    )
    async with world.browser() as http:
        page = await sign_in(http)
    assert page.status_code == 403
    (event,) = await world.events("policy.failed")
    assert (event["severity"], event["outcome"], event["data"], event["policy"]) == (
        "HIGH", "failure", {"action": "signIn"}, 2,
    )  # fmt: skip
    (refused,) = await world.events("login.refused")
    assert refused["policy"] == 2
    (kept,) = await kept_decisions(world)
    assert (kept.effect, kept.reasons, kept.revision) == ("deny", ("policy_error",), 2)
    assert await world.events("session.started") == []


async def test_a_sign_in_puts_each_question_once(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    """What is decided before the session begins is what its end would ask again."""
    asked: list[Question] = []

    def counted(engine: PolicyEngine, question: Question) -> Answer:
        asked.append(question)
        return decide(engine, question)

    decide = PolicyEngine.decide
    monkeypatch.setattr(PolicyEngine, "decide", counted)
    await world.person()
    client = await world.client()
    async with world.browser() as http:
        assert "code" in (await authorized(world, http, world.authorize_url(client))).params
        assert [each.action for each in asked] == ["signIn"]
        assert "code" in (await world.authorize(http, client, prompt="none")).params
    assert len(asked) == 2
