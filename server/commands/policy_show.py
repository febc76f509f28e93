"""`ostiary policy list|show|diff`: what is in force, what was, and what is different."""

from datetime import datetime
from pathlib import Path

import click

from identity.errors import Refused
from identity.services import Services
from policy.difference import difference_of, show_difference
from policy.drafts import Draft, list_drafts
from policy.set_files import UnreadableSet, write_set
from policy.sets import Activation
from policy.sets import list_sets as list_kept
from server.commands.frame import Frame, framed, table
from server.policy_documents import shown_activation, shown_difference, shown_draft, shown_text
from server.policy_sources import ACTIVE, WHICH, Found, load_source


@click.command("list")
@click.option("--limit", type=click.IntRange(1, 1_000), default=20, show_default=True, help="The newest so many.")
@framed
def list_sets(frame: Frame, limit: int) -> None:
    """What is and was in force, the newest first, and the drafts."""

    async def work(services: Services, now: datetime) -> tuple[list[Activation], list[Draft]]:
        async with services.database.reading() as db:
            return await list_kept(db, limit=limit), await list_drafts(db)

    kept, drafts = frame.with_services(work)
    document = {"sets": [shown_activation(each) for each in kept], "drafts": [shown_draft(each) for each in drafts]}
    sets = [("revision", "since", "by", "why")]
    sets += [(_number(each), _at(each.activated_at), each.activated_by, each.reason) for each in kept]
    words = [table(sets, empty="")]
    if drafts:
        rows = [("draft", "written", "by", "over revision", "")]
        rows += [
            (each.name, _at(each.changed_at), each.changed_by, str(each.based_on), "shadow" if each.is_shadow else "")
            for each in drafts
        ]
        words.append(table(rows, empty=""))
    frame.answer(document, "\n\n".join(words))


def _number(activation: Activation) -> str:
    return (
        str(activation.revision) if activation.same_as is None else f"{activation.revision} (as {activation.same_as})"
    )


def _at(instant: datetime) -> str:
    return instant.isoformat(timespec="seconds")


@click.command("show")
@click.argument("which", default=ACTIVE)
@click.option("--output", type=click.Path(path_type=Path), help="A new folder to write the set's files to.")
@framed
def show(frame: Frame, which: str, output: Path | None) -> None:
    """The policies of a set: WHICH is active, a revision's number, starter, draft:NAME, or a path."""
    found = _load(frame, which)[0]
    document = shown_text(found.text)
    if found.kept is not None:
        document |= shown_activation(found.kept.activation)
    if found.draft is not None:
        document |= shown_draft(found.draft)
    if output is None:
        frame.answer(document, found.text.policies)
        return
    try:
        written = [str(each) for each in write_set(found.text, output)]
    except UnreadableSet as taken:
        raise Refused("output", str(taken)) from None
    except OSError as failure:
        raise Refused("output", f"{output}: {failure.strerror}") from None
    frame.answer({"written": written}, "\n".join(written))


@click.command("diff")
@click.argument("which")
@click.argument("other", default=ACTIVE)
@framed
def diff(frame: Frame, which: str, other: str) -> None:
    """What would be different with the set WHICH, compared with OTHER (by default the one in force).

    Each is active, a revision's number, starter, draft:NAME, or a path.
    """
    after, before = _load(frame, which, other)
    difference = difference_of(before.text, after.text)
    lines = show_difference(before.text, after.text, names=(before.name, after.name))
    document = {"from": before.name, "to": after.name, **shown_difference(difference), "lines": lines}
    frame.answer(document, lines or "They are the same.")


def _load(frame: Frame, *which: str) -> list[Found]:
    async def work(services: Services, now: datetime) -> list[Found]:
        async with services.database.reading() as db:
            return [await load_source(db, each) for each in which]

    if not all(which):
        raise click.UsageError(f"expected {WHICH}")
    return frame.with_services(work)
