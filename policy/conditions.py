"""What can be seen of a policy's conditions without asking anything: what they come to by themselves, and what holds
wherever they do.
"""

from collections.abc import Iterator
from dataclasses import dataclass, fields, is_dataclass

from ostiary.policy.cedar import pst
from ostiary.policy.schema_shapes import SchemaShapes
from ostiary.policy.values import EntityRef

_NOT = {"eq": "not_eq", "not_eq": "eq", "less": "greater_eq", "greater_eq": "less", "greater": "less_eq",
        "less_eq": "greater"}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Conjuncts:
    """Conditions that all have to hold; `never` says in words why they cannot, where that is plain to see."""

    all_of: frozenset[pst.Expr]
    never: str | None


def conjuncts_of(policy: pst.Template) -> Conjuncts:
    """Everything that has to hold for this policy to apply, besides its head; what always holds is left out."""
    found: list[pst.Expr] = []
    for clause in policy.clauses:
        found += _conjuncts(clause.expr if isinstance(clause, pst.When) else pst.UnaryOp("not", clause.expr))
    constants = {fold(each) for each in found}
    never = "a condition is always false" if False in constants else _contradiction(found)
    return Conjuncts(frozenset(each for each in found if fold(each) is None), never)


def _conjuncts(expr: pst.Expr) -> list[pst.Expr]:
    """`a && b` is both, `!(a || b)` neither, and `!(a < b)` is `a >= b`."""
    match expr:
        case pst.BinaryOp(op="and", left=left, right=right):
            return [*_conjuncts(left), *_conjuncts(right)]
        case pst.UnaryOp(op="not", arg=pst.BinaryOp(op="or", left=left, right=right)):
            return [*_conjuncts(pst.UnaryOp("not", left)), *_conjuncts(pst.UnaryOp("not", right))]
        case pst.UnaryOp(op="not", arg=pst.UnaryOp(op="not", arg=inner)):
            return _conjuncts(inner)
        case pst.UnaryOp(op="not", arg=pst.BinaryOp(op=op, left=left, right=right)) if op in _NOT:
            return [pst.BinaryOp(_NOT[op], left, right)]  # type: ignore[arg-type]
    return [expr]


def fold(expr: object) -> bool | None:
    """What a condition comes to whatever is asked, or None where that depends."""
    match expr:
        case pst.BoolLit(value=value):
            return value
        case pst.UnaryOp(op="not", arg=arg):
            inner = fold(arg)
            return None if inner is None else not inner
        case pst.BinaryOp(op="and", left=left, right=right):
            return _both(fold(left), fold(right))
        case pst.BinaryOp(op="or", left=left, right=right):
            either = _both(_not(fold(left)), _not(fold(right)))
            return _not(either)
        case pst.BinaryOp(op=op, left=left, right=right):
            return _compared(op, left, right)
        case pst.IfThenElse(cond=cond, then_expr=then, else_expr=otherwise):
            chosen = fold(cond)
            if chosen is not None:
                return fold(then if chosen else otherwise)
            return fold(then) if fold(then) == fold(otherwise) else None
        case _:
            return None


def _both(left: bool | None, right: bool | None) -> bool | None:
    if left is False or right is False:
        return False
    return True if left and right else None


def _not(value: bool | None) -> bool | None:
    return None if value is None else not value


def _compared(op: str, left: pst.Expr, right: pst.Expr) -> bool | None:
    if left == right and op in _NOT:
        return op in ("eq", "less_eq", "greater_eq")
    if isinstance(left, pst.StringLit | pst.LongLit | pst.BoolLit) and isinstance(right, type(left)):
        if op == "eq":
            return left == right
        if op == "not_eq":
            return left != right
        if isinstance(left, pst.LongLit) and isinstance(right, pst.LongLit):
            return _ORDERED[op](left.value, right.value) if op in _ORDERED else None
    if op in ("contains", "contains_any") and isinstance(left, pst.Set) and not left.elements:
        return False
    return None


_ORDERED = {
    "less": lambda a, b: a < b,
    "less_eq": lambda a, b: a <= b,
    "greater": lambda a, b: a > b,
    "greater_eq": lambda a, b: a >= b,
}


