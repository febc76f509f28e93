"""What people belong to: organisations, groups and roles.

`version` counts changes of a row for `ETag` and `If-Match`; every statement that changes the row raises it.
"""

from sqlalchemy import Column, ForeignKey, Index, Integer, String, Table, UniqueConstraint

from base.tables import Id, Instant, JsonText, metadata

organisations = Table(
    "organisations",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("attributes", JsonText, nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)

groups = Table(
    "groups",
    metadata,
    Column("id", Id, primary_key=True),
    Column("organisation_id", Id, ForeignKey("organisations.id", ondelete="CASCADE"), nullable=True),
    Column("name", String(128), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
    UniqueConstraint("organisation_id", "name"),
)

roles = Table(
    "roles",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String(128), nullable=False, unique=True),
    Column("description", String(256), nullable=False),
    Column("created_at", Instant, nullable=False),
    Column("version", Integer, nullable=False),
)


def _membership(name: str, target: str, column: str) -> Table:
    return Table(
        name,
        metadata,
        Column(column, Id, ForeignKey(f"{target}.id", ondelete="CASCADE"), primary_key=True),
        Column("person_id", Id, ForeignKey("people.id", ondelete="CASCADE"), primary_key=True),
        Column("created_at", Instant, nullable=False),
        Index(None, "person_id"),
    )


organisation_members = _membership("organisation_members", "organisations", "organisation_id")
group_members = _membership("group_members", "groups", "group_id")
role_members = _membership("role_members", "roles", "role_id")
