"""A set that cannot be loaded never takes the place of one that could, and nothing is ever allowed for want of one."""

from __future__ import annotations

from pathlib import Path

import pytest
from sqlalchemy import update

from base.errors import NotReady
from base.revisions import touch
from ostiary.policy.values import Entity, EntityRef, Question
from policy.active import ActivePolicies
from policy.sets import keep_set
from policy.tables import policy_revisions
from tests.policy.set_texts import NOTE, only, starter_with
from tests.world import World, open_world
from tests.world_fixtures import world

__all__ = ["world"]

pytestmark = pytest.mark.anyio
BROKEN = '@id("a") permit (principal, action == Ostiary::Action::"sail", resource);'


async def _write_past_the_checks(world: World, policies: str, revision: int) -> None:
    """As nobody does by our means: an older version's set, or a hand in the database."""
    async with world.services.database.transaction() as db:
        await keep_set(db, only(policies), revision=revision, actor="cli", reason="by hand", now=world.clock())
        await touch(db, "policy")


async def test_a_set_that_does_not_load_leaves_the_old_one_in_force_and_is_told_once(world: World) -> None:
    """S41"""
    policies = world.services.policies
    before = policies.engine
    await _write_past_the_checks(world, BROKEN, 2)
    for _ in range(3):
        await policies.poll()
        await policies.refresh()
    assert policies.engine is before
    policies.check_loaded()
    [event] = await world.events("policy.load_failed")
    assert (event["severity"], event["outcome"]) == ("HIGH", "failure")
    assert event["data"]["before"] == 1  # type: ignore[index]
    assert event["data"]["revision"] == 2  # type: ignore[index]
    assert "sail" in event["data"]["reason"]  # type: ignore[index]


async def test_the_next_good_set_comes_into_force_after_a_broken_one(world: World) -> None:
    policies = world.services.policies
    await _write_past_the_checks(world, BROKEN, 2)
    await policies.poll()
    await _write_past_the_checks(world, starter_with(NOTE).policies, 3)
    await policies.poll()
    assert policies.revision == 3
    policies.check_loaded()


async def test_without_any_set_that_loads_a_server_does_not_start_and_everything_is_denied(
    world: World, database_url: str, tmp_path: Path
) -> None:
    """S41, I6"""
    async with world.services.database.transaction() as db:
        await db.execute(update(policy_revisions).values(policies=BROKEN))
    async with open_world(database_url, tmp_path) as other:
        started = other.services.policies
        with pytest.raises(NotReady, match=r"revision 1: .*sail.* `ostiary policy rollback`"):
            started.check_loaded()
        ada = Entity(EntityRef("Ostiary::Person", "ada"), {"state": "active"})
        question = Question(ada, "call", Entity(EntityRef("Ostiary::Route", "orders")), {})
        assert not started.engine.decide(question).is_allowed
        assert started.engine.policy_ids == ()


async def test_before_anything_was_read_everything_is_denied(world: World) -> None:
    """S41, I6"""
    unread = ActivePolicies(world.services.database, world.services.emitter)
    assert unread.engine.policy_ids == ()
    with pytest.raises(NotReady, match="there is none"):
        unread.check_loaded()


async def test_nothing_is_read_again_while_nothing_changed(world: World) -> None:
    policies = world.services.policies
    engine = policies.engine
    await policies.poll()
    assert policies.engine is engine
