"""`ostiary risk calibrate`: fits the score to what this deployment's good sign-ins look like."""

import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta

import click

from base.errors import NotReady
from identity.services import Services
from risk.calibration import LEAST_SAMPLE, Calibration
from risk.calibrations import activate, next_id
from risk.learning import MOST_A_DAY, MOST_SAMPLED, PastScores, read_scores, share_meeting
from server.commands.frame import ACTOR, Frame, framed, table
from server.commands.progress import Counting

_POINTS = (30, 60, 90)


@dataclass(frozen=True, slots=True)
class _Fitted:
    """What was found: the calibration in use until now, the new one, and what it was learned from."""

    before: Calibration
    after: Calibration
    scores: PastScores
    days: int
    is_active: bool


@click.command("calibrate")
@click.option("--days", type=click.IntRange(1, 3_650), default=90, show_default=True, help="Sign-ins of so many days.")
@click.option("--dry-run", is_flag=True, help="Show what would change, and change nothing.")
@click.option("--shipped", is_flag=True, help="Go back to the calibration that comes with the server.")
@framed
def calibrate(frame: Frame, days: int, dry_run: bool, shipped: bool) -> None:
    """Learn from this deployment's good sign-ins, so that 30, 60 and 90 points are what 5, 1 and 0.1 % of them reach.

    It takes a thousand good sign-ins at least; which ones are good is told in docs/risk.md.
    Servers that run follow within half a minute; scores of the past keep the id of the calibration that made them.
    """
    if shipped:
        _go_back(frame, dry_run=dry_run)
        return

    async def work(services: Services, now: datetime) -> _Fitted:
        return await _fit(frame, services, days, is_dry=dry_run, now=now)

    fitted = frame.with_services(work)
    frame.answer(_document(fitted), _words(fitted))


def _go_back(frame: Frame, *, dry_run: bool) -> None:
    after = Calibration.shipped()

    async def work(services: Services, now: datetime) -> str:
        before = services.risk.scoring.scorer.calibration.id
        if before != after.id and not dry_run:
            async with services.database.transaction() as db:
                await activate(db, services.emitter, after, before=before, actor=ACTOR, now=now)
        return before

    before = frame.with_services(work)
    is_active = not dry_run or before == after.id
    words = f"{after.id} is in use{'' if before == after.id else ' again'}" if is_active else f"{before} stays in use"
    frame.answer({"calibration": after.id, "before": before, "is_active": is_active}, words)


async def _fit(frame: Frame, services: Services, days: int, *, is_dry: bool, now: datetime) -> _Fitted:
    before = services.risk.scoring.scorer.calibration
    counting = Counting("read", frame.say, things="hours")
    scores = await read_scores(
        services.database,
        since=now - timedelta(days=days),
        until=now,
        # Which ones are drawn is nobody's secret, and the same run gives the same answer.
        draw=random.Random(days),  # noqa: S311
        told=lambda done, whole: counting.told(done // 3600, whole // 3600),
    )
    counting.clear()
    good = scores.good
    if good.seen < LEAST_SAMPLE:
        raise NotReady(
            f"the last {days} days hold {good.seen} good sign-ins, and {LEAST_SAMPLE} are needed to say what is usual"
            f" here ({_others(scores)}): {before.id} stays in use"
        )
    fitted = Calibration.fit(good.values, id="site")
    async with services.database.transaction() as db:
        after = replace(fitted, id=await next_id(db, now))
        if not is_dry:
            await activate(db, services.emitter, after, before=before.id, actor=ACTOR, now=now)
    return _Fitted(before, after, scores, days, is_active=not is_dry)


def _others(scores: PastScores) -> str:
    told = f"{scores.doubted} doubted, {scores.unscored} without a score"
    return f"{told}, {scores.beyond} beyond {MOST_A_DAY} of a person in a day" if scores.beyond else told


def _document(fitted: _Fitted) -> dict[str, object]:
    before, after, scores = fitted.before, fitted.after, fitted.scores
    return {
        "calibration": after.id,
        "before": before.id,
        "is_active": fitted.is_active,
        "days": fitted.days,
        "good": scores.good.seen,
        "doubted": scores.doubted,
        "unscored": scores.unscored,
        "beyond": scores.beyond,
        "learned_from": after.learned_from,
        "anchors": after.anchors,
        "anchors_before": before.anchors,
        "meeting": {
            str(points): {"before": _share(before, scores, points), "after": _share(after, scores, points)}
            for points in _POINTS
        },
    }


def _share(calibration: Calibration, scores: PastScores, points: int) -> float:
    return round(share_meeting(calibration, scores.good.values, points), 6)


def _words(fitted: _Fitted) -> str:
    before, after, scores = fitted.before, fitted.after, fitted.scores
    drawn = f", {MOST_SAMPLED} of them drawn by chance" if scores.good.seen > MOST_SAMPLED else ""
    outcome = "is in use from now on" if fitted.is_active else f"would be next; {before.id} stays in use"
    shares: list[tuple[str, ...]] = [("of them would meet", before.id, after.id)]
    shares += [
        (f"{points} points", f"{_share(before, scores, points):.2%}", f"{_share(after, scores, points):.2%}")
        for points in _POINTS
    ]
    return "\n\n".join((
        f"{scores.good.seen} good sign-ins of the last {fitted.days} days{drawn} ({_others(scores)})",
        table(_anchors(before.anchors, after.anchors, before.id, after.id), empty=""),
        table(shares, empty=""),
        f"{after.id} {outcome}",
    ))  # fmt: skip


def _anchors(
    before: Sequence[tuple[float, int]], after: Sequence[tuple[float, int]], *names: str
) -> list[tuple[str, ...]]:
    """The log-odds of each number of points that both have, side by side."""
    known = {points: odds for odds, points in before}
    rows: list[tuple[str, ...]] = [("log-odds of", *names)]
    for odds, points in after:
        rows.append((f"{points} points", f"{known[points]:.2f}" if points in known else "", f"{odds:.2f}"))
    return rows
