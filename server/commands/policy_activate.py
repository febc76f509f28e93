"""`ostiary policy activate|rollback`: puts a set in force at every process, or says why not."""

import sys
from datetime import datetime
from pathlib import Path

import click

from identity.errors import Refused
from identity.services import Services
from policy.proposals import Activated, NotActivated, Proposal
from policy.sets import MOST_REASON
from server.commands.frame import ACTOR, REFUSED, Frame, framed
from server.policies import make_activating
from server.policy_documents import shown_activated, shown_refusal
from server.policy_sources import load_active, load_draft, load_files, load_revision


@click.command("activate")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--draft", "name", metavar="NAME", help="A draft, in place of files; it is gone afterwards.")
@click.option("--reason", required=True, help="Why, in your words: it is kept with the set.")
@click.option("--based-on", type=click.IntRange(1), help="With PATH: the revision that it was written over.")
@click.option("--over-any", is_flag=True, help="Whatever is in force by now.")
@framed
def activate(
    frame: Frame, path: Path | None, name: str | None, reason: str, based_on: int | None, over_any: bool
) -> None:
    """Put the set in PATH (a .cedar file, or a folder) or a draft in force; servers that run follow within a second.

    It is refused with faults, where somebody else put another set in force since it was written, and where no
    administrator could change policies any more.
    """
    if (path is None) == (name is None) or (name is not None and based_on is not None):
        raise click.UsageError("expected either PATH or --draft NAME; a draft knows what it is based on")
    text, words = load_files(path) if path else None, _parse_reason(reason)

    async def work(services: Services, now: datetime) -> Activated | NotActivated:
        async with services.database.reading() as db:
            if text is not None:
                known = based_on or (await load_active(db)).revision
                proposal = Proposal(text=text, reason=words, actor=ACTOR, based_on=known, over_any=over_any)
            else:
                draft = await load_draft(db, str(name))
                proposal = Proposal(
                    text=draft.text,
                    reason=words,
                    actor=ACTOR,
                    based_on=draft.based_on,
                    over_any=over_any,
                    draft=draft.name,
                    draft_version=draft.version,
                )
        return await make_activating(services).activate(proposal, now=now)

    _tell(frame, frame.with_services(work))


@click.command("rollback")
@click.argument("revision", type=click.IntRange(1))
@click.option("--reason", required=True, help="Why, in your words: it is kept with the set.")
@framed
def rollback(frame: Frame, revision: int, reason: str) -> None:
    """Put the set of an earlier REVISION in force again, under a new number."""
    words = _parse_reason(reason)

    async def work(services: Services, now: datetime) -> Activated | NotActivated:
        async with services.database.reading() as db:
            kept, in_force = await load_revision(db, revision), await load_active(db)
        proposal = Proposal(
            text=kept.text, reason=words, actor=ACTOR, based_on=in_force.revision, same_as=revision
        )  # fmt: skip
        return await make_activating(services).activate(proposal, now=now)

    _tell(frame, frame.with_services(work))


def _parse_reason(reason: str) -> str:
    words = reason.strip()
    if not words or len(words) > MOST_REASON or not words.isprintable():
        raise Refused("reason", f"expected 1 to {MOST_REASON} characters on one line")
    return words


def _tell(frame: Frame, done: Activated | NotActivated) -> None:
    if isinstance(done, NotActivated):
        errors = [str(each) for each in done.findings if each.severity == "error"]
        frame.answer(shown_refusal(done), "\n".join((*errors, f"not put in force: {done.words}")))
        sys.exit(REFUSED)
    if not done.is_new:
        frame.answer(shown_activated(done), f"revision {done.revision} is the very same set, and stays in force")
        return
    difference = done.difference
    told = [
        f"{kind}: {', '.join(names)}"
        for kind, names in (
            ("added", difference.added), ("removed", difference.removed), ("changed", difference.changed),
            ("changed besides", difference.also),
        )
        if names
    ]  # fmt: skip
    words = f"revision {done.revision} is in force, in the place of revision {done.before}"
    frame.answer(shown_activated(done), "\n".join((*map(str, done.warnings), *told, words)))
