"""What only this room can say in a report: how many people hold which factors, the state of the keys, and names."""

from collections.abc import Collection, Mapping
from datetime import datetime

from sqlalchemy import Boolean, ColumnElement, and_, exists, func, select, type_coerce
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.model import MOST_ROWS, Cell, Chart, Column, Figure, Section, Series, Table
from audit.reports.scope import Scope, SectionMaker
from base.ids import PERSON, parse_id, show_id
from identity.tables import clients, credentials, emails, people, signing_keys
from policy.assurance import PASSKEYS, STRONG

_BATCH = 500
_ACTIVE = people.c.state == "active"


def _holds(*kinds: str) -> ColumnElement[bool]:
    return exists().where(credentials.c.person_id == people.c.id, credentials.c.kind.in_(kinds))


async def make_factors(scope: Scope) -> Section:
    """How many active people hold a second factor, of which kind, and which administrators hold none."""
    words = scope.words
    is_admin = type_coerce(people.c.is_admin, Boolean)
    everybody = await _count(scope.db)
    strong = await _count(scope.db, _holds(*STRONG))
    admins = await _count(scope.db, is_admin)
    bare = and_(is_admin, ~_holds(*STRONG))
    bare_admins = await _count(scope.db, bare)
    return Section(
        key="factors",
        title=words.text("Second factors"),
        summary=_factor_summary(scope, everybody, strong, bare_admins),
        figures=(
            Figure(key="people", label=words.text("Active people"), value=everybody),
            Figure(key="share", label=words.text("With a second factor"),
                   value=round(strong / everybody, 4) if everybody else None, kind="share", is_key=True),
            Figure(key="admins", label=words.text("Administrators"), value=admins),
            Figure(key="bare_admins", label=words.text("Administrators without one"), value=bare_admins),
        ),
        charts=(await _factor_chart(scope, everybody, strong),) if everybody else (),
        tables=(await _bare_admins(scope, bare, bare_admins),) if bare_admins else (),
    )  # fmt: skip


def _factor_summary(scope: Scope, everybody: int, strong: int, bare_admins: int) -> str:
    words = scope.words
    if not everybody:
        return words.text("There are no active people.")
    told = words.text(
        "{with_one} of {all} active people have a second factor.",
        with_one=words.number(strong),
        all=words.number(everybody),
    )
    if not bare_admins:
        return told
    return f"{told} " + words.plural(
        "{count} administrator has none.", "{count} administrators have none.", bare_admins
    )


async def _factor_chart(scope: Scope, everybody: int, strong: int) -> Chart:
    words = scope.words
    counts = (
        (words.text("Passkey"), await _count(scope.db, _holds(*PASSKEYS))),
        (words.text("Authenticator app"), await _count(scope.db, _holds("totp"))),
        (words.text("Backup codes"), await _count(scope.db, _holds("backup_codes"))),
        (words.text("No second factor"), everybody - strong),
    )
    return Chart(
        key="factors",
        title=words.text("Who holds what"),
        shape="ranked",
        labels=tuple(label for label, _ in counts),
        series=(Series(words.text("People"), tuple(count for _, count in counts)),),
        says=", ".join(f"{label}: {words.number(count)}" for label, count in counts),
    )


async def _bare_admins(scope: Scope, bare: ColumnElement[bool], total: int) -> Table:
    words = scope.words
    query = select(people.c.id, people.c.created_at).where(_ACTIVE, bare).order_by(people.c.created_at, people.c.id)
    rows = (await scope.db.execute(query.limit(MOST_ROWS))).all()
    return Table(
        key="bare_admins",
        title=words.text("Administrators without a second factor"),
        columns=(
            Column("account", words.text("Account"), "person"),
            Column("since", words.text("Account made"), "moment"),
        ),
        rows=tuple((show_id(PERSON, bytes(row.id)), row.created_at.isoformat()) for row in rows),
        empty=words.text("Every administrator has one."),
        total=total,
    )


