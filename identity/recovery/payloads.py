"""Links found by one fact in their payload, where no column names what they are about."""

import msgspec
from sqlalchemy import ColumnElement, Text, and_, type_coerce

from identity.tables import single_use


def unused_about(kind: str, name: str, value: str) -> ColumnElement[bool]:
    """Which links of a kind were not used and say `name: value` in their payload."""
    said = msgspec.json.encode({name: value}).decode()[1:-1]
    payload = type_coerce(single_use.c.payload, Text)
    return and_(single_use.c.kind == kind, single_use.c.used_at.is_(None), payload.contains(said, autoescape=True))
