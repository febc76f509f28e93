"""`ostiary policy draft`: writes a draft, or removes it."""

from datetime import datetime
from pathlib import Path

import click

from identity.errors import Refused
from identity.services import Services
from policy.checking import Finding, check_set
from policy.drafts import NAME_EXPECTED, Draft, DraftChanged, find_draft, is_draft_name, remove_draft, write_draft
from policy.starter import PolicySetText
from server.commands.frame import ACTOR, Frame, framed
from server.commands.policy_check import count_errors
from server.policy_documents import shown_draft, shown_findings
from server.policy_sources import load_active, load_files


@click.command("draft")
@click.argument("name")
@click.argument("path", type=click.Path(path_type=Path), required=False)
@click.option("--based-on", type=click.IntRange(1), help="The revision over which it is written; first: the newest.")
@click.option(
    "--shadow/--no-shadow", default=None, help="Let it decide beside the set in force, and count differences."
)
@click.option("--remove", is_flag=True, help="Remove the draft.")
@framed
def draft(frame: Frame, name: str, path: Path | None, based_on: int | None, shadow: bool | None, remove: bool) -> None:
    """Write the draft NAME from PATH (a .cedar file, or a folder); a new one without PATH begins as what is in force.

    It decides nothing, and may have faults: they are shown.
    """
    if not is_draft_name(name):
        raise Refused("name", f"expected {NAME_EXPECTED}")
    if remove:
        _remove(frame, name)
        return
    text = load_files(path) if path is not None else None

    async def work(services: Services, now: datetime) -> Draft:
        return await _write(services, name, text, based_on, shadow, now=now)

    written = frame.with_services(work)
    findings = check_set(written.text).findings
    document = {**shown_draft(written), "findings": shown_findings(findings)}
    frame.answer(document, "\n".join((*map(str, findings), _words(written, findings))))


def _words(written: Draft, findings: tuple[Finding, ...]) -> str:
    errors = sum(1 for each in findings if each.severity == "error")
    told = f": {count_errors(errors)} it back" if errors else ""
    return f"{written.name} is written over revision {written.based_on}{told}"


async def _write(
    services: Services,
    name: str,
    text: PolicySetText | None,
    based_on: int | None,
    shadow: bool | None,
    *,
    now: datetime,
) -> Draft:
    async with services.database.transaction() as db:
        known, in_force = await find_draft(db, name), await load_active(db)
        if based_on is not None and based_on > in_force.revision:
            raise Refused("based-on", f"there is no revision {based_on}")
        try:
            return await write_draft(
                db,
                services.emitter,
                name,
                text or (known.text if known else in_force.text),
                based_on=based_on or (known.based_on if known else in_force.revision),
                is_shadow=bool(known and known.is_shadow) if shadow is None else shadow,
                expected_version=known.version if known else None,
                now=now,
                actor=ACTOR,
            )
        except DraftChanged:
            raise Refused("name", "somebody else wrote it at the same moment: look at it, and try again") from None


def _remove(frame: Frame, name: str) -> None:
    async def work(services: Services, now: datetime) -> bool:
        async with services.database.transaction() as db:
            return await remove_draft(db, services.emitter, name, now=now, actor=ACTOR)

    if not frame.with_services(work):
        raise Refused("draft", f"there is no draft {name}")
    frame.answer({"removed": name}, f"{name} is removed")
