"""Accounts and networks that failed most: where somebody guesses."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import ColumnElement, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.catalogue import LOGIN_FAILED
from audit.reports.found import data_field, iso
from audit.reports.model import Cell, Column, Figure, Period, Section, Table
from audit.reports.scope import Scope
from audit.reports.sections.signins import FAILURES, SUCCEEDED
from audit.reports.tally import within
from audit.tables import events
from base.ids import EVENT, show_id

MOST = 20
# Fewer failures are what people do who mistype.
LEAST = 5


async def make_attacks(scope: Scope) -> Section:
    """Who failed at least five times, by account and by network, and whether somebody got in afterwards."""
    words, db = scope.words, scope.db
    accounts = await _count_groups(db, scope.period, events.c.subject)
    networks = await _count_groups(db, scope.period, events.c.network_index)
    guessed = await _count_unknown_names(scope)
    figures = (
        Figure(key="accounts", label=words.text("Accounts under attack"), value=accounts,
               before=await _count_groups(db, scope.period.before, events.c.subject), rising="bad", is_key=True),
        Figure(key="networks", label=words.text("Attacking networks"), value=networks,
               before=await _count_groups(db, scope.period.before, events.c.network_index), rising="bad"),
        Figure(key="unknown_names", label=words.text("Unknown names tried"), value=guessed, rising="bad"),
    )  # fmt: skip
    tables = []
    if accounts:
        tables.append(await _accounts(scope, accounts))
    if networks:
        tables.append(await _networks(scope, networks))
    return Section(
        key="attacks",
        title=words.text("Accounts and networks under attack"),
        summary=_summary(scope, accounts, networks, tables),
        figures=figures,
        tables=tuple(tables),
    )


def _summary(scope: Scope, accounts: int, networks: int, tables: Sequence[Table]) -> str:
    words = scope.words
    if not accounts + networks:
        return words.text("No account and no network had {least} failed attempts or more.", least=LEAST)
    told = words.text(
        "{accounts} and {networks} had {least} failed attempts or more.",
        accounts=words.plural("{count} account", "{count} accounts", accounts),
        networks=words.plural("{count} network", "{count} networks", networks),
        least=LEAST,
    )
    got_in = sum(row[-1] == words.text("yes") for table in tables if table.key == "accounts" for row in table.rows)
    if not got_in:
        return told
    return f"{told} " + words.plural(
        "At {count} of the accounts listed here somebody signed in after the last failure: make sure that it was its"
        " owner.",
        "At {count} of the accounts listed here somebody signed in after the last failure: make sure that it was"
        " their owner.",
        got_in,
    )


async def _count_groups(db: AsyncConnection, period: Period, column: ColumnElement[object]) -> int:
    grouped = select(column).where(within(period, *FAILURES), column.is_not(None))
    counted = grouped.group_by(column).having(func.count() >= LEAST).subquery()
    return int((await db.execute(select(func.count()).select_from(counted))).scalar_one())


async def _count_unknown_names(scope: Scope) -> int:
    typed = data_field(scope.db, "typed_digest")
    tried = within(scope.period, LOGIN_FAILED.name), events.c.subject.is_(None)
    return int((await scope.db.execute(select(func.count(typed.distinct())).where(*tried))).scalar_one())


@dataclass(frozen=True, slots=True)
class _Group:
    """An account or a network that failed: how often, at how many different others, and when."""

    key: object
    failures: int
    others: int
    first: datetime
    last: datetime


async def _list_groups(scope: Scope, column: ColumnElement[object], other: ColumnElement[str]) -> list[_Group]:
    """The groups that failed most."""
    times = func.count()
    shown = column, times, func.count(other.distinct()), func.min(events.c.at), func.max(events.c.at)
    grouped = select(*shown).where(within(scope.period, *FAILURES), column.is_not(None)).group_by(column)
    most = grouped.having(times >= LEAST).order_by(times.desc(), column).limit(MOST)
    return [_Group(*row) for row in await scope.db.execute(most)]


async def _successes(
    scope: Scope, column: ColumnElement[object], groups: Sequence[_Group]
) -> Mapping[object, tuple[int, datetime]]:
    """How often and when last somebody signed in, for those of the groups in which somebody did."""
    good = within(scope.period, *SUCCEEDED), column.in_([group.key for group in groups])
    rows = await scope.db.execute(select(column, func.count(), func.max(events.c.at)).where(*good).group_by(column))
    return {row[0]: (row[1], row[2]) for row in rows}


async def _accounts(scope: Scope, total: int) -> Table:
    words = scope.words
    groups = await _list_groups(scope, events.c.subject, events.c.network_index)
    got_in = await _successes(scope, events.c.subject, groups)
    rows: list[tuple[Cell, ...]] = []
    for each in groups:
        since = each.key in got_in and got_in[each.key][1] > each.last
        after = words.text("yes") if since else words.text("no")
        rows.append((str(each.key), each.failures, each.others, iso(each.first), iso(each.last), after))
    return Table(
        key="accounts",
        title=words.text("Accounts"),
        columns=(
            Column("account", words.text("Account"), "person"),
            Column("failures", words.text("Failures"), "number"),
            Column("networks", words.text("Networks"), "number"),
            Column("first", words.text("First"), "moment"),
            Column("last", words.text("Last"), "moment"),
            Column("signed_in_after", words.text("Signed in after")),
        ),
        rows=tuple(rows),
        empty=words.text("No account."),
        total=total,
    )


async def _networks(scope: Scope, total: int) -> Table:
    words = scope.words
    tried = func.coalesce(events.c.subject, data_field(scope.db, "typed_digest"))
    groups = await _list_groups(scope, events.c.network_index, tried)
    got_in, refs = await _successes(scope, events.c.network_index, groups), await _find_refs(scope, groups)
    return Table(
        key="networks",
        title=words.text("Networks"),
        columns=(
            Column("network", words.text("Network"), "personal", field="network"),
            Column("failures", words.text("Failures"), "number"),
            Column("names", words.text("Names tried"), "number"),
            Column("signins", words.text("Sign-ins"), "number"),
            Column("first", words.text("First"), "moment"),
            Column("last", words.text("Last"), "moment"),
        ),
        rows=tuple(
            (
                refs.get(each.key),
                each.failures,
                each.others,
                got_in.get(each.key, (0,))[0],
                iso(each.first),
                iso(each.last),
            )
            for each in groups
        ),
        empty=words.text("No network."),
        total=total,
    )


async def _find_refs(scope: Scope, groups: Sequence[_Group]) -> Mapping[object, str]:
    """An event of each network: its address tells which network it was."""
    keys, lasts = [group.key for group in groups], [group.last for group in groups]
    wanted = events.c.network_index.in_(keys), events.c.at.in_(lasts), within(scope.period, *FAILURES)
    rows = await scope.db.execute(select(events.c.network_index, events.c.id).where(*wanted))
    return {row[0]: show_id(EVENT, bytes(row[1])) for row in rows}
