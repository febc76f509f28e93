"""What the rules of sign-in must know of a person, read in one statement.

Other statements that need it beside something else put `COLUMNS` into their select list, over `people p`.
"""

# ruff: noqa: S608 - statements are put together from constants of this file; values travel as parameters

from datetime import datetime
from typing import cast

import msgspec

from base.clock import from_micros
from base.database import Database
from base.statements import Row, Statement
from identity.values import PersonState, Standing
from policy.values import EntityRef

_KINDS = "(SELECT {join} FROM credentials WHERE person_id = p.id)"
# What the person belongs to, by the names that policies know; a group's organisation as well.
_BELONGS_TO = """
    (SELECT {rows} FROM (
        SELECT 'Role' AS kind, r.name AS name
            FROM role_members m JOIN roles r ON r.id = m.role_id WHERE m.person_id = p.id
        UNION ALL SELECT 'Group', COALESCE(o.name || '/', '') || g.name FROM group_members m
            JOIN groups g ON g.id = m.group_id LEFT JOIN organisations o ON o.id = g.organisation_id
            WHERE m.person_id = p.id
        UNION ALL SELECT 'Organisation', o.name FROM group_members m
            JOIN groups g ON g.id = m.group_id JOIN organisations o ON o.id = g.organisation_id
            WHERE m.person_id = p.id
        UNION ALL SELECT 'Organisation', o.name FROM organisation_members m
            JOIN organisations o ON o.id = m.organisation_id WHERE m.person_id = p.id
    ) AS belongs)
"""
_REST = """
    (SELECT count(*) FROM emails WHERE person_id = p.id AND verified_at IS NOT NULL),
    p.not_before, (SELECT created_at FROM credentials WHERE person_id = p.id AND kind = 'password'),
"""
_COLUMNS = "p.id, p.sub, p.state, p.is_admin, p.enrol_due_at, {locale}, " + _KINDS + ", " + _REST + _BELONGS_TO
COLUMNS_SQLITE = _COLUMNS.format(
    join="group_concat(DISTINCT kind)",
    locale="json_extract(p.profile, '$.locale')",
    rows="json_group_array(json_array(kind, name))",
)
COLUMNS_POSTGRES = _COLUMNS.format(
    join="string_agg(DISTINCT kind, ',')",
    locale="p.profile::json->>'locale'",
    rows="json_agg(json_build_array(kind, name))::text",
)
WIDTH = 11

_FIND = Statement(
    "find standing",
    (("id", "bytea"),),
    (f"SELECT {COLUMNS_SQLITE} FROM people p WHERE p.id = :id",),
    f"SELECT n, {COLUMNS_POSTGRES} FROM input JOIN people p USING (id)",
)
_PAIRS = msgspec.json.Decoder(list[tuple[str, str]])
_METHODS = {"password": "pwd", "backup_codes": "backup_code"}


async def find_standing(database: Database, person_id: bytes, *, mail_code: bool) -> Standing | None:
    """The person's standing, in whatever state, or None. `mail_code`: whether a mailed code is a factor here."""
    row = await database.find(_FIND, (person_id,))
    return None if row is None else standing_of(row, mail_code=mail_code)


def standing_of(row: Row, *, mail_code: bool) -> Standing:
    """The standing in the raw values of `COLUMNS`."""
    person_id, sub, state, is_admin, due, locale, kinds, addresses, not_before, password_set, belongs = cast(
        tuple[bytes, str, PersonState, bool, int | None, str | None, str | None, int, int | None, int | None, str],
        row,
    )
    factors = {_METHODS.get(kind, kind) for kind in (kinds or "").split(",") if kind}
    if mail_code and addresses:
        factors.add("mail_code")
    ended = [micros for micros in (not_before, password_set) if micros is not None]
    return Standing(
        person_id,
        sub,
        state,
        bool(is_admin),
        frozenset(factors),
        _instant(due),
        _instant(max(ended, default=None)),
        locale,
        _memberships(belongs),
    )


def _memberships(written: str | None) -> tuple[EntityRef, ...]:
    if written is None or written == "[]":
        return ()
    found = {EntityRef(f"Ostiary::{kind}", name) for kind, name in _PAIRS.decode(written)}
    return tuple(sorted(found, key=lambda each: (each.type, each.id)))


def _instant(micros: int | None) -> datetime | None:
    return None if micros is None else from_micros(micros)
