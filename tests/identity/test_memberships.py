"""Roles, groups and organisations: made, given, taken, and told in tokens."""

import base64
import json

import pytest

from audit import catalogue as types
from base.ids import PERSON, show_id
from identity import memberships
from identity.errors import Refused
from identity.memberships import Kind
from identity.oauth.person_claims import fit_for_tokens
from identity.policy_facts import load_subject, load_subjects
from policy.values import EntityRef
from tests.world import World

pytestmark = pytest.mark.anyio


async def make(world: World, kind: Kind, name: str, *people: bytes) -> None:
    async with world.services.database.transaction() as db:
        told: dict[str, object] = {"now": world.clock(), "actor": "cli"}
        await memberships.create_membership(db, world.services, kind, name, **told)  # type: ignore[arg-type]
        for person in people:
            assert await memberships.add_member(db, world.services, kind, name, person, now=world.clock(), actor="cli")


async def remove(world: World, kind: Kind, name: str, person: bytes) -> bool:
    async with world.services.database.transaction() as db:
        return await memberships.remove_member(db, world.services, kind, name, person, now=world.clock(), actor="cli")


def claims_of(token: str) -> dict[str, object]:
    body = token.split(".")[1]
    claims: dict[str, object] = json.loads(base64.urlsafe_b64decode(body + "=" * (-len(body) % 4)))
    return claims


async def test_what_is_made_is_listed_with_its_people_until_it_is_deleted(world: World) -> None:
    ada = await world.person("ada")
    await make(world, "organisation", "acme")
    await make(world, "group", "acme/support", ada.id)
    await make(world, "group", "support")
    database = world.services.database
    async with database.reading() as db:
        found = await memberships.list_memberships(db, "group")
    assert [(each.name, each.members) for each in found] == [("acme/support", 1), ("support", 0)]
    async with database.transaction() as db:
        gone = await memberships.delete_membership(
            db, world.services, "group", "acme/support", now=world.clock(), actor="cli"
        )
    assert gone == 1
    async with database.reading() as db:
        assert [each.name for each in await memberships.list_memberships(db, "group")] == ["support"]
    (event,) = await world.events(types.GROUP_DELETED.name)
    assert event["data"] == {"name": "acme/support", "count": 1}


async def test_an_organisation_goes_with_its_groups_and_their_people(world: World) -> None:
    ada = await world.person("ada")
    await make(world, "organisation", "acme")
    await make(world, "group", "acme/support", ada.id)
    async with world.services.database.transaction() as db:
        await memberships.delete_membership(db, world.services, "organisation", "acme", now=world.clock(), actor="cli")
    async with world.services.database.reading() as db:
        assert await memberships.list_memberships(db, "group") == []
    found = await load_subject(world.services.database, ada.sub)
    assert found is not None
    assert found.parents == ()


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("role", "", "a name has 1 to 128 printable characters"),
        ("role", " auditor", "no space around it"),
        ("role", "a/b", "expected a name without a slash"),
        ("role", "a\nb", "printable"),
        ("role", "x" * 129, "1 to 128"),
        ("group", "a/b/c", "expected NAME or ORGANISATION/NAME"),
        ("group", "nowhere/support", "there is no organisation nowhere"),
    ],
)
async def test_a_name_that_cannot_be_is_refused_in_words(world: World, kind: Kind, name: str, words: str) -> None:
    with pytest.raises(Refused, match=words):
        await make(world, kind, name)


@pytest.mark.parametrize(("kind", "name"), [("role", "auditor"), ("group", "support"), ("organisation", "acme")])
async def test_nothing_is_made_twice_and_nothing_unknown_is_given(world: World, kind: Kind, name: str) -> None:
    with pytest.raises(Refused, match=f"there is no {kind} {name}"):
        await remove(world, kind, name, b"x" * 16)
    await make(world, kind, name)
    with pytest.raises(Refused, match=f"there is already a {kind} {name}"):
        await make(world, kind, name)


async def test_a_role_is_given_once_and_taken_once_with_events_that_name_the_person(world: World) -> None:
    """S43: a role that was given alerts at once."""
    ada = await world.person("ada")
    await make(world, "role", "break-glass", ada.id)
    async with world.services.database.transaction() as db:
        again = await memberships.add_member(
            db, world.services, "role", "break-glass", ada.id, now=world.clock(), actor="cli"
        )
    assert again is False
    assert [await remove(world, "role", "break-glass", ada.id) for _ in range(2)] == [True, False]
    for event_type in (types.ROLE_GRANTED, types.ROLE_TAKEN):
        (event,) = await world.events(event_type.name)
        assert event["data"] == {"name": "break-glass"}
        assert (event["subject"], event["actor"]) == (show_id(PERSON, ada.id), "cli")
    assert types.ROLE_GRANTED.severity.value == "HIGH"


async def test_policies_see_a_person_in_roles_groups_and_the_organisations_of_these(world: World) -> None:
    """S18: read anew, so what was taken no longer counts."""
    ada = await world.person("ada")
    await make(world, "organisation", "acme")
    await make(world, "group", "acme/support", ada.id)
    await make(world, "role", "auditor", ada.id)
    found = await load_subject(world.services.database, ada.sub)
    assert found is not None
    assert found.ref == EntityRef("Ostiary::Person", ada.sub)
    assert found.parents == (
        EntityRef("Ostiary::Group", "acme/support"),
        EntityRef("Ostiary::Organisation", "acme"),
        EntityRef("Ostiary::Role", "auditor"),
    )
    assert found.attributes == {"state": "active", "is_admin": False, "factors": ["pwd"]}
    await remove(world, "role", "auditor", ada.id)
    (again,) = await load_subjects(world.services.database, "", 10)
    assert [ref.type for ref in again.parents] == ["Ostiary::Group", "Ostiary::Organisation"]
    assert await load_subject(world.services.database, "nobody") is None
    assert await load_subject(world.services.database, "a\x00b") is None


async def test_tokens_and_userinfo_name_roles_and_groups_by_scope(world: World) -> None:
    ada = await world.person("ada")
    await make(world, "organisation", "acme")
    await make(world, "group", "acme/support", ada.id)
    await make(world, "role", "auditor", ada.id)
    client = await world.client(scopes=("openid", "roles", "groups", "offline_access"))
    tokens = await world.tokens(client, ada, scope="openid roles groups offline_access")
    told = (await world.userinfo(tokens["access_token"])).json()
    for claims in (claims_of(tokens["access_token"]), claims_of(tokens["id_token"]), told):
        assert (claims["roles"], claims["groups"]) == (["auditor"], ["acme/support"])
    await remove(world, "role", "auditor", ada.id)
    refreshed = (await world.refresh(client, tokens["refresh_token"])).json()
    assert claims_of(refreshed["access_token"])["roles"] == []
    plain = await world.tokens(client, ada, scope="openid")
    told = (await world.userinfo(plain["access_token"])).json()
    for claims in (claims_of(plain["access_token"]), claims_of(plain["id_token"]), told):
        assert not {"roles", "groups"} & claims.keys()


def test_names_that_are_too_long_together_stay_out_of_tokens() -> None:
    many = [f"{number:03}" + "x" * 100 for number in range(15)]
    assert fit_for_tokens({"roles": ["auditor"], "groups": many}) == {"roles": ["auditor"]}
