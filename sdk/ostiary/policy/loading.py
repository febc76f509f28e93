"""Texts of policies and of a schema, read and checked before any of them decides."""

from collections.abc import Mapping
from dataclasses import replace

from ostiary.policy.annotations import Fault, InvalidPolicies, Terms, parse_terms
from ostiary.policy.cedar import cedarpy, pst
from ostiary.policy.nesting import check_policies, check_schema
from ostiary.policy.schema_shapes import SchemaShapes, read_shapes


def parse_schema(schema: str) -> cedarpy.Schema:
    """The schema as a handle. Raises InvalidPolicies."""
    try:
        check_schema(schema)
        return cedarpy.Schema.from_str(schema)
    except ValueError as error:
        raise InvalidPolicies((Fault("", f"schema: {error}"),)) from error


def parse_shapes(schema: cedarpy.Schema) -> SchemaShapes:
    """What the schema says of actions and entities. Raises InvalidPolicies."""
    try:
        return read_shapes(str(schema))
    except ValueError as error:
        raise InvalidPolicies((Fault("", f"schema: {error}"),)) from error


def read_policies(text: str) -> pst.PolicySet:
    """What Cedar reads in a text, unchecked. Raises ValueError."""
    check_policies(text)
    return cedarpy.policies_to_pst(text)


def parse_policies(text: str, schema: cedarpy.Schema) -> tuple[Mapping[str, pst.Template], tuple[Terms, ...]]:
    """The policies by id and what they say about themselves, both in the order of the text. Raises InvalidPolicies."""
    try:
        found = read_policies(text)
    except ValueError as error:
        raise InvalidPolicies((Fault("", f"policies: {error}"),)) from error
    policies = sorted(found.static_policies.values(), key=_position)
    terms, faults = parse_terms(policies)
    if found.templates:
        faults += (Fault("", "templates (?principal, ?resource) are not used, expected policies"),)
    faults += _schema_faults(text, schema, {each.id: each.annotations.get("id", "") for each in policies})
    if faults:
        raise InvalidPolicies(faults)
    # Cedar then answers with the same ids.
    named = [replace(each, id=each.annotations["id"]) for each in policies]
    return {each.id: each for each in named}, terms


def _position(policy: pst.Template) -> int:
    """Cedar numbers the policies of a text: `policy0`, `policy1`…"""
    return int(policy.id.removeprefix("policy"))


def _schema_faults(text: str, schema: cedarpy.Schema, names: Mapping[str, str]) -> tuple[Fault, ...]:
    found = []
    for error in cedarpy.validate_policies(text, schema).errors:
        name = names.get(error.policy_id) or error.policy_id
        found.append(Fault(name, error.error.removeprefix(f"for policy `{error.policy_id}`, ")))
    return tuple(found)
