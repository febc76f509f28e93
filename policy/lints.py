"""What is odd about policies that can be read: what would surprise whoever wrote it. Nothing here keeps a set back."""

from collections.abc import Iterator, Mapping, Sequence

from ostiary.policy.annotations import Terms
from ostiary.policy.cedar import pst
from ostiary.policy.schema_shapes import SchemaShapes
from policy.conditions import Conjuncts, actions_of, conjuncts_of, constants_in, covers_head

Remark = tuple[str, str]


def lint(policies: Mapping[str, pst.Template], terms: Sequence[Terms], shapes: SchemaShapes) -> Iterator[Remark]:
    """Remarks, each a policy's id ("" for the whole set) and words; `policies` are by id, in the order of the text."""
    said = {each.policy: each for each in terms}
    held = {name: conjuncts_of(policy) for name, policy in policies.items()}
    for name, policy in policies.items():
        yield from ((name, words) for words in _of_one(policy, said[name], held[name]))
    yield from _covered(policies, said, held, shapes)
    yield from _never_permitted(policies, said, held, shapes)


def _of_one(policy: pst.Template, said: Terms, held: Conjuncts) -> Iterator[str]:
    if held.never is not None:
        yield f"never applies: {held.never}"
    yield from constants_in(policy)
    if said.effect == "forbid" and said.reason is None:
        yield '@reason is missing: who is refused is told the policy\'s id, expected one like @reason("not_at_night")'
    if said.effect == "advises" and not (said.obligations or said.advice):
        yield "@advises without @notify, @end_session or @advice: it does nothing"
    everything = all(isinstance(head, pst.ScopeAny) for head in (policy.principal, policy.action, policy.resource))
    if said.effect == "permit" and everything and not held.all_of:
        yield "permits everything to everybody: expected a principal, an action, a resource or a condition"


def _covered(
    policies: Mapping[str, pst.Template],
    said: Mapping[str, Terms],
    held: Mapping[str, Conjuncts],
    shapes: SchemaShapes,
) -> Iterator[Remark]:
    """Permits that a forbid always beats, and policies that say nothing beyond another one."""
    told: set[str] = set()
    for name, policy in policies.items():
        if held[name].never is not None or said[name].effect == "advises":
            continue
        for other, wider in policies.items():
            if other == name or other in told or said[other].effect == "advises" or held[other].never is not None:
                continue
            if not (held[other].all_of <= held[name].all_of and covers_head(wider, policy, shapes)):
                continue
            if policy.effect == "permit" and wider.effect == "forbid":
                yield name, f"is never reached: {other} forbids all that it permits"
            elif policy.effect == wider.effect and _says_no_more(said[name], said[other]):
                yield name, f"is not needed: {other} {_VERBS[policy.effect]} all of it"
            else:
                continue
            told.add(name)
            break


_VERBS = {"permit": "permits", "forbid": "forbids"}


def _says_no_more(said: Terms, other: Terms) -> bool:
    """True where what the policy says about itself is not lost with it."""
    return not (said.obligations or said.advice or said.demanded) and said.reason in (None, other.reason)


def _never_permitted(
    policies: Mapping[str, pst.Template],
    said: Mapping[str, Terms],
    held: Mapping[str, Conjuncts],
    shapes: SchemaShapes,
) -> Iterator[Remark]:
    permitted: set[str] = set()
    for name, policy in policies.items():
        if said[name].effect == "permit" and held[name].never is None:
            permitted |= actions_of(policy, shapes)
    for action in shapes.actions.values():
        if action.subjects and action.name not in permitted:
            yield "", f"no policy permits {action.name}: it is always denied"
