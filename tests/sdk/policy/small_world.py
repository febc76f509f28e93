"""A small world to decide about: a schema, people, random policies that Cedar finds valid, random questions."""

from collections.abc import Mapping, Sequence

import cedarpy
import msgspec
from hypothesis import strategies as st

from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Entity, EntityRef, Question

SCHEMA = """
namespace Ostiary {
  type Risk = { "score": Long, "level": String, "reasons": Set<String> };
  type Authentication = { "acr": String, "classes": Set<String>, "methods": Set<String>, "age_s": Long };
  entity Organisation;
  entity Group in [Organisation];
  entity Role;
  entity Person in [Role, Group, Organisation] { "state"?: String, "is_admin"?: Bool, "factors"?: Set<String> };
  entity Service in [Role] { "team": String, "name"?: String };
  entity Administration { "owner"?: Person };
  action "administer";
  action "read", "change" in ["administer"] appliesTo {
    principal: [Person, Service], resource: [Administration], context: {
      "risk"?: Risk, "authentication"?: Authentication, "device"?: { "known": Bool, "trusted": Bool },
      "place"?: { "country"?: String, "network"?: Long }, "address"?: ipaddr, "caller"?: Service,
      "hour": Long, "scopes": Set<String>,
    }
  };
}
"""

ACTIONS = (
    "action",
    'action == Ostiary::Action::"read"',
    'action == Ostiary::Action::"change"',
    'action in Ostiary::Action::"administer"',
    'action in [Ostiary::Action::"read", Ostiary::Action::"change"]',
)
SUBJECTS = (
    "principal",
    "principal is Ostiary::Person",
    'principal == Ostiary::Person::"ada"',
    'principal in Ostiary::Role::"staff"',
    'principal is Ostiary::Person in Ostiary::Group::"ops"',
)
RESOURCES = ("resource", 'resource == Ostiary::Administration::"keys"', "resource is Ostiary::Administration")
CONDITIONS = (
    "context has risk && context.risk.score < 60",
    'context has risk.reasons && context.risk.reasons.contains("new_browser")',
    'context has authentication && context.authentication.classes.contains("phr")',
    "context has authentication && context.authentication.age_s <= 300",
    'context has device && context.device == {"known": true, "trusted": true}',
    'context has place && context.place has country && context.place.country == "TR"',
    'context has address && context.address.isInRange(ip("10.0.0.0/8"))',
    'context has caller && context.caller == Ostiary::Service::"orders"',
    'context has caller && context.caller has name && context.caller.name == "orders"',
    'context has caller && context.caller.team == "shop"',
    'context has caller && context.caller in Ostiary::Role::"robots"',
    '(if context has risk then context.risk else {"score": 9, "level": "low", "reasons": ["none"]}).score < 50',
    "context.hour >= 9 && context.hour < 18",
    'context.scopes.containsAny(["users:read", "users:write"])',
    'principal is Ostiary::Person && principal has state && principal.state == "active"',
    "principal is Ostiary::Person && principal has is_admin && principal.is_admin",
    "resource has owner && resource.owner == principal",
    'resource has owner && resource.owner has state && resource.owner.state == "active"',
    'resource has owner && resource.owner in Ostiary::Organisation::"acme"',
    'action in Ostiary::Action::"administer"',
    'principal in [Ostiary::Organisation::"acme", Ostiary::Organisation::"other"]',
    "resource has owner && principal in resource.owner",
    'context has caller && context.caller in [Ostiary::Role::"robots", Ostiary::Role::"staff"]',
    # Fails where the score is above one: too large a number.
    "context has risk && context.risk.score * 9223372036854775807 > 0",
)
FAILS = "context has risk && context.risk.score * 9223372036854775807 > 0"


@st.composite
def policy_texts(draw: st.DrawFn, least: int = 0, most: int = 7) -> list[str]:
    """Valid policies, each a text with a name of its own."""
    number = draw(st.integers(least, most))
    return [draw(one_policy(f"p{each}")) for each in range(number)]


