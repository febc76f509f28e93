"""What a policy looks at: nothing else has to be given to Cedar, and a record of a decision is whole with it."""

from collections.abc import Iterator
from dataclasses import dataclass, fields

from ostiary.policy.cedar import pst, ref_of
from ostiary.policy.values import EntityRef

Steps = tuple[str, ...]
_GROUPED = ("principal", "resource")
_EXPRESSIONS = (pst.UnaryOp, pst.BinaryOp, pst.GetAttr, pst.HasAttr, pst.Like, pst.Is, pst.IfThenElse)


@dataclass(frozen=True, slots=True)
class Reads:
    """What is looked at.

    `paths`, of one step, are for people and records: `context.risk`, `principal.is_admin`, `resource.service`;
    `principal in` stands for the groups of the subject, and a variable alone for everything that is known of it.
    `groups` are those in which something is asked to stand, None where that is not known before the question is.
    `whole` are steps into the context of which the value is looked at, `asked` those of which only whether they are
    there; `names` are the names of all attributes, of whatever they are.
    """

    paths: frozenset[str] = frozenset()
    whole: frozenset[Steps] = frozenset()
    asked: frozenset[Steps] = frozenset()
    names: frozenset[str] = frozenset()
    groups: frozenset[EntityRef] | None = frozenset()

    def __or__(self, other: "Reads") -> "Reads":
        """What either looks at."""
        return Reads(
            self.paths | other.paths,
            self.whole | other.whole,
            self.asked | other.asked,
            self.names | other.names,
            None if self.groups is None or other.groups is None else self.groups | other.groups,
        )


def reads_of(policy: pst.Template) -> Reads:
    """What this policy looks at, in its head and its conditions."""
    found = _Found()
    for name, head in zip(_GROUPED, (policy.principal, policy.resource), strict=True):
        if isinstance(head, pst.ScopeIn | pst.ScopeIsIn):
            found.paths.add(f"{name} in")
            found.note_group(head.entity)
    left: list[object] = [clause.expr for clause in policy.clauses]
    while left:
        left += found.look(left.pop())
    return Reads(
        frozenset(found.paths),
        frozenset(found.whole),
        frozenset(found.asked),
        frozenset(found.names),
        found.groups,
    )


class _Found:
    """Collects while the expressions of a policy are walked through."""

    def __init__(self) -> None:
        self.paths: set[str] = set()
        self.whole: set[Steps] = set()
        self.asked: set[Steps] = set()
        self.names: set[str] = set()
        self.groups: frozenset[EntityRef] | None = frozenset()

    def look(self, node: object) -> Iterator[object]:
        """Notes what this expression reads; gives the parts that are left to look at."""
        if isinstance(node, pst.GetAttr):
            self.names.add(node.attr)
        elif isinstance(node, pst.HasAttr):
            self.names.update(node.attrs)
        elif isinstance(node, pst.BinaryOp) and node.op == "in":
            self._note_member(node.left, node.right)
        elif isinstance(node, pst.Is) and node.in_expr is not None:
            self._note_member(node.base, node.in_expr)
        elif isinstance(node, pst.IfThenElse | pst.Set | pst.Record):
            # Handed on as it is: what is read of it later cannot be told.
            self.paths.update(part.name for part in _parts(node) if isinstance(part, pst.Var))
        variable, steps = _steps(node)
        if variable is None:
            return _parts(node)
        self.names.update(steps)
        if steps or variable == "context":
            self.paths.add(".".join((variable, *steps[:1])))
        if variable == "context":
            (self.asked if isinstance(node, pst.HasAttr) else self.whole).add(steps)
        return iter(())

    def note_group(self, named: object) -> None:
        """Something is asked to stand in this group, or in one of these."""
        if isinstance(named, pst.Set):
            for each in named.elements:
                self.note_group(each)
        elif isinstance(named, pst.EntityLit | pst.EntityUid) and self.groups is not None:
            self.groups |= {ref_of(named.value if isinstance(named, pst.EntityLit) else named)}
        elif not isinstance(named, pst.EntityLit | pst.EntityUid):
            self.groups = None

    def _note_member(self, member: object, named: object) -> None:
        if isinstance(member, pst.Var):
            if member.name == "action":
                return
            self.paths.add(f"{member.name} in")
        self.note_group(named)


def _steps(node: object) -> tuple[str | None, Steps]:
    """The variable from which attributes are followed, and which; None where the expression is something else."""
    behind: list[str] = []
    if isinstance(node, pst.HasAttr):
        behind += reversed(node.attrs)
        node = node.base
    while isinstance(node, pst.GetAttr):
        behind.append(node.attr)
        node = node.base
    if not isinstance(node, pst.Var):
        return None, ()
    return node.name, tuple(reversed(behind))


def _parts(node: object) -> Iterator[object]:
    """The expressions within an expression."""
    if isinstance(node, pst.Set):
        yield from node.elements
    elif isinstance(node, pst.Record):
        yield from node.fields.values()
    elif isinstance(node, _EXPRESSIONS):
        yield from (getattr(node, each.name) for each in fields(node))
