"""No set of policies locks out every administrator, and none is refused that does not."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from sqlalchemy import insert, update
from sqlalchemy.ext.asyncio import AsyncConnection

from base.ids import new_id
from identity.administrators import load_administrators
from identity.tables import credentials
from policy.activating import Activating
from policy.checking import check_set
from policy.lockout import Administrator, Reach, reach_of
from policy.proposals import Activated, NotActivated, Proposal
from policy.starter import PolicySetText, starter_set
from policy.tables import policy_revisions
from policy.values import EntityRef
from server.policies import make_activating
from tests.policy.set_texts import (
    NO_ADMINISTRATION,
    NO_SIGNIN,
    NOTE,
    OFFICE_HOURS,
    OFFICE_NETWORK,
    PASSKEYS_ONLY,
    starter_with,
)
from tests.world import World
from tests.world_fixtures import world

__all__ = ["world"]

SATURDAY = datetime(2026, 11, 21, 12, 0, tzinfo=UTC)
WITH_PASSKEY = Administrator("ada", frozenset({"pwd", "passkey"}))
WITH_TOTP = Administrator("bob", frozenset({"pwd", "totp"}))
WITH_PASSWORD = Administrator("eve", frozenset({"pwd"}))
BREAK_GLASS = """
@id("closed")
@reason("closed")
forbid (
  principal,
  action in Ostiary::Action::"administer",
  resource
)
unless { principal in Ostiary::Role::"break-glass" };
"""


def reach(policies: str, *people: Administrator, address: str | None = None) -> tuple[Reach, tuple[str, ...]]:
    checked = check_set(starter_with(policies))
    assert checked.engine is not None, checked.findings
    found = reach_of(checked.engine, checked.policies, people, address=address, now=SATURDAY)
    return found.reach, found.kept_out_by


@pytest.mark.parametrize(
    ("policies", "people", "expected", "kept_out_by"),
    [
        ("", [WITH_PASSKEY], Reach.AS_THEY_ARE, ()),
        ("", [WITH_PASSWORD, WITH_TOTP], Reach.AS_THEY_ARE, ()),
        ("", [WITH_PASSWORD], Reach.AFTER_ADDING, ()),
        ("", [], Reach.NOBODY, ()),
        (NO_ADMINISTRATION, [WITH_PASSKEY, WITH_TOTP], Reach.NOBODY, ("no.administration",)),
        (NO_SIGNIN, [WITH_PASSKEY], Reach.NOBODY, ("no.signin",)),
        (PASSKEYS_ONLY, [WITH_TOTP], Reach.AFTER_ADDING, ()),
        (PASSKEYS_ONLY, [WITH_TOTP, WITH_PASSKEY], Reach.AS_THEY_ARE, ()),
        (BREAK_GLASS, [WITH_PASSKEY], Reach.NOBODY, ("closed",)),
    ],
)
def test_how_far_administrators_get(
    policies: str, people: list[Administrator], expected: Reach, kept_out_by: tuple[str, ...]
) -> None:
    """S43"""
    found, named = reach(policies, *people)
    assert found is expected
    assert set(kept_out_by) <= set(named)
    assert bool(named) is (expected is Reach.NOBODY and bool(people))


def test_one_with_the_role_is_enough() -> None:
    """S43"""
    role = EntityRef("Ostiary::Role", "break-glass")
    holder = Administrator("ada", frozenset({"pwd", "passkey"}), (role,))
    assert reach(BREAK_GLASS, WITH_PASSKEY, holder)[0] is Reach.AS_THEY_ARE


def test_a_person_who_is_named_is_asked_about_by_name() -> None:
    """S43"""
    named = BREAK_GLASS.replace('principal in Ostiary::Role::"break-glass"', 'principal == Ostiary::Person::"bob"')
    others = [replace(WITH_PASSKEY, sub=name) for name in ("ada", "eve")]
    assert reach(named, *others)[0] is Reach.NOBODY
    assert reach(named, others[0], replace(WITH_PASSKEY, sub="bob"), others[1])[0] is Reach.AS_THEY_ARE


def test_hours_that_come_again_and_networks_that_are_named_lock_nobody_out() -> None:
    """S43"""
    assert reach(OFFICE_HOURS, WITH_PASSKEY)[0] is Reach.AS_THEY_ARE
    assert reach(OFFICE_NETWORK, WITH_PASSKEY)[0] is Reach.AS_THEY_ARE
    assert reach(OFFICE_NETWORK, WITH_PASSKEY, address="198.51.100.7")[0] is Reach.AS_THEY_ARE
    never = OFFICE_HOURS.replace("context.time.hour < 6", "context.time.hour < 23")
    assert reach(never, WITH_PASSKEY) == (Reach.NOBODY, ("office.hours",))


def test_a_setting_that_may_be_another_way_tomorrow_lets_nobody_in() -> None:
    """S43: what is forbidden while everybody needs a second factor is looked at, whatever the deployment says today."""
    once_required = NO_SIGNIN.replace("resource\n);", "resource\n)\nwhen { context.mfa_required };")
    assert once_required != NO_SIGNIN
    assert reach(once_required, WITH_PASSKEY) == (Reach.NOBODY, ("no.signin",))


def test_a_place_and_an_address_that_are_both_asked_for_are_looked_at_together() -> None:
    both = OFFICE_NETWORK.replace("unless {", 'unless { context has place.country && context.place.country == "TR" &&')
    assert reach(both, WITH_PASSKEY)[0] is Reach.AS_THEY_ARE


async def _activate(world: World, text: PolicySetText) -> Activated | NotActivated:
    proposal = Proposal(text=text, reason="closed for the night", actor="cli", based_on=1)
    return await make_activating(world.services).activate(proposal, now=world.clock())


async def _administrator(world: World, *kinds: str, username: str = "ada") -> bytes:
    person = await world.person(username, admin=True)
    async with world.services.database.transaction() as db:
        for kind in kinds:
            now = world.clock()
            row = {"id": new_id(now), "person_id": person.id, "kind": kind, "attributes": {}, "created_at": now}
            await db.execute(insert(credentials).values(**row, version=1))
    return person.id


@pytest.mark.anyio
async def test_an_activation_that_would_lock_out_every_administrator_is_refused(world: World) -> None:
    """S43"""
    await _administrator(world, "passkey")
    done = await _activate(world, starter_with(NO_ADMINISTRATION))
    assert isinstance(done, NotActivated)
    assert (done.why, done.policies) == ("lockout", ("no.administration",))
    assert done.words.endswith("with the factors that they have: no.administration")
    [event] = await world.events("policy.activation_refused")
    assert event["outcome"] == "denied"
    assert event["data"] == {
        "why": "lockout", "reason": "closed for the night", "policies": ["no.administration"],
    }  # fmt: skip
    await world.services.policies.refresh()
    assert world.services.policies.revision == 1


@pytest.mark.anyio
async def test_a_set_that_wants_a_factor_that_no_administrator_has_is_refused(world: World) -> None:
    """S43"""
    await _administrator(world, "totp")
    done = await _activate(world, starter_with(PASSKEYS_ONLY))
    assert isinstance(done, NotActivated)
    assert done.words.endswith("only after adding a factor")
    await _administrator(world, "passkey", username="bob")
    assert isinstance(await _activate(world, starter_with(PASSKEYS_ONLY)), Activated)


@pytest.mark.anyio
async def test_golden_tests_of_the_set_in_force_that_fail_by_now_open_no_way_around_it(world: World) -> None:
    """S43"""
    await _administrator(world, "passkey")
    turned = [{**each, "expect": "deny"} for each in starter_set().tests]
    async with world.services.database.transaction() as db:
        await db.execute(update(policy_revisions).values(tests=turned))
    done = await _activate(world, starter_with(NO_ADMINISTRATION))
    assert isinstance(done, NotActivated)
    assert done.why == "lockout"


@pytest.mark.anyio
async def test_an_administrator_who_goes_while_an_activation_is_looked_at_counts_no_more(world: World) -> None:
    """S43: what counts is who is there in the transaction."""
    named = Administrator("ada", frozenset({"pwd", "passkey"}), (EntityRef("Ostiary::Role", "break-glass"),))
    seen = iter([[named, WITH_PASSKEY], [WITH_PASSKEY]])

    async def administrators(db: AsyncConnection) -> list[Administrator]:
        return next(seen)

    services = world.services
    activating = Activating(services.database, services.emitter, administrators)
    proposal = Proposal(text=starter_with(BREAK_GLASS), reason="x", actor="cli", based_on=1)
    done = await activating.activate(proposal, now=world.clock())
    assert isinstance(done, NotActivated)
    assert done.why == "lockout"


@pytest.mark.anyio
async def test_where_nobody_gets_in_anyhow_nothing_is_made_worse(world: World) -> None:
    """S43: without any administrator there is nobody to lock out."""
    assert isinstance(await _activate(world, starter_with(NO_ADMINISTRATION)), Activated)


@pytest.mark.anyio
async def test_only_active_administrators_are_asked_about_with_what_they_have(world: World) -> None:
    await _administrator(world, "totp", "backup_codes")
    await world.person("eve")
    async with world.services.database.reading() as db:
        [found] = await load_administrators(db, mail_code=True)
    assert found.factors == {"pwd", "totp", "backup_code", "mail_code"}
    assert isinstance(await _activate(world, starter_with(NOTE)), Activated)
