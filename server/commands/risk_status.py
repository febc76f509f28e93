"""`ostiary risk status`: what makes points here, since when, and from which points something follows."""

from collections.abc import Mapping
from datetime import datetime

import click

from identity.services import Services
from risk.calibration import Calibration
from risk.calibrations import KeptCalibration, list_calibrations
from server.commands.frame import Frame, framed, table


@click.command("status")
@framed
def status(frame: Frame) -> None:
    """Show the calibration in use, those of the past, and the deployment's thresholds."""

    async def work(services: Services, now: datetime) -> tuple[Calibration, list[KeptCalibration]]:
        async with services.database.reading() as db:
            return services.risk.scoring.scorer.calibration, await list_calibrations(db)

    current, kept = frame.with_services(work)
    risk = frame.settings.risk
    thresholds = {"notice": risk.notice, "step_up": risk.step_up, "strong": risk.strong}
    document = {
        "calibration": current.id,
        "anchors": current.anchors,
        "learned_from": current.learned_from,
        "thresholds": thresholds,
        "calibrations": [
            {
                "id": each.id,
                "learned_from": each.learned_from,
                "created_at": each.created_at.isoformat(),
                "active_since": each.active_since and each.active_since.isoformat(),
            }
            for each in kept
        ],
    }
    frame.answer(document, _words(current, kept, thresholds))


def _words(current: Calibration, kept: list[KeptCalibration], thresholds: Mapping[str, int]) -> str:
    learned = (
        f"was learned from {current.learned_from} good sign-ins" if current.learned_from else "comes with the server"
    )
    rows: list[tuple[str, ...]] = [("points", "log-odds")]
    rows += [(str(points), f"{odds:.2f}") for odds, points in current.anchors]
    past: list[tuple[str, ...]] = [("calibration", "made", "sign-ins", "")]
    past += [
        (each.id, f"{each.created_at:%Y-%m-%d %H:%M}", str(each.learned_from), "in use" if each.active_since else "")
        for each in kept
    ]
    parts = [f"{current.id} is in use: it {learned}", table(rows, empty="")]
    parts += [table(past, empty="")] if kept else []
    told = ", ".join(f"{name} {score}" for name, score in thresholds.items())
    return "\n\n".join((*parts, f"thresholds: {told}"))
