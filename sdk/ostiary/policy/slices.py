"""The part of a set of policies that can have a say in a question, parsed once, with all that is needed to ask it.

Slices are cut by what the heads of policies say for certain: the action, the types of subject and resource, and the
resource where one is named. A policy that is left out would have been found not to apply, and nothing else.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import reduce
from operator import or_

from ostiary.policy.annotations import KEEP_S, Terms
from ostiary.policy.cedar import cedarpy, policy_set, pst, ref_of
from ostiary.policy.reading import Reads, reads_of
from ostiary.policy.schema_shapes import ActionShape, Record, SchemaShapes
from ostiary.policy.tailoring import read_attributes, read_context, tailored
from ostiary.policy.values import EntityRef, Question

_Head = pst.PrincipalOrResourceConstraint


@dataclass(frozen=True, slots=True, eq=False)
class Slice:
    """Policies, and what has to be given to them.

    `schema` knows of nothing but what these policies read: `context`, and `attributes` by the type of entity.
    `groups` are those in which they ask for something to stand, None where they are not known beforehand.
    `required` has to be in every question, read or not.
    """

    action: ActionShape
    deciding: cedarpy.PolicySet
    advising: cedarpy.PolicySet | None
    schema: cedarpy.Schema
    terms: Mapping[str, Terms]
    required: frozenset[str]
    context: Record
    attributes: Mapping[str, Record]
    groups: frozenset[EntityRef] | None
    reads: frozenset[str]
    keep_s: int


class Slices:
    """All slices of one set; those for an action at once, the narrower ones when they are first asked for."""

    def __init__(self, policies: Mapping[str, pst.Template], terms: Sequence[Terms], shapes: SchemaShapes) -> None:
        """`policies` are by id, `terms` in the order of the text."""
        self._policies, self._terms, self._shapes = policies, terms, shapes
        self._reads = {name: reads_of(policy) for name, policy in policies.items()}
        self._named = frozenset(_named(policies.values()))
        self._narrow: dict[tuple[str, str, str, str], Slice] = {}
        self._whole = {each.name: self._cut(each, policies) for each in shapes.actions.values() if each.subjects}

    @property
    def actions(self) -> Collection[str]:
        """The actions that can be asked about."""
        return self._whole.keys()

    def whole(self, action: str) -> Slice | None:
        """All policies that can have a say about an action; None where the schema has no such action."""
        return self._whole.get(action)

    def of(self, question: Question) -> Slice | None:
        """The policies that can have a say in this question."""
        subject, resource = question.subject.ref.type, question.resource.ref
        key = (question.action, subject, resource.type, resource.id if resource in self._named else "")
        return self._narrow.get(key) or self._narrowed(key, question)

    def _narrowed(self, key: tuple[str, str, str, str], question: Question) -> Slice | None:
        whole = self._whole.get(question.action)
        subject, resource = question.subject.ref.type, question.resource.ref
        if whole is None or subject not in whole.action.subjects or resource.type not in whole.action.resources:
            # What cannot be asked is told by Cedar, and nothing is kept of it.
            return whole
        found = {
            name: policy
            for name, policy in self._policies.items()
            if _may_be(policy.principal, subject, None) and _may_be(policy.resource, resource.type, resource)
        }
        return self._narrow.setdefault(key, self._cut(whole.action, found))

    def _cut(self, action: ActionShape, policies: Mapping[str, pst.Template]) -> Slice:
        above = self._shapes.above(action.uid)
        mine = {
            said.policy: said
            for said in self._terms
            if said.policy in policies and _concerns(policies[said.policy], action.uid, above)
        }
        read = reduce(or_, (self._reads[name] for name in mine), Reads())
        context, attributes = read_context(action.context, read), read_attributes(self._shapes, read)
        advising = {name: policies[name] for name, said in mine.items() if said.advises}
        return Slice(
            action=action,
            deciding=policy_set({name: policies[name] for name in mine if name not in advising}),
            advising=policy_set(advising) if advising else None,
            schema=cedarpy.Schema.from_str(tailored(self._shapes, action, context, attributes)),
            terms=mine,
            required=frozenset(name for name, each in action.context.items() if each.is_required),
            context=context,
            attributes=attributes,
            groups=read.groups,
            reads=read.paths,
            keep_s=min((said.keep_s for said in mine.values()), default=KEEP_S),
        )


def _concerns(policy: pst.Template, uid: EntityRef, above: frozenset[EntityRef]) -> bool:
    """True where the head of the policy names this action, a group of it, or none at all."""
    match policy.action:
        case pst.ActionEq(entity=entity):
            return ref_of(entity) == uid
        case pst.ActionIn(entities=entities):
            return any(ref_of(each) in above for each in entities)
        case pst.ScopeAny():
            return True


def _may_be(head: _Head, kind: str, one: EntityRef | None) -> bool:
    """False where the head rules out whatever has this type, or this one where it is known."""
    match head:
        case pst.ScopeIs(entity_type=entity_type) | pst.ScopeIsIn(entity_type=entity_type):
            return str(entity_type) == kind
        case pst.ScopeEq(entity=pst.EntityUid() as entity):
            return ref_of(entity) == one if one is not None else str(entity.type) == kind
        case _:
            return True


def _named(policies: Iterable[pst.Template]) -> Iterable[EntityRef]:
    """The resources that heads name one by one."""
    for policy in policies:
        head = policy.resource
        if isinstance(head, pst.ScopeEq) and isinstance(head.entity, pst.EntityUid):
            yield ref_of(head.entity)
