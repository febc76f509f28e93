"""Where a command finds a set of policies: in force, an older revision, the starter set, a draft, or files."""

from dataclasses import dataclass
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

from identity.errors import Refused
from policy.drafts import Draft, find_draft
from policy.set_files import UnreadableSet, read_set
from policy.sets import KeptSet, find_newest, find_set
from policy.starter import PolicySetText, starter_set

ACTIVE, STARTER, DRAFT = "active", "starter", "draft:"
WHICH = "a revision's number, active, starter, draft:NAME, or a path"


@dataclass(frozen=True, slots=True)
class Found:
    """A set with the name by which it was asked for; `kept` or `draft` is where it came from, if either."""

    name: str
    text: PolicySetText
    kept: KeptSet | None = None
    draft: Draft | None = None


async def load_source(db: AsyncConnection, which: str) -> Found:
    """The set that `which` names, as `WHICH` says. Raises Refused."""
    if which == STARTER:
        return Found(which, starter_set())
    if which == ACTIVE:
        kept = await load_active(db)
        return Found(f"revision {kept.revision}", kept.text, kept=kept)
    if which.startswith(DRAFT):
        draft = await load_draft(db, which.removeprefix(DRAFT))
        return Found(which, draft.text, draft=draft)
    if which.isascii() and which.isdecimal() and len(which) < 10:
        kept = await load_revision(db, int(which))
        return Found(f"revision {kept.revision}", kept.text, kept=kept)
    return Found(which, load_files(Path(which)))


def load_files(path: Path) -> PolicySetText:
    """The set in a file or folder. Raises Refused."""
    try:
        return read_set(path)
    except UnreadableSet as unreadable:
        raise Refused("set", str(unreadable)) from None


async def load_active(db: AsyncConnection) -> KeptSet:
    """The set in force."""
    newest = await find_newest(db)
    assert newest is not None  # noqa: S101 - written at the first start
    return newest


async def load_revision(db: AsyncConnection, revision: int) -> KeptSet:
    """The set of one revision. Raises Refused."""
    kept = await find_set(db, revision)
    if kept is None:
        raise Refused("revision", f"there is no revision {revision}")
    return kept


async def load_draft(db: AsyncConnection, name: str) -> Draft:
    """The draft of this name. Raises Refused."""
    draft = await find_draft(db, name)
    if draft is None:
        raise Refused("draft", f"there is no draft {name}")
    return draft
