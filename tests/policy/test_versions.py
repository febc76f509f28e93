"""Sets of policies are put in force in one act, seen by every process, told as events, and taken back in one act."""

from __future__ import annotations

import asyncio
import time
from pathlib import Path

import pytest
from sqlalchemy import select

from feed.tables import feed
from ostiary.policy.values import Entity, EntityRef, Question
from policy.activating import Activating
from policy.drafts import DraftChanged, find_draft, list_drafts, remove_draft, write_draft
from policy.proposals import Activated, NotActivated, Proposal
from policy.sets import find_newest, find_set, list_sets
from policy.starter import PolicySetText, starter_set
from server.policies import make_activating
from tests.policy.set_texts import NOTE, only, starter_with
from tests.world import World, open_world
from tests.world_fixtures import world

__all__ = ["world"]

pytestmark = pytest.mark.anyio


def activating(world: World) -> Activating:
    return make_activating(world.services)


def proposal(text: PolicySetText, *, based_on: int = 1, **more: object) -> Proposal:
    parts: dict[str, object] = {"reason": "the night shift is over", "actor": "cli", **more}
    return Proposal(text=text, based_on=based_on, **parts)  # type: ignore[arg-type]


async def put(world: World, text: PolicySetText, *, based_on: int = 1, **more: object) -> Activated:
    done = await activating(world).activate(proposal(text, based_on=based_on, **more), now=world.clock())
    assert isinstance(done, Activated), done
    return done


async def test_a_deployment_begins_with_the_starter_set_as_its_first_revision(world: World) -> None:
    async with world.services.database.reading() as db:
        newest, listed = await find_newest(db), await list_sets(db, limit=10)
    assert newest is not None
    assert newest.text == starter_set()
    assert [(each.revision, each.activated_by, each.same_as) for each in listed] == [(1, "system", None)]
    assert world.services.policies.revision == 1
    assert "signin.people" in world.services.policies.engine.policy_ids


async def test_a_second_start_leaves_what_is_in_force(world: World, database_url: str, tmp_path: Path) -> None:
    await put(world, starter_with(NOTE))
    async with open_world(database_url, tmp_path) as again:
        assert again.services.policies.revision == 2
        async with again.services.database.reading() as db:
            assert [each.revision for each in await list_sets(db, limit=10)] == [2, 1]


async def test_an_activation_keeps_who_when_why_and_the_difference(world: World) -> None:
    """S44"""
    changed = starter_set().policies.replace("context.risk.score < 60", "context.risk.score < 40", 1)
    now = world.clock()
    done = await activating(world).activate(proposal(only(changed + NOTE)), now=now)
    assert isinstance(done, Activated)
    assert (done.revision, done.before) == (2, 1)
    async with world.services.database.reading() as db:
        kept = await find_set(db, 2)
        entries = (await db.execute(select(feed.c.kind, feed.c.subject))).all()
    assert kept is not None
    assert kept.activation.reason == "the night shift is over"
    assert kept.activation.activated_at == now
    assert kept.text.policies == changed + NOTE
    assert [tuple(each) for each in entries] == [("policy", "2")]
    [event] = await world.events("policy.activated")
    assert event["severity"] == "HIGH"
    assert event["actor"] == "cli"
    assert event["data"] == {
        "revision": 2, "before": 1, "reason": "the night shift is over", "added": ["night.closed"],
        "changed": ["administration.calm"], "also_changed": ["tests"],
    }  # fmt: skip


async def test_another_process_decides_by_the_new_set_within_a_second(
    world: World, database_url: str, tmp_path: Path
) -> None:
    async with open_world(database_url, tmp_path) as other:
        assert other.services.policies.revision == 1
        other.app.background.start()
        try:
            await put(world, starter_with(NOTE))
            begun = time.monotonic()
            while other.services.policies.revision != 2:
                assert time.monotonic() - begun < 10, "it never came"
                await asyncio.sleep(0.01)
            took_s = time.monotonic() - begun
        finally:
            await other.app.close()
        assert took_s < 1
        assert "night.closed" in other.services.policies.engine.policy_ids
        answer = other.services.policies.engine.decide(_call(hour=3))
    assert (answer.effect, answer.reasons, answer.revision) == ("deny", ("closed_at_night",), 2)


def _call(hour: int) -> Question:
    ada = Entity(EntityRef("Ostiary::Person", "ada"), {"state": "active"})
    context = {
        "time": {"epoch_s": 1, "hour": hour, "minute": 0, "weekday": 1, "day": 20260302}, "scopes": [],
        "method": "GET", "host": "api.example", "path": "/",
        "authentication": {"acr": "urn:ostiary:aal1", "classes": ["urn:ostiary:aal1"], "methods": ["pwd"], "age_s": 1},
    }  # fmt: skip
    return Question(ada, "call", Entity(EntityRef("Ostiary::Route", "orders")), context)


async def test_of_two_activations_at_once_one_wins_and_the_other_is_told(
    world: World, database_url: str, tmp_path: Path
) -> None:
    async with open_world(database_url, tmp_path) as other:
        texts = [starter_with(NOTE), starter_with(NOTE.replace("6", "5"))]
        tried = [
            activating(each).activate(proposal(text), now=world.clock())
            for each, text in zip((world, other), texts, strict=True)
        ]
        done = await asyncio.gather(*tried)
    won = [each for each in done if isinstance(each, Activated)]
    lost = [each for each in done if isinstance(each, NotActivated)]
    assert [each.revision for each in won] == [2]
    assert [(each.why, each.in_force) for each in lost] == [("not_newest", 2)]
    assert lost[0].words == "it was written over revision 1, and revision 2 is in force"
    [refused] = await world.events("policy.activation_refused")
    assert (refused["outcome"], refused["data"]["why"]) == ("denied", "not_newest")  # type: ignore[index]
    assert len(await world.events("policy.activated")) == 1


