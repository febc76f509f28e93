"""The state of the log itself: its newest checkpoint, how far that reaches, and how anybody checks it."""

import base64

from sqlalchemy import ColumnElement, and_, func, or_, select

from audit.ledger.checkpoints import StoredCheckpoint, log_size, newest_checkpoint
from audit.reports.model import Column, Figure, Passage, Section, Table
from audit.reports.scope import Scope
from audit.reports.tally import within
from audit.tables import checkpoints, events, segments

_COMMANDS = """ostiary audit verify --checkpoint checkpoint.txt
ostiary audit export --bundle log.gz --checkpoint checkpoint.txt
ostiary audit verify --bundle log.gz --checkpoint checkpoint.txt --key KEY"""


async def make_proof(scope: Scope) -> Section:
    """What the log said of itself when the report was made."""
    words, last = scope.words, await newest_checkpoint(scope.db)
    size, reach = await log_size(scope.db), last.size if last else 0
    waiting = await _count(scope, events.c.seq.is_(None))
    tail = size - reach + waiting
    open_ones = await _count(scope, and_(within(scope.period), or_(events.c.seq.is_(None), events.c.seq >= reach)))
    figures = (
        Figure(key="size", label=words.text("Events in the log"), value=size),
        Figure(key="in_period", label=words.text("Events of this period"), value=scope.tally.count(),
               before=scope.before.count()),
        Figure(key="tail", label=words.text("Not covered by a checkpoint yet"), value=tail),
        Figure(key="checkpoints", label=words.text("Checkpoints of this period"), value=await _checkpoints(scope)),
    )  # fmt: skip
    return Section(
        key="proof",
        title=words.text("The log and its proof"),
        summary=_summary(scope, last, open_ones),
        figures=figures,
        tables=(await _table(scope, last),),
        passages=_passages(scope, last),
    )


async def _count(scope: Scope, which: ColumnElement[bool]) -> int:
    return int((await scope.db.execute(select(func.count()).select_from(events).where(which))).scalar_one())


async def _checkpoints(scope: Scope) -> int:
    period = scope.period
    made = and_(checkpoints.c.at >= period.from_at, checkpoints.c.at < period.until_at)
    return int((await scope.db.execute(select(func.count()).select_from(checkpoints).where(made))).scalar_one())


def _summary(scope: Scope, last: StoredCheckpoint | None, open_ones: int) -> str:
    words, events_ = scope.words, scope.tally.count()
    if last is None:
        return words.text("No checkpoint was made yet: nothing proves the log's events so far.")
    if not events_:
        return words.text(
            "The period has no events. The newest checkpoint was signed at {moment} UTC.", moment=words.moment(last.at)
        )
    if not open_ones:
        return words.text(
            "All {count} events of this period are covered by the newest checkpoint, signed at {moment} UTC. If one of"
            " them is changed, removed or added, the log no longer fits that checkpoint.",
            count=words.number(events_), moment=words.moment(last.at),
        )  # fmt: skip
    return words.text(
        "{open} of {count} events of this period are not covered by a checkpoint yet; the newest was signed at {moment}"
        " UTC.",
        open=words.number(open_ones), count=words.number(events_), moment=words.moment(last.at),
    )  # fmt: skip


async def _table(scope: Scope, last: StoredCheckpoint | None) -> Table:
    words = scope.words
    numbers = select(func.min(events.c.seq), func.max(events.c.seq)).where(within(scope.period))
    first, newest = (await scope.db.execute(numbers)).one()
    pruned = (await scope.db.execute(select(func.max(segments.c.last)))).scalar_one()
    none = words.text("none")
    facts: list[tuple[str, str]] = [
        (words.text("Event numbers of this period"), none if first is None else f"{first} – {newest}"),
        (words.text("Removed by retention (their hashes stay)"), none if pruned is None else f"0 – {pruned}"),
    ]
    if last is not None:
        published = words.text("not yet") if last.published_at is None else f"{words.moment(last.published_at)} UTC"
        facts += [
            (words.text("Newest checkpoint: size"), str(last.size)),
            (words.text("Newest checkpoint: root"), base64.b64encode(last.root).decode()),
            (words.text("Newest checkpoint: signed"), f"{words.moment(last.at)} UTC"),
            (words.text("Newest checkpoint: also kept outside"), published),
        ]
    return Table(
        key="facts",
        title=words.text("The log"),
        columns=(Column("what", words.text("What")), Column("value", words.text("Value"), "code")),
        rows=tuple(facts),
        empty="",
    )


def _passages(scope: Scope, last: StoredCheckpoint | None) -> tuple[Passage, ...]:
    words, key = scope.words, Passage(scope.audit.key.vkey, True, scope.words.text("Key that verifies checkpoints"))
    if last is None:
        return (key,)
    how = words.text(
        "Compare the key with the one that was noted when the service was set up. Keep the checkpoint, letter by"
        " letter, as a file outside the server: with it anybody can prove later that the log still holds everything"
        " that it covers. The first command does so on the server; the second makes a file of the events, and the"
        " third checks that file anywhere, without the server and its database."
    )
    title = words.text("Newest checkpoint (C2SP signed note)")
    return (
        Passage(last.note, True, title),
        key,
        Passage(how, title=words.text("How to verify")),
        Passage(_COMMANDS, True),
    )