def constants_in(policy: pst.Template) -> Iterator[str]:
    """Words for each condition that comes to the same whatever is asked."""
    for clause in policy.clauses:
        kind = "when" if isinstance(clause, pst.When) else "unless"
        whole = fold(clause.expr)
        if whole is not None and whole == (kind == "when"):
            yield f"a condition ({kind}) is always {_WORDS[whole]}: it can be left out"
        elif whole is None:
            yield from _constants_within(clause.expr)


_WORDS = {True: "true", False: "false"}


def _constants_within(expr: pst.Expr) -> Iterator[str]:
    left: list[object] = [expr]
    while left:
        node = left.pop()
        value = None if isinstance(node, pst.BoolLit) else fold(node)
        if value is not None:
            yield f"a part of a condition is always {_WORDS[value]}"
        elif isinstance(node, tuple):
            left += node
        elif is_dataclass(node):
            left += [getattr(node, each.name) for each in fields(node)]


def _contradiction(found: list[pst.Expr]) -> str | None:
    """Words for two conditions that cannot both hold: one is the other's opposite, or numbers or texts that exclude
    each other."""
    held = set(found)
    if any(pst.UnaryOp("not", each) in held or _opposite(each) in held for each in found):
        return "one condition is the opposite of another"
    texts: dict[pst.Expr, str] = {}
    bounds: dict[pst.Expr, tuple[int | None, int | None]] = {}
    for each in found:
        match each:
            case pst.BinaryOp(op="eq", left=left, right=pst.StringLit(value=text)):
                if texts.setdefault(left, text) != text:
                    return f"something would have to be {texts[left]!r} and {text!r} at once"
            case pst.BinaryOp(op=op, left=left, right=pst.LongLit(value=number)) if op in (*_ORDERED, "eq"):
                low, high = _narrowed(bounds.get(left, (None, None)), op, number)
                bounds[left] = low, high
                if low is not None and high is not None and low > high:
                    return "a number would have to be greater and smaller at once"
    return None


def _opposite(expr: pst.Expr) -> pst.Expr | None:
    if isinstance(expr, pst.BinaryOp) and expr.op in _NOT:
        return pst.BinaryOp(_NOT[expr.op], expr.left, expr.right)  # type: ignore[arg-type]
    return None


def _narrowed(bounds: tuple[int | None, int | None], op: str, number: int) -> tuple[int | None, int | None]:
    low, high = bounds
    lows = {"eq": number, "greater_eq": number, "greater": number + 1}
    highs = {"eq": number, "less_eq": number, "less": number - 1}
    if op in lows:
        low = lows[op] if low is None else max(low, lows[op])
    if op in highs:
        high = highs[op] if high is None else min(high, highs[op])
    return low, high


def covers_head(wide: pst.Template, narrow: pst.Template, shapes: SchemaShapes) -> bool:
    """True where the head of `wide` fits all that the head of `narrow` fits."""
    if not (_covers(wide.principal, narrow.principal) and _covers(wide.resource, narrow.resource)):
        return False
    return actions_of(narrow, shapes) <= actions_of(wide, shapes)


def actions_of(policy: pst.Template, shapes: SchemaShapes) -> frozenset[str]:
    """The actions that can be asked about and that the head of the policy fits, by name."""
    match policy.action:
        case pst.ActionEq(entity=entity):
            named = {entity}
        case pst.ActionIn(entities=entities):
            named = set(entities)
        case _:
            return frozenset(each.name for each in shapes.actions.values() if each.subjects)
    wanted = {EntityRef(str(each.type), each.id) for each in named}
    return frozenset(
        each.name for each in shapes.actions.values() if each.subjects and wanted & {each.uid, *shapes.above(each.uid)}
    )


def _covers(wide: pst.PrincipalOrResourceConstraint, narrow: pst.PrincipalOrResourceConstraint) -> bool:
    if isinstance(wide, pst.ScopeAny) or wide == narrow:
        return True
    if not isinstance(wide, pst.ScopeIs):
        return False
    if isinstance(narrow, pst.ScopeIs | pst.ScopeIsIn):
        return narrow.entity_type == wide.entity_type
    return (
        isinstance(narrow, pst.ScopeEq)
        and isinstance(narrow.entity, pst.EntityUid)
        and narrow.entity.type == wide.entity_type
    )
