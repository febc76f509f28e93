"""What a schema says about actions and entities: which there are, what stands in which group, what must be given.

Cedar checks a schema and can write it anew in one regular form, but tells a program nothing of what is in it; so that
form is read here (the grammar: docs.cedarpolicy.com, "Human-readable schema grammar"). In what is found all names are
full ones, and the names of common types are replaced by what they stand for.
"""

from collections.abc import Mapping
from dataclasses import dataclass

from ostiary.policy.schema_tokens import Tokens, plain
from ostiary.policy.values import EntityRef

_OURS = "Ostiary"
# Cedar's own types can always be named so, whatever a namespace calls its entities.
BUILT_IN = "__cedar::"
# Common types that name one another twice each grow without bound when they are replaced.
_MOST_ATTRIBUTES = 20_000
ADDRESS = BUILT_IN + "ipaddr"


@dataclass(frozen=True, slots=True)
class SetOf:
    """The type of sets of one type."""

    element: "Type"


@dataclass(frozen=True, slots=True)
class Attribute:
    """One attribute of a record; its type is the name of an entity or of Cedar's own, a set, or a record."""

    type: "Type"
    is_required: bool = True


Record = Mapping[str, Attribute]
Type = str | SetOf | Record


@dataclass(frozen=True, slots=True)
class EntityShape:
    """A type of entity: those in which it may stand, what is known of it, and its ids where only some exist."""

    within: tuple[str, ...] = ()
    attributes: Record | None = None
    ids: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class ActionShape:
    """An action, or a group of actions, which applies to nothing; `within` are the groups right above it."""

    uid: EntityRef
    within: tuple[EntityRef, ...]
    subjects: tuple[str, ...]
    resources: tuple[str, ...]
    context: Record

    @property
    def name(self) -> str:
        """As questions name it: `call` for one of ours, `Shop::read` for another's."""
        namespace = self.uid.type.removesuffix("Action").removesuffix("::")
        return self.uid.id if namespace == _OURS else f"{namespace}::{self.uid.id}"


@dataclass(frozen=True, slots=True)
class SchemaShapes:
    """All actions by their uids, and all types of entities by their names."""

    actions: Mapping[EntityRef, ActionShape]
    entities: Mapping[str, EntityShape]

    def above(self, uid: EntityRef) -> frozenset[EntityRef]:
        """The action and every group that it stands in."""
        found, left = {uid}, [uid]
        while left:
            new = set(self.actions[left.pop()].within) - found
            found |= new
            left += new
        return frozenset(found)


def read_shapes(schema: str) -> SchemaShapes:
    """What is in a schema, as Cedar itself wrote it (`str()` of a handle).

    Raises ValueError where its types are too many or too deep, once their names are replaced.
    """
    reader = _Reader(Tokens(schema))
    try:
        reader.declarations("")
        return reader.shapes()
    except RecursionError:
        raise ValueError("types stand in one another too deep") from None