@st.composite
def one_policy(draw: st.DrawFn, name: str, effect: str | None = None) -> str:
    """One valid policy of this name."""
    head = ", ".join(draw(st.sampled_from(choice)) for choice in (SUBJECTS, ACTIONS, RESOURCES))
    words = draw(st.lists(st.sampled_from(CONDITIONS), max_size=2, unique=True))
    clauses = [f"{draw(st.sampled_from(('when', 'unless')))} {{ {each} }}" for each in words]
    return f'@id("{name}")\n{effect or draw(st.sampled_from(("permit", "forbid")))} ({head}) {" ".join(clauses)};'


def ref(kind: str, name: str) -> EntityRef:
    """A name in our namespace."""
    return EntityRef(f"Ostiary::{kind}", name)


@st.composite
def contexts(draw: st.DrawFn) -> dict[str, object]:
    """A context that the schema allows; what is optional is there or is not."""
    texts = st.lists(st.sampled_from(("phr", "urn:ostiary:aal2", "users:read", "new_browser")), max_size=2)
    number = st.integers(0, 100)
    optional = {
        "risk": st.fixed_dictionaries({"score": number, "level": st.just("low"), "reasons": texts}),
        "authentication": st.fixed_dictionaries(
            {"acr": st.just("urn:ostiary:aal1"), "classes": texts, "methods": texts, "age_s": st.integers(0, 600)}
        ),
        "device": st.fixed_dictionaries({"known": st.booleans(), "trusted": st.booleans()}),
        "place": st.fixed_dictionaries({}, optional={"country": st.sampled_from(("TR", "DE")), "network": number}),
        "address": st.sampled_from(("10.0.0.1", "203.0.113.7", "2001:db8::1")),
        "caller": st.sampled_from((ref("Service", "orders"), ref("Service", "unknown"))),
    }
    return draw(st.fixed_dictionaries({"hour": st.integers(0, 23), "scopes": texts}, optional=optional))


@st.composite
def questions(draw: st.DrawFn) -> Question:
    """Somebody asks for something; of the service that may call in their name only one is known."""
    groups = st.sampled_from((ref("Role", "staff"), ref("Group", "ops"), ref("Organisation", "acme")))
    known = st.fixed_dictionaries(
        {}, optional={"state": st.sampled_from(("active", "gone")), "is_admin": st.booleans()}
    )
    parents = draw(st.lists(groups, max_size=2, unique=True))
    person = Entity(ref("Person", draw(st.sampled_from(("ada", "bob")))), draw(known), tuple(parents))
    owned = st.fixed_dictionaries({}, optional={"owner": st.sampled_from((ref("Person", "ada"), ref("Person", "cem")))})
    thing = Entity(ref("Administration", draw(st.sampled_from(("keys", "people")))), draw(owned))
    others = (
        Entity(ref("Service", "orders"), {"team": "shop", "name": "orders"}, (ref("Role", "robots"),)),
        Entity(ref("Person", "cem"), {"state": "active"}, (ref("Group", "ops"),)),
        Entity(ref("Group", "ops"), {}, (ref("Organisation", "acme"),)),
    )
    return Question(person, draw(st.sampled_from(("read", "change"))), thing, draw(contexts()), others)


def engine_of(policies: Sequence[str]) -> PolicyEngine:
    """An engine of these policies in the small world."""
    return PolicyEngine("\n".join(policies), SCHEMA, revision=7)


def plain_cedar(policies: Sequence[str], question: Question) -> tuple[str, frozenset[str], bool]:
    """What Cedar says with the whole schema and all that is known: effect, policies, whether anything failed."""
    entities = {entity.ref: _entity(entity) for entity in (*question.others, question.resource, question.subject)}
    request = {
        "principal": {"type": question.subject.ref.type, "id": question.subject.ref.id},
        "action": {"type": "Ostiary::Action", "id": question.action},
        "resource": {"type": question.resource.ref.type, "id": question.resource.ref.id},
        "context": msgspec.json.encode(question.context).decode(),
    }
    text = msgspec.json.encode(list(entities.values())).decode()
    result = cedarpy.is_authorized(request, "\n".join(policies), text, SCHEMA)
    names = result.diagnostics.id_annotations_by_reason.values()
    return "allow" if result.allowed else "deny", frozenset(names), bool(result.diagnostics.errors)


def _entity(entity: Entity) -> Mapping[str, object]:
    return {"uid": entity.ref, "attrs": dict(entity.attributes), "parents": entity.parents}
