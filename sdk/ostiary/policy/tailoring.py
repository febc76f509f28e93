"""A schema cut to what a slice of policies reads.

Cedar checks everything that it is given against the schema, and that is most of what a decision costs; so it is given
nothing that no policy of the action looks at, and a schema that knows of nothing else. What is read keeps its type, so
nothing that counts goes unchecked.
"""

from collections.abc import Iterable, Mapping

from ostiary.policy.reading import Reads, Steps
from ostiary.policy.schema_shapes import ActionShape, Attribute, EntityShape, Record, SchemaShapes, SetOf, Type
from ostiary.policy.schema_tokens import quoted
from ostiary.policy.values import EntityRef


def read_context(record: Record, reads: Reads) -> Record:
    """The part of a context, or of a record in it, that is read."""
    return _part(record, reads.whole, reads.asked)


def _part(record: Record, whole: Iterable[Steps], asked: Iterable[Steps]) -> Record:
    if () in whole:
        return record
    found = {}
    for name, each in record.items():
        whole_below, asked_below = _below(whole, name), _below(asked, name)
        if whole_below or asked_below:
            found[name] = _narrowed(each, whole_below, asked_below)
    return found


def _narrowed(each: Attribute, whole: Iterable[Steps], asked: Iterable[Steps]) -> Attribute:
    inner = each.type
    return each if isinstance(inner, str | SetOf) else Attribute(_part(inner, whole, asked), each.is_required)


def _below(steps: Iterable[Steps], name: str) -> frozenset[Steps]:
    return frozenset(each[1:] for each in steps if each and each[0] == name)


def read_attributes(shapes: SchemaShapes, reads: Reads) -> Mapping[str, Record]:
    """Of each type of entity the attributes of which a policy reads the name."""
    return {
        name: {key: each for key, each in (shape.attributes or {}).items() if key in reads.names}
        for name, shape in shapes.entities.items()
    }


def tailored(shapes: SchemaShapes, action: ActionShape, context: Record, attributes: Mapping[str, Record]) -> str:
    """The schema with this action and its groups, and with nothing of entities but these attributes."""
    written: dict[str, list[str]] = {}
    for name, shape in shapes.entities.items():
        namespace, _, basename = name.rpartition("::")
        written.setdefault(namespace, []).append(_entity(basename, shape, attributes[name]))
    for uid in sorted(shapes.above(action.uid), key=str):
        namespace = uid.type.rpartition("::")[0]
        applies = _applies(action, context) if uid == action.uid else ""
        written.setdefault(namespace, []).append(_action(uid, shapes.actions[uid].within, applies))
    blocks = ("\n".join(lines) if not space else _block(space, lines) for space, lines in written.items())
    return "\n".join(blocks)


def _block(namespace: str, lines: Iterable[str]) -> str:
    inner = "\n".join(lines)
    return f"namespace {namespace} {{\n{inner}\n}}"


def _entity(name: str, shape: EntityShape, attributes: Record) -> str:
    if shape.ids:
        return f"entity {name} enum [{', '.join(map(quoted, shape.ids))}];"
    within = f" in [{', '.join(shape.within)}]" if shape.within else ""
    return f"entity {name}{within} {_record(attributes)};"


def _action(uid: EntityRef, within: Iterable[EntityRef], applies: str) -> str:
    groups = ", ".join(f"{each.type}::{quoted(each.id)}" for each in within)
    return f"action {quoted(uid.id)}{f' in [{groups}]' if groups else ''}{applies};"


def _applies(action: ActionShape, context: Record) -> str:
    subjects, resources = ", ".join(action.subjects), ", ".join(action.resources)
    return f" appliesTo {{ principal: [{subjects}], resource: [{resources}], context: {_record(context)} }}"


def _record(record: Record) -> str:
    attributes = (
        f"{quoted(name)}{'' if each.is_required else '?'}: {_type(each.type)}" for name, each in record.items()
    )
    return f"{{ {', '.join(attributes)} }}"


def _type(written: Type) -> str:
    if isinstance(written, SetOf):
        return f"Set<{_type(written.element)}>"
    return written if isinstance(written, str) else _record(written)
