"""A question in the words of Cedar: JSON texts of what a slice reads, and of nothing else."""

from collections.abc import Mapping
from ipaddress import IPv6Address, ip_address

import msgspec

from ostiary.policy.cedar import cedarpy
from ostiary.policy.schema_shapes import ADDRESS, Record
from ostiary.policy.slices import Slice
from ostiary.policy.values import Entity, EntityRef, Question

# The same people come again and again; a handle is about six kilobytes. Of so many, twice that are kept at most.
_KEPT_ENTITIES = 512


class Unaskable(Exception):
    """The question cannot be put; the text is for the log."""


def request_of(question: Question, asked: Slice) -> dict[str, object]:
    """The request without its entities. Raises Unaskable."""
    given = question.context
    if not asked.required <= given.keys():
        missing = ", ".join(sorted(asked.required - given.keys()))
        raise Unaskable(f"context: {missing} is missing, and the schema requires it")
    subject, resource, action = question.subject.ref, question.resource.ref, asked.action.uid
    return {
        "principal": {"type": subject.type, "id": subject.id},
        "action": {"type": action.type, "id": action.id},
        "resource": {"type": resource.type, "id": resource.id},
        "context": _text(_part(given, asked.context)),
    }


class EntityHandles:
    """Parsed sets of entities, those used lately kept under their very text: whatever changes is another text."""

    def __init__(self) -> None:
        self._newer: dict[tuple[Slice, str], cedarpy.Entities] = {}
        self._older: dict[tuple[Slice, str], cedarpy.Entities] = {}

    def of(self, question: Question, asked: Slice) -> cedarpy.Entities:
        """The entities of this question, as far as the slice looks at them. Raises Unaskable."""
        entities = _entities(question)
        text = _text([_written(entity, asked, entities) for entity in entities.values()])
        key = (asked, text)
        handle = self._newer.get(key)
        if handle is None:
            handle = self._newer[key] = self._older.get(key) or _parsed(text, asked.schema)
            if len(self._newer) >= _KEPT_ENTITIES:
                # In one step each, so that threads need no lock.
                self._older, self._newer = self._newer, {}
        return handle


def _parsed(text: str, schema: cedarpy.Schema) -> cedarpy.Entities:
    try:
        return cedarpy.Entities.from_json_str(text, schema)
    except ValueError as error:
        raise Unaskable(f"entities: {error}") from error


def _entities(question: Question) -> Mapping[EntityRef, Entity]:
    """Each entity once; what is known of the subject comes before what is said of it elsewhere."""
    found: dict[EntityRef, Entity] = {}
    for entity in (question.subject, question.resource, *question.others):
        if not entity.ref.id:
            raise Unaskable(f"an entity {entity.ref.type} has no id")
        found.setdefault(entity.ref, entity)
    return found


def _written(entity: Entity, asked: Slice, known: Mapping[EntityRef, Entity]) -> dict[str, object]:
    attributes = _part(entity.attributes, asked.attributes.get(entity.ref.type, {}))
    groups, parents = asked.groups, entity.parents
    if groups is not None and parents:
        # A group that no policy names, and of which nothing is known, leads nowhere.
        parents = tuple(each for each in parents if each in groups or each in known)
    return {"uid": entity.ref, "attrs": attributes, "parents": parents}


def _part(given: Mapping[str, object], record: Record) -> dict[str, object]:
    """What is given of what a record has; None is nothing."""
    found: dict[str, object] = {}
    for name, each in record.items():
        value = given.get(name)
        if each.type == ADDRESS and value is not None:
            value = _address(value)
        elif isinstance(each.type, dict) and isinstance(value, Mapping):
            value = _part(value, each.type)
        if value is not None:
            found[name] = value
    return found


def _address(value: object) -> str | None:
    """An address as Cedar reads it; rubbish is no address, and an IPv4 address in an IPv6 one is the IPv4 address."""
    try:
        address = ip_address(value if isinstance(value, str) else "")
    except ValueError:
        return None
    if isinstance(address, IPv6Address):
        # Without a zone: it means something to the machine alone that saw it.
        return str(address.ipv4_mapped or IPv6Address(int(address)))
    return str(address)


def _plain(value: object) -> object:
    """For what JSON has no word for: read-only mappings."""
    if isinstance(value, Mapping):
        return dict(value)
    raise TypeError(f"{type(value).__name__} is no JSON value")


_JSON = msgspec.json.Encoder(enc_hook=_plain)


def _text(value: object) -> str:
    try:
        return _JSON.encode(value).decode()
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise Unaskable(f"no JSON: {error}") from error