class _Reader:
    """Reads all declarations first: a name may stand before what it names."""

    def __init__(self, tokens: Tokens) -> None:
        self._tokens = tokens
        self._types: dict[str, Type] = {}
        self._entities: dict[str, EntityShape] = {}
        self._actions: dict[EntityRef, ActionShape] = {}
        self._contexts: dict[EntityRef, Type] = {}
        self._attributes = 0

    def declarations(self, namespace: str) -> None:
        tokens = self._tokens
        while not tokens.is_done() and not tokens.taken("}"):
            tokens.skip_annotations()
            kind = tokens.next()
            if kind == "namespace":
                inner = tokens.path()
                tokens.next()
                self.declarations(inner)
            elif kind == "type":
                name = _full(namespace, tokens.next())
                tokens.next()
                self._types[name] = self._type()
                tokens.next()
            elif kind == "entity":
                self._entity(namespace)
            else:
                self._action(namespace)

    def shapes(self) -> SchemaShapes:
        """What was read, with every name replaced by what it stands for."""
        entities = {}
        for name, each in self._entities.items():
            namespace = _namespace(name)
            within = tuple(self._entity_name(namespace, group) for group in each.within)
            entities[name] = EntityShape(within, self._resolved_record(namespace, each.attributes or {}), each.ids)
        return SchemaShapes({uid: self._resolved_action(each) for uid, each in self._actions.items()}, entities)

    def _resolved_action(self, action: ActionShape) -> ActionShape:
        namespace = _namespace(action.uid.type)
        return ActionShape(
            action.uid,
            action.within,
            tuple(self._entity_name(namespace, each) for each in action.subjects),
            tuple(self._entity_name(namespace, each) for each in action.resources),
            self._resolved_record(namespace, self._contexts[action.uid]),
        )

    def _entity(self, namespace: str) -> None:
        tokens = self._tokens
        names, shape = tokens.names(), EntityShape()
        while not tokens.taken(";"):
            if tokens.taken("in"):
                shape = EntityShape(tokens.listed(), shape.attributes, shape.ids)
            elif tokens.taken("enum"):
                shape = EntityShape(shape.within, shape.attributes, tuple(map(plain, tokens.listed())))
            elif tokens.taken("{"):
                shape = EntityShape(shape.within, self._record(), shape.ids)
            elif tokens.taken("tags"):
                self._type()
            else:
                tokens.next()
        for name in names:
            self._entities[_full(namespace, name)] = shape

    def _action(self, namespace: str) -> None:
        tokens, names = self._tokens, self._tokens.names()
        within: tuple[EntityRef, ...] = ()
        applies: dict[str, tuple[str, ...]] = {}
        context: Type = {}
        while not tokens.taken(";"):
            word = tokens.next()
            if word == "in":
                within = tuple(_action_uid(namespace, each) for each in tokens.listed())
            elif word in ("principal", "resource"):
                tokens.next()
                applies[word] = tokens.listed()
            elif word == "context":
                tokens.next()
                context = self._type()
        for name in names:
            uid = EntityRef(_full(namespace, "Action"), name)
            subjects, resources = applies.get("principal", ()), applies.get("resource", ())
            self._actions[uid] = ActionShape(uid, within, subjects, resources, {})
            self._contexts[uid] = context

    def _type(self) -> Type:
        if self._tokens.taken("{"):
            return self._record()
        name = self._tokens.path()
        if not self._tokens.taken("<"):
            return name
        element = self._type()
        self._tokens.next()
        return SetOf(element)

    def _record(self) -> Record:
        tokens, found = self._tokens, {}
        while not tokens.taken("}"):
            tokens.skip_annotations()
            name = plain(tokens.next())
            is_required = not tokens.taken("?")
            tokens.next()
            found[name] = Attribute(self._type(), is_required)
            tokens.taken(",")
        return found

    def _resolved(self, namespace: str, written: Type) -> Type:
        if isinstance(written, SetOf):
            return SetOf(self._resolved(namespace, written.element))
        if not isinstance(written, str):
            self._attributes += len(written)
            if self._attributes > _MOST_ATTRIBUTES:
                raise ValueError(f"types have too many attributes, expected at most {_MOST_ATTRIBUTES} in all")
            return {
                name: Attribute(self._resolved(namespace, each.type), each.is_required)
                for name, each in written.items()
            }
        for name in (_full(namespace, written), written):
            if name in self._types:
                return self._resolved(_namespace(name), self._types[name])
            if name in self._entities:
                return name
        return BUILT_IN + written.removeprefix(BUILT_IN)

    def _resolved_record(self, namespace: str, written: Type) -> Record:
        resolved = self._resolved(namespace, written)
        return {} if isinstance(resolved, str | SetOf) else resolved

    def _entity_name(self, namespace: str, written: str) -> str:
        inner = _full(namespace, written)
        return inner if inner in self._entities else written


def _action_uid(namespace: str, written: str) -> EntityRef:
    at = written.index('"')
    path = written[:at].removesuffix("::") or "Action"
    return EntityRef(path if "::" in path else _full(namespace, path), plain(written[at:]))


def _full(namespace: str, name: str) -> str:
    return f"{namespace}::{name}" if namespace else name


def _namespace(name: str) -> str:
    return name.rpartition("::")[0]
