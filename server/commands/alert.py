"""`ostiary alert list|show|ack|test|retry`."""

from datetime import datetime

import click

from identity.errors import Refused
from identity.services import Services
from server.commands.frame import ACTOR, UNREACHABLE, Frame, framed, table


@click.group("alert")
def command() -> None:
    """Alerts, and whom they reached."""


@command.command("list")
@click.option("--open", "only_open", is_flag=True, help="Only those that nobody acknowledged.")
@click.option("--failed", "only_failed", is_flag=True, help="Messages that were given up after a day.")
@click.option("--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many.")
@framed
def list_them(frame: Frame, only_open: bool, only_failed: bool, limit: int) -> None:
    """The newest alerts, newest first."""
    from server import alert_desk as desk

    settings = frame.settings

    async def work(services: Services, now: datetime) -> list[dict[str, object]]:
        if only_failed:
            return await desk.list_failed(settings, services, limit=limit)
        return await desk.list_alerts(services, only_open=only_open, limit=limit)

    found = frame.with_services(work)
    columns = desk.FAILED_COLUMNS if only_failed else desk.COLUMNS
    rows = [tuple(str(each[name] if each[name] is not None else "") for name in columns) for each in found]
    empty = "Every message arrived, or is still being tried." if only_failed else "There are no alerts."
    frame.answer({"failed" if only_failed else "alerts": found}, table(rows, empty=empty))


@command.command("show")
@click.argument("alert")
@framed
def show(frame: Frame, alert: str) -> None:
    """What happened, what to do, and whom it reached."""
    from server import alert_desk as desk

    settings = frame.settings

    async def work(services: Services, now: datetime) -> desk.Shown:
        return await desk.show(settings, services, _known(alert), now=now)

    found = frame.with_services(work)
    frame.answer(found.document, found.words)


@command.command("ack")
@click.argument("alert")
@framed
def acknowledge(frame: Frame, alert: str) -> None:
    """Say that you look after an alert: nobody else is called, and the receivers are told."""
    from server import alert_desk as desk

    settings = frame.settings

    async def work(services: Services, now: datetime) -> bool:
        return await desk.acknowledge(settings, services, _known(alert), by=ACTOR, now=now)

    is_first = frame.with_services(work)
    words = f"{alert} is yours" if is_first else f"{alert} was acknowledged before"
    frame.answer({"acknowledged": alert, "first": is_first}, words)


@command.command("test")
@framed
def test(frame: Frame) -> None:
    """Send a test to every receiver now, and say what each answered."""
    from server import alert_desk as desk

    settings = frame.settings

    async def work(services: Services, now: datetime) -> list[desk.Tested]:
        return await desk.test(settings, services, by=ACTOR, now=now)

    results = frame.with_services(work)
    if not results:
        raise Refused("receivers", "no receiver is set: OSTIARY_ALERT__WEBHOOK_URL, …__SLACK_URL, …__EMAIL or others")
    document = [{"receiver": each.receiver, "ok": each.reason is None, "reason": each.reason} for each in results]
    lines = [(each.receiver, "took it" if each.reason is None else f"did not: {each.reason}") for each in results]
    frame.answer({"receivers": document}, table(lines, empty=""))
    if any(each.reason for each in results):
        raise click.exceptions.Exit(UNREACHABLE)


@command.command("retry")
@click.argument("alert", required=False)
@click.option("--all", "every", is_flag=True, help="Everything that was given up.")
@framed
def retry(frame: Frame, alert: str | None, every: bool) -> None:
    """Send again, for another day, what was given up."""
    from server import alert_desk as desk

    if (alert is None) is not every:
        raise click.UsageError("expected an alert, or --all")

    async def work(services: Services, now: datetime) -> list[dict[str, object]]:
        return await desk.send_again(services, None if alert is None else _known(alert), by=ACTOR, now=now)

    again = frame.with_services(work)
    frame.answer({"again": again}, f"{len(again)} messages are sent again by the running server")


def _known(alert: str) -> bytes:
    from audit.alerts.store import parse_alert_id

    found = parse_alert_id(alert)
    if found is None:
        raise Refused("alert", "expected an id such as alr_ and 32 digits; `ostiary alert list` shows them")
    return found
