"""How sure the server was of whom it let in: sign-ins by level, what weighed most, and what was critical."""

from collections import Counter
from collections.abc import Callable, Mapping

from sqlalchemy import func, select

from audit.catalogue import (
    DEVICE_CLONED,
    LOGIN_BEGUN,
    LOGIN_REFUSED,
    LOGIN_SUCCEEDED,
    RISK_CRITICAL,
    RISK_RAISED,
    RISK_REPORTED,
)
from audit.reading import EventReader
from audit.reports.found import Found, iso, list_events, risk_level_field
from audit.reports.model import MOST_ROWS, Column, Figure, Section, Table
from audit.reports.scope import Scope, SectionMaker
from audit.reports.tally import within
from audit.reports.words import Words
from audit.tables import events
from audit.word_lists import RISK_LEVEL_WORDS
from audit.words import reason_word, translate

# What a signal is called, in a language.
NameSignal = Callable[[str, str], str]
_KINDS = (LOGIN_BEGUN.name, LOGIN_SUCCEEDED.name, LOGIN_REFUSED.name)
_WORST_FIRST = tuple(reversed([*RISK_LEVEL_WORDS]))
_MOST_SIGNALS = 15


def risk_section(name_signal: NameSignal) -> SectionMaker:
    """The section's maker."""

    async def make_risk(scope: Scope) -> Section | None:
        """None where nothing was assessed."""
        levels, critical = await _count_levels(scope), scope.tally.count((RISK_CRITICAL.name,))
        if not levels and not critical:
            return None
        found = await list_events(scope.db, scope.period, RISK_CRITICAL.name) if critical else []
        tables = (
            _level_table(scope.words, levels),
            await _signal_table(scope, name_signal),
            _critical_table(scope.words, found, critical),
        )
        return Section(
            key="risk",
            title=scope.words.text("Risk"),
            summary=_summary(scope.words, levels),
            figures=_figures(scope),
            tables=tuple(table for table in tables if table.rows),
        )

    return make_risk


async def _count_levels(scope: Scope) -> Mapping[tuple[str, str], int]:
    """How many assessed sign-ins there were, by level and name."""
    level = risk_level_field(scope.db)
    columns = func.coalesce(level, ""), events.c.name
    query = select(*columns, func.count()).where(within(scope.period, *_KINDS), events.c.risk_score.is_not(None))
    return {(level, name): times for level, name, times in await scope.db.execute(query.group_by(*columns))}


def _figures(scope: Scope) -> tuple[Figure, ...]:
    words, told = scope.words, scope.tally
    named = (
        ("critical", words.text("Critical sign-ins and sessions"), RISK_CRITICAL.name),
        ("raised", words.text("Sessions whose risk rose"), RISK_RAISED.name),
        ("cloned", words.text("Devices that may have been copied"), DEVICE_CLONED.name),
        ("reported", words.text("Reports by services"), RISK_REPORTED.name),
    )
    return tuple(
        Figure(key=key, label=label, value=told.count((name,)), before=scope.before.count((name,)), rising="bad",
               is_key=key == "critical")
        for key, label, name in named
    )  # fmt: skip


def _summary(words: Words, levels: Mapping[tuple[str, str], int]) -> str:
    proven = {level: levels.get((level, LOGIN_SUCCEEDED.name), 0) for level in RISK_LEVEL_WORDS}
    whole, risky = sum(proven.values()), proven["high"] + proven["critical"]
    signins = words.plural("{count} sign-in was assessed", "{count} sign-ins were assessed", whole)
    return words.text("{signins}; of high or critical risk: {risky}.", signins=signins, risky=words.number(risky))


def _level_table(words: Words, levels: Mapping[tuple[str, str], int]) -> Table:
    return Table(
        key="levels",
        title=words.text("Sign-ins by level of risk"),
        columns=(
            Column("level", words.text("Level")),
            Column("begun", words.text("More was asked for"), "number"),
            Column("succeeded", words.text("Signed in"), "number"),
            Column("refused", words.text("Refused"), "number"),
        ),
        rows=tuple(
            (translate(RISK_LEVEL_WORDS[level], words.language), *(levels.get((level, name), 0) for name in _KINDS))
            for level in _WORST_FIRST
            if levels
        ),
        empty=words.text("No sign-in was assessed."),
    )


async def _signal_table(scope: Scope, name_signal: NameSignal) -> Table:
    """Reasons are personal: those of the riskiest sign-ins are opened, and only how often each was one is kept."""
    words = scope.words
    query = select(events).where(within(scope.period, *_KINDS), events.c.risk_score > 0)
    query = query.order_by(events.c.risk_score.desc(), events.c.at, events.c.id).limit(MOST_ROWS)
    rows = (await scope.db.execute(query)).mappings().all()
    times, points = Counter[str](), Counter[str]()
    for event in await EventReader(scope.audit.sealer).open_all(scope.db, rows):
        for signal, weight in _raising(event.risk_reasons):
            times[signal] += 1
            points[signal] += weight
    return Table(
        key="signals",
        title=words.text("What weighed most"),
        columns=(
            Column("signal", words.text("Signal")),
            Column("times", words.text("Sign-ins"), "number"),
            Column("points", words.text("Points in all"), "number"),
        ),
        rows=tuple(
            (name_signal(signal, words.language), times[signal], weight)
            for signal, weight in points.most_common(_MOST_SIGNALS)
        ),
        empty=words.text("Nothing spoke against anybody."),
        total=len(points),
    )


def _raising(reasons: object) -> list[tuple[str, int]]:
    """The signals that have points of a score, with these."""
    told = [each for each in reasons if isinstance(each, Mapping)] if isinstance(reasons, list) else []
    named = [(each.get("signal"), each.get("points")) for each in told]
    return [(one, many) for one, many in named if isinstance(one, str) and isinstance(many, int) and many > 0]


def _critical_table(words: Words, found: list[Found], count: int) -> Table:
    return Table(
        key="critical",
        title=words.text("Each that was critical"),
        columns=(
            Column("at", words.text("Time"), "moment"),
            Column("account", words.text("Account"), "person"),
            Column("score", words.text("Score"), "number"),
            Column("place", words.text("Place"), "personal", field="place"),
            Column("network", words.text("From network"), "personal", field="network"),
            Column("effect", words.text("What followed")),
        ),
        rows=tuple(
            (iso(each.at), each.subject, each.number("to"), each.ref, each.ref,
             reason_word(str(each.data.get("effect") or ""), words.language))
            for each in found
        ),
        empty=words.text("Nothing was critical."),
        total=count,
    )  # fmt: skip
