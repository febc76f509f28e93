"""What a section is made from, and how rooms register theirs: `audit` imports none of them."""

from collections.abc import Awaitable, Callable, Collection, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.model import Period, Section
from audit.reports.tally import Tally
from audit.reports.words import Words
from audit.services import AuditServices

# What people call the public ids given (`usr_…`, `cli_…`), as far as they still have a name.
NameIds = Callable[[AsyncConnection, Collection[str]], Awaitable[Mapping[str, str]]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """`db` reads only. `tally` counts the period's events, `before` those of the equally long period before it."""

    db: AsyncConnection
    audit: AuditServices
    period: Period
    words: Words
    tally: Tally
    before: Tally
    now: datetime


# A section of its room, or None where there is nothing that the report should say. Texts name no person: only cells of
# the kinds `person` and `personal` do.
SectionMaker = Callable[[Scope], Awaitable[Section | None]]


async def name_nobody(_: AsyncConnection, __: Collection[str]) -> Mapping[str, str]:
    """Where no room knows names, ids stand for themselves."""
    return {}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sections:
    """A report's sections in order, the folders whose `locale/` translates them, and who knows names."""

    makers: tuple[SectionMaker, ...]
    folders: tuple[Path, ...] = ()
    name_ids: NameIds = name_nobody
