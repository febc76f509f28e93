"""`ostiary doctor`."""

import click

from server.commands.frame import REFUSED, Frame, framed
from server.settings import SettingsRefused


@click.command("doctor")
@framed
def command(frame: Frame) -> None:
    """Look for what would keep the server from working well; exit code 1 where something is wrong."""
    from server.doctor import Finding, examine

    try:
        findings = examine(frame.settings)
    except SettingsRefused as refused:
        # Nothing else can be looked at before the settings can be read.
        findings = [Finding("settings", False, fault) for fault in refused.faults]
    document = {
        "ok": all(finding.ok for finding in findings),
        "checks": [{"check": each.check, "ok": each.ok, "words": each.words} for each in findings],
    }
    lines = [f"{'ok' if each.ok else 'problem':<8} {each.check:<19} {each.words}" for each in findings]
    frame.answer(document, "\n".join(lines))
    if not document["ok"]:
        raise click.exceptions.Exit(REFUSED)
