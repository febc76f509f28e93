"""`ostiary report access|controls`: what is reviewed and signed now and then, beside the daily report."""

from datetime import datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

import click

from identity.errors import Refused
from server.commands.frame import ACTOR, Frame, framed
from server.commands.report_output import Instant, check_language, form_options, hand_out, keep_and_write

if TYPE_CHECKING:
    from audit.reports.forms import Written
    from audit.reports.model import Report
    from identity.services import Services


@click.command("access")
@form_options
@framed
def access(frame: Frame, form: str, language: str, output: Path | None) -> None:
    """Make the access review: every person and application that can do something, to be decided on and signed."""
    check_language(language)

    async def work(services: "Services", now: datetime) -> "tuple[Report, Written]":
        from server.report_kinds import access_sections, compose_access

        report = await compose_access(services, language=language, made_by=ACTOR, now=now)
        return report, await keep_and_write(services, access_sections(), report, form, now)

    report, written = frame.with_services(work)
    hand_out(frame, report, written, output)


@click.command("controls")
@click.option("--framework", type=click.Choice(["soc2", "pci"]), required=True, help="SOC 2, or PCI DSS 4.")
@click.option("--from", "since", type=Instant(), help="Where the period begins; default: 90 days ago.")
@click.option("--until", type=Instant(), help="Where it ends, itself left out; default: now.")
@form_options
@framed
def controls(
    frame: Frame,
    *,
    framework: str,
    since: datetime | None,
    until: datetime | None,
    form: str,
    language: str,
    output: Path | None,
) -> None:
    """Make the controls page: on each control what is done, the query that is its evidence, and a failing example."""
    check_language(language)
    settings = frame.settings

    async def work(services: "Services", now: datetime) -> "tuple[Report, Written]":
        from audit.reports.model import Period
        from server.report_kinds import compose_controls, controls_sections

        end = min(until or now, now)
        begin = since or end - timedelta(days=90)
        if begin >= end:
            raise Refused("from", "expected a time before the end, and before now")
        sections, period = await controls_sections(services, settings, framework), Period(begin, end)
        report = await compose_controls(
            services, sections, framework, period, language=language, made_by=ACTOR, now=now
        )
        return report, await keep_and_write(services, sections, report, form, now)

    report, written = frame.with_services(work)
    hand_out(frame, report, written, output)
