"""A local decision: its CPU with twenty policies for the action, from the facts to the answer.

Every decision builds its question anew, as a gateway does: the person with roles and groups, the route, and a context
with everything that a request comes with.
"""

import gc
import random
import statistics
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.figures import Figure
from ostiary.policy.counterfactual import decide_with_step_up
from ostiary.policy.engine import PolicyEngine
from ostiary.policy.values import Answer, Entity, EntityRef, Question

LIMIT_US = 120.0
DECISIONS, QUICK_DECISIONS = 40_000, 4_000
_PEOPLE, _WARM_UP = 500, 2_000
_POLICY_ROOM = Path(__file__).parents[1] / "policy"
_PERSON, _CALL = "principal is Ostiary::Person", 'action == Ostiary::Action::"call"'
_SERVICES = ("users", "orders", "products", "inventory", "payments", "files", "search", "reports")


def measure_policy(*, is_quick: bool) -> list[Figure]:
    """The CPU of decisions: people who come again, people who never do, and a deny with its way out."""
    engine = PolicyEngine("\n".join(twenty_policies()), schema(), revision=1)
    count, some = QUICK_DECISIONS if is_quick else DECISIONS, random.Random(7)
    again = _cpu_us(lambda number: engine.decide(_question(some.randrange(_PEOPLE), some)), count)
    never = _cpu_us(lambda number: engine.decide(_question(number + _PEOPLE, some)), count)
    denied = _cpu_us(
        lambda number: decide_with_step_up(engine, _question(number % _PEOPLE, some, score=70)), count // 4
    )
    shipped = PolicyEngine(starter(), schema(), revision=1)
    started = _cpu_us(lambda number: shipped.decide(_question(number % _PEOPLE, some)), count)
    _check(engine, shipped, some)
    return [
        _figure("CPU of a decision, 20 policies, context building included", again, LIMIT_US),
        _figure("the same, everybody for the first time", never, LIMIT_US),
        _figure("the same by the starter set", started, LIMIT_US),
        _figure("a deny with the step-up that would turn it", denied, None),
    ]


def schema() -> str:
    """The published schema."""
    return (_POLICY_ROOM / "ostiary.cedarschema").read_text()


def starter() -> str:
    """The set that is shipped."""
    return "\n".join(path.read_text() for path in sorted((_POLICY_ROOM / "starter").glob("*.cedar")))


def twenty_policies() -> list[str]:
    """Twenty policies that all have a say in a call through the gateway."""
    found = [
        f'@id("people") permit ({_PERSON}, {_CALL}, resource is Ostiary::Route) when {{ principal has state && '
        'principal.state == "active" && resource has scope && context.scopes.contains(resource.scope) };',
        f'@id("risk") @demand("urn:ostiary:aal2") forbid ({_PERSON}, {_CALL}, resource) when {{ context has risk && '
        "context.risk.score >= 60 } unless { context has authentication && context.authentication.age_s <= 300 && "
        'context.authentication.classes.contains("urn:ostiary:aal2") };',
        f'@id("place") forbid ({_PERSON}, {_CALL}, resource) when {{ context has place && context.place has country && '
        'context.place.country == "XX" };',
        f'@id("writes") forbid (principal, {_CALL}, resource == Ostiary::Route::"reports") when {{ '
        'context.method != "GET" && !(principal in Ostiary::Role::"reporters") };',
    ]
    for name in _SERVICES:
        found.append(
            f'@id("{name}.staff") permit (principal in Ostiary::Role::"{name}-staff", {_CALL}, '
            f'resource == Ostiary::Route::"{name}") when {{ context.scopes.contains("{name}:write") }};'
        )
        found.append(
            f'@id("{name}.group") forbid (principal in Ostiary::Group::"{name}-readers", {_CALL}, '
            f'resource == Ostiary::Route::"{name}") when {{ context.method != "GET" && context.method != "HEAD" }};'
        )
    return found


def _question(person: int, some: random.Random, score: int = 10) -> Question:
    service = _SERVICES[person % len(_SERVICES)]
    parents = (EntityRef("Ostiary::Role", f"{service}-staff"), EntityRef("Ostiary::Group", "everybody"))
    known = {"state": "active", "is_admin": False, "factors": ["pwd", "totp"]}
    subject = Entity(EntityRef("Ostiary::Person", f"usr_{person}"), known, parents)
    route = Entity(EntityRef("Ostiary::Route", service), {"service": f"{service}-service", "scope": f"{service}:read"})
    context = {
        "risk": {"score": score, "level": "low", "reasons": ["new_browser", "new_network"]},
        "authentication": {
            "acr": "urn:ostiary:aal2",
            "classes": ["urn:ostiary:aal1", "urn:ostiary:aal2"],
            "methods": ["pwd", "totp"],
            "age_s": some.randrange(301, 3_600),
        },
        "device": {"known": True, "trusted": False},
        "place": {"country": "TR", "city": "Ankara", "network": 1234},
        "address": f"203.0.113.{some.randrange(256)}",
        "time": {"epoch_s": 1_790_000_000, "hour": 12, "minute": some.randrange(60), "weekday": 1, "day": 20260921},
        "client": "web",
        "scopes": ["openid", "profile", f"{service}:read"],
        "method": "GET",
        "host": "api.example",
        "path": f"/api/{service}/{some.randrange(10_000)}",
    }
    return Question(subject, "call", route, context)


def _cpu_us(decide: Callable[[int], Answer], count: int) -> Sequence[float]:
    """The CPU of each of `count` decisions, sorted."""
    for number in range(_WARM_UP):
        decide(number)
    found = []
    gc.collect()
    for number in range(_WARM_UP, _WARM_UP + count):
        before = time.thread_time_ns()
        decide(number)
        found.append((time.thread_time_ns() - before) / 1_000)
    return sorted(found)


def _check(engine: PolicyEngine, shipped: PolicyEngine, some: random.Random) -> None:
    """What was measured were decisions: an allow, and a deny that a step-up would turn."""
    asked, risky = _question(3, some), _question(3, some, score=70)
    turned = decide_with_step_up(engine, risky)
    if not (engine.decide(asked).is_allowed and shipped.decide(asked).is_allowed and turned.obligations):
        raise AssertionError("the decisions that were measured are not those that were meant")


def _figure(what: str, found: Sequence[float], limit: float | None) -> Figure:
    return Figure(
        row="policy",
        database="",
        what=what,
        value=statistics.median(found),
        unit=" µs",
        sense="for comparison" if limit is None else "at most",
        limit=limit,
        details={"p99_us": found[len(found) * 99 // 100], "decisions": len(found)},
    )