async def _count(db: AsyncConnection, *wanted: ColumnElement[bool]) -> int:
    query = select(func.count()).select_from(people).where(_ACTIVE, *wanted)
    return int((await db.execute(query)).scalar_one())


async def make_keys(scope: Scope) -> Section:
    """The signing keys with their states and ages; none of what is secret."""
    words, now = scope.words, scope.now
    rows = (await scope.db.execute(select(*_KEY_COLUMNS).order_by(signing_keys.c.alg, signing_keys.c.created_at))).all()
    active = [row for row in rows if row.state == "active"]
    oldest = max(((now - (row.active_at or row.created_at)).total_seconds() for row in active), default=None)
    revoked = [row for row in rows if row.revoked_at and row.revoked_at >= scope.period.from_at]
    names = {"next": words.text("published, signs next"), "active": words.text("signs"),
             "retired": words.text("verifies only"), "revoked": words.text("revoked")}  # fmt: skip
    return Section(
        key="keys",
        title=words.text("Signing keys"),
        summary=words.plural("{count} key signs tokens.", "{count} keys sign tokens.", len(active)),
        figures=(
            Figure(key="active", label=words.text("Keys that sign"), value=len(active)),
            Figure(key="oldest", label=words.text("The oldest has signed for"), value=oldest, kind="duration"),
            Figure(key="revoked", label=words.text("Revoked since the period began"), value=len(revoked)),
        ),
        tables=(
            Table(
                key="keys",
                title=words.text("Each key"),
                columns=(
                    Column("kid", words.text("Key"), "id"),
                    Column("alg", words.text("Algorithm")),
                    Column("state", words.text("State")),
                    Column("created_at", words.text("Created"), "moment"),
                    Column("active_at", words.text("Signs since"), "moment"),
                ),
                rows=tuple(_key_cells(row.kid, row.alg, names.get(row.state, row.state), row.created_at, row.active_at)
                           for row in rows),
                empty=words.text("There are no keys."),
            ),
        ),
    )  # fmt: skip


_KEY_COLUMNS = [signing_keys.c[name] for name in ("kid", "alg", "state", "created_at", "active_at", "revoked_at")]


def _key_cells(kid: str, alg: str, state: str, made: datetime, active: datetime | None) -> tuple[Cell, ...]:
    return kid, alg, state, made.isoformat(), active.isoformat() if active else None


async def name_ids(db: AsyncConnection, ids: Collection[str]) -> Mapping[str, str]:
    """What people call these ids: a person's name and main address, an application's name. Whoever is gone has none."""
    named: dict[str, str] = {}
    person_ids = [parsed for each in ids if (parsed := parse_id(PERSON, each)) is not None]
    for start in range(0, len(person_ids), _BATCH):
        named |= await _name_people(db, person_ids[start : start + _BATCH])
    client_ids = sorted(each for each in ids if each.startswith("cli_"))
    for start in range(0, len(client_ids), _BATCH):
        query = select(clients.c.client_id, clients.c.name)
        rows = await db.execute(query.where(clients.c.client_id.in_(client_ids[start : start + _BATCH])))
        named |= {row.client_id: row.name for row in rows}
    return named


async def _name_people(db: AsyncConnection, person_ids: list[bytes]) -> Mapping[str, str]:
    joined = people.outerjoin(emails, and_(emails.c.person_id == people.c.id, emails.c.is_primary))
    query = select(people.c.id, people.c.username, people.c.profile, emails.c.address).select_from(joined)
    named: dict[str, str] = {}
    for row in await db.execute(query.where(people.c.id.in_(person_ids))):
        profile = row.profile if isinstance(row.profile, dict) else {}
        name, address = profile.get("name") or row.username, row.address
        label = f"{name} ({address})" if name and address else str(name or address or "")
        if label:
            named[show_id(PERSON, bytes(row.id))] = label
    return named


SECTIONS: tuple[SectionMaker, ...] = (make_factors, make_keys)
