"""What lies behind the last checkpoint outside: since when, and whether a working server leaves so much there."""

from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import NamedTuple

from sqlalchemy import ColumnElement, case, func, select
from sqlalchemy.ext.asyncio import AsyncConnection

from audit.ledger.places import name_of
from audit.record import OWN_SOURCE
from audit.settings import AuditSettings
from audit.tables import checkpoint_places
from audit.verification.held import Held
from audit.verification.reading import EVENTS, integers
from audit.verification.values import Findings
from base.clock import from_micros

# A checkpoint is due once an interval; a place that was away for a moment is tried again.
INTERVALS = 10
# Commands work beside a server that is stopped, and leave their events for it.
_COMMAND = "cli"


class Span(NamedTuple):
    """Some events: when the first of all happened, and the first and the last of the running server's own."""

    since: int | None = None
    first: int | None = None
    last: int | None = None


@dataclass(frozen=True, slots=True)
class Marks:
    """How far each place outside is said to have everything, and the events that had no number then."""

    sizes: Mapping[str, int]
    waiting: Span


async def load_marks(db: AsyncConnection) -> Marks:
    """To be read before the places themselves: what is published meanwhile must not seem to be missing there."""
    c = checkpoint_places.c
    found = (await db.execute(select(c.name, c.size).where(*integers(db, c.size)))).all()
    return Marks({str(name): size for name, size in found}, await _load_span(db, EVENTS.c.seq.is_(None)))


async def load_uncovered(db: AsyncConnection, covered: int, size: int) -> Span:
    """The numbered events that no checkpoint covers."""
    return await _load_span(db, EVENTS.c.seq >= covered, EVENTS.c.seq < size)


async def _load_span(db: AsyncConnection, *where: ColumnElement[bool]) -> Span:
    at, is_ours = EVENTS.c.at, (EVENTS.c.source == OWN_SOURCE) & (EVENTS.c.actor != _COMMAND)
    own = case((is_ours, at))
    query = select(func.min(at), func.min(own), func.max(own)).where(*where, *integers(db, at))
    return Span(*(await db.execute(query)).one())


def check_span(spans: Iterable[Span], every: timedelta, findings: Findings) -> None:
    """Tells of events that wait for longer than numbering, signing and publishing take.

    Their times are compared with each other: a server that is stopped leaves a minute of them, however long ago.
    """
    first = min((each.first for each in spans if each.first is not None), default=0)
    last = max((each.last for each in spans if each.last is not None), default=0)
    if last - first > INTERVALS * every // timedelta(microseconds=1):
        findings.add(
            f"events from {_shown(first)} to {_shown(last)} have no number, or no checkpoint outside covers them, while"
            f" one is due every {every.total_seconds():g} s: numbering or publishing was held up, and until it goes on"
            " whoever can write to the database can change them unseen"
        )


def check_marks(
    sizes: Mapping[str, int], held: Held, settings: AuditSettings, given: Iterable[Path], findings: Findings
) -> None:
    """Tells of places that lack a checkpoint which the database says they have; those that do not exist say nothing."""
    folder = settings.checkpoint_dir
    in_folder = [path for path in held.largest if path.parent == folder]
    file = settings.checkpoint_file
    places = [(name_of("file", file), file, [file], file.is_file())]
    if folder is not None:
        places.append((name_of("folder", folder), folder, in_folder, folder.is_dir()))
    for name, path, files, is_there in places:
        largest = max((held.largest.get(each, 0) for each in (*files, *given)), default=0)
        # Below zero: a new place, which lacks everything yet.
        mark = sizes.get(name, 0)
        if is_there and mark > largest:
            findings.add(
                f"{path} is said to have every checkpoint up to {mark} events, but the largest in it is of {largest}:"
                " what should have gone there did not"
            )


def find_moment(micros: int | None) -> datetime | None:
    """The moment, None where there is none: a column may hold what no clock says."""
    with suppress(OverflowError, ValueError):
        return None if micros is None else from_micros(micros)
    return None


def _shown(micros: int) -> str:
    moment = find_moment(micros)
    return "a time that cannot be" if moment is None else f"{moment:%Y-%m-%d %H:%M:%S} UTC"