async def test_a_set_that_was_written_over_an_older_one_goes_in_only_with_a_word(world: World) -> None:
    await put(world, starter_with(NOTE))
    late = proposal(starter_with(), based_on=1)
    assert isinstance(await activating(world).activate(late, now=world.clock()), NotActivated)
    done = await put(world, starter_with(), based_on=1, over_any=True)
    assert done.revision == 3
    assert (await world.events("policy.activated"))[-1]["data"]["forced"] is True  # type: ignore[index]


async def test_a_roll_back_is_a_new_revision_with_the_texts_of_an_old_one(world: World) -> None:
    await put(world, starter_with(NOTE))
    done = await put(world, starter_set(), based_on=2, same_as=1, reason="it refused the night shift")
    assert (done.revision, done.before) == (3, 2)
    await world.services.policies.refresh()
    assert world.services.policies.revision == 3
    assert "night.closed" not in world.services.policies.engine.policy_ids
    async with world.services.database.reading() as db:
        listed = await list_sets(db, limit=2)
    assert [(each.revision, each.same_as) for each in listed] == [(3, 1), (2, None)]
    [event] = await world.events("policy.rolled_back")
    assert event["severity"] == "HIGH"
    assert event["data"] == {
        "revision": 3, "before": 2, "same_as": 1, "reason": "it refused the night shift",
        "removed": ["night.closed"], "also_changed": ["tests"],
    }  # fmt: skip


async def test_the_very_same_set_again_changes_nothing(world: World) -> None:
    done = await put(world, starter_set())
    assert (done.revision, done.is_new) == (1, False)
    assert await world.events("policy.activated") == []


async def test_a_set_with_faults_is_refused_with_all_of_them(world: World) -> None:
    broken = only('@id("a")\npermit (principal, action, resource)\nwhen { context.risk.score > 3 };\n')
    done = await activating(world).activate(proposal(broken), now=world.clock())
    assert isinstance(done, NotActivated)
    assert done.why == "faults"
    assert done.findings[0].line == 1
    assert "which may be missing" in done.findings[0].words
    [event] = await world.events("policy.activation_refused")
    assert event["data"]["why"] == "faults"  # type: ignore[index]
    assert await world.events("policy.activated") == []


async def test_golden_tests_that_fail_keep_a_set_back(world: World) -> None:
    opened = starter_with('@id("all")\npermit (principal, action, resource);', tests=True)
    done = await activating(world).activate(proposal(opened), now=world.clock())
    assert isinstance(done, NotActivated)
    assert done.why == "faults"
    assert any("a route without its scope" in each.words for each in done.findings)
    async with world.services.database.reading() as db:
        assert [each.revision for each in await list_sets(db, limit=5)] == [1]


async def test_a_draft_is_written_seen_activated_and_gone(world: World) -> None:
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        draft = await write_draft(
            db, services.emitter, "night", starter_with(NOTE), based_on=1, is_shadow=False,
            expected_version=None, now=now, actor="cli",
        )  # fmt: skip
    done = await put(world, draft.text, draft="night", draft_version=draft.version)
    assert done.revision == 2
    async with services.database.reading() as db:
        assert await list_drafts(db) == []
    [written] = await world.events("policy.draft_changed")
    assert written["data"] == {"draft": "night", "based_on": 1, "is_shadow": False, "number": 1}
    [activated] = await world.events("policy.activated")
    assert activated["data"]["draft"] == "night"  # type: ignore[index]


async def test_a_draft_that_somebody_wrote_meanwhile_is_not_activated_as_it_was(world: World) -> None:
    services, now = world.services, world.clock()
    async with services.database.transaction() as db:
        for text, version in ((starter_with(NOTE), None), (starter_with(), 1)):
            await write_draft(
                db, services.emitter, "night", text, based_on=1, is_shadow=False, expected_version=version, now=now,
                actor="cli",
            )  # fmt: skip
    stale = proposal(starter_with(NOTE), draft="night", draft_version=1)
    done = await activating(world).activate(stale, now=now)
    assert isinstance(done, NotActivated)
    assert done.why == "draft_changed"
    async with services.database.reading() as db:
        kept = await find_draft(db, "night")
    assert kept is not None
    assert kept.version == 2


async def test_two_writers_of_a_draft_do_not_overwrite_each_other(world: World) -> None:
    services, now = world.services, world.clock()
    given = {"based_on": 1, "is_shadow": False, "now": now, "actor": "cli"}
    async with services.database.transaction() as db:
        await write_draft(db, services.emitter, "night", only(""), expected_version=None, **given)  # type: ignore[arg-type]
        for late in (None, 7):
            with pytest.raises(DraftChanged):
                await write_draft(db, services.emitter, "night", only(""), expected_version=late, **given)  # type: ignore[arg-type]
        with pytest.raises(DraftChanged):
            await remove_draft(db, services.emitter, "night", expected_version=2, now=now, actor="cli")
        assert await remove_draft(db, services.emitter, "night", now=now, actor="cli")
        assert not await remove_draft(db, services.emitter, "night", now=now, actor="cli")
    assert len(await world.events("policy.draft_removed")) == 1
