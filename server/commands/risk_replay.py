"""`ostiary risk replay`: what the sign-ins of the last days would have met under other thresholds."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from itertools import pairwise

import click
import msgspec
from sqlalchemy import select

from audit.reading import EventReader, StoredEvent
from audit.tables import events
from base.ids import EVENT, show_id
from identity.clients import load_client
from identity.services import Services
from policy.values import RiskThresholds
from risk.sentences import sentence
from server.commands.frame import Frame, framed, table
from server.commands.progress import Counting
from server.risk_replay import DEMANDING, Met, Outcome, Replay, Replayed, Step

_SCORE = click.IntRange(1, 100)
_TITLES = {
    Step.NOTHING: "nothing",
    Step.NOTICE: "a notice",
    Step.STEP_UP: "a second factor",
    Step.STRONG: "a passkey or a mailed code",
}


@click.command("replay")
@click.option("--days", type=click.IntRange(1, 3_650), default=30, show_default=True, help="Sign-ins of so many days.")
@click.option("--notice", type=_SCORE, help="Score from which a person is told; default: as it is now.")
@click.option("--threshold", "--step-up", "step_up", type=_SCORE, help="From which a second factor is asked for.")
@click.option("--strong", type=_SCORE, help="From which only a passkey or a mailed code will do.")
@click.option("--client", "client_id", metavar="CLIENT_ID", help="Only sign-ins to this application.")
@click.option("--examples", type=click.IntRange(0, 100), default=5, show_default=True, help="How many of each step.")
@framed
def replay(
    frame: Frame,
    *,
    days: int,
    notice: int | None,
    step_up: int | None,
    strong: int | None,
    client_id: str | None,
    examples: int,
) -> None:
    """Tell what the sign-ins of the last days would have met under these thresholds; nothing is changed.

    Each is scored anew by the calibration in use and judged by the rules and with the factors of today.
    Sign-ins that led to no session are not among them.
    """

    async def work(services: Services, now: datetime) -> tuple[dict[str, object], str]:
        thresholds = await _thresholds(frame, services, client_id, notice, step_up, strong)
        counting = Counting("read", frame.say, things="hours")
        found = await Replay(services, thresholds, client_id=client_id, examples=examples).run(
            since=now - timedelta(days=days),
            until=now,
            told=lambda done, whole: counting.told(done // 3600, whole // 3600),
        )
        counting.clear()
        shown = await _examples(services, [each for step in found.steps.values() for each in step.examples])
        calibration = services.risk.scoring.scorer.calibration.id
        document = _document(found, days, thresholds, calibration, shown)
        return document, _words(found, days, thresholds, calibration, shown)

    frame.answer(*frame.with_services(work))


async def _thresholds(
    frame: Frame, services: Services, client_id: str | None, notice: int | None, step_up: int | None, strong: int | None
) -> RiskThresholds:
    """What was asked for; the others are the application's or the deployment's own, moved where they would not rise."""
    usual = RiskThresholds(frame.settings.risk.notice, frame.settings.risk.step_up, frame.settings.risk.strong)
    if client_id is not None:
        async with services.database.reading() as db:
            usual = (await load_client(db, client_id)).risk_thresholds or usual
    asked = step_up or max(usual.step_up, (notice or 0) + 1)
    found = RiskThresholds(notice or min(usual.notice, asked - 1), asked, strong or max(usual.strong, asked + 1))
    for (lower, low), (upper, high) in pairwise(asdict(found).items()):
        if low >= high:
            option = upper.replace("_", "-")
            raise click.UsageError(f"--{option}: expected more than {lower.replace('_', '-')} ({low}), not {high}")
    return found


async def _examples(services: Services, wanted: Sequence[Met]) -> list[dict[str, object]]:
    """The examples with their reasons, where these still open."""
    query = select(events).where(events.c.id.in_([each.signin.event_id for each in wanted]))
    async with services.database.reading() as db:
        opened = await EventReader(services.sealer).open_all(db, (await db.execute(query)).mappings().all())
    by_id = {event.id: event for event in opened}
    return [_example(each, by_id.get(each.signin.event_id)) for each in wanted]


def _example(met: Met, event: StoredEvent | None) -> dict[str, object]:
    return {
        "event": show_id(EVENT, met.signin.event_id),
        "at": met.signin.at.isoformat(),
        "person": met.signin.person,
        "client_id": met.signin.client_id,
        "score": met.score,
        "score_then": event and event.risk_score,
        "step": met.step,
        "outcome": met.outcome,
        "reasons": None if event is None else _reasons(event.risk_reasons),
    }


class _Reason(msgspec.Struct):
    signal: str
    points: int
    detail: dict[str, str | int | float] = {}


def _reasons(stored: object) -> list[dict[str, object]] | None:
    """What raised the score, in words; None where the person was erased."""
    try:
        reasons = msgspec.convert(stored, list[_Reason])
    except msgspec.ValidationError:
        return None
    return [
        {"signal": each.signal, "points": each.points, "sentence": sentence(each.signal, each.detail)}
        for each in reasons
        if each.points > 0
    ]


def _document(
    found: Replayed, days: int, thresholds: RiskThresholds, calibration: str, shown: Sequence[Mapping[str, object]]
) -> dict[str, object]:
    return {
        "days": days,
        "calibration": calibration,
        "thresholds": asdict(thresholds),
        "signins": found.signins,
        "people": found.people.count,
        "unscored": found.unscored,
        "steps": {step.value: _step(found, step) for step in Step},
        "examples": shown,
    }


def _step(found: Replayed, step: Step) -> dict[str, object]:
    tally = found.steps[step]
    told: dict[str, object] = {"signins": tally.signins, "share": _share(found, step), "people": tally.people.count}
    if step in DEMANDING:
        told["with_second_factor"] = tally.with_factor
        told |= {outcome.value: number for outcome, number in tally.outcomes.items()}
    return told


def _share(found: Replayed, step: Step) -> float:
    scored = found.signins - found.unscored
    return round(found.steps[step].signins / scored, 6) if scored else 0.0


def _words(
    found: Replayed, days: int, thresholds: RiskThresholds, calibration: str, shown: Sequence[Mapping[str, object]]
) -> str:
    froms = {Step.NOTHING: 0, **{Step(name): score for name, score in asdict(thresholds).items()}}
    rows: list[tuple[str, ...]] = [
        ("would have met", "from", "sign-ins", "share", "people", "with a factor", "enough then", "asked", "refused")
    ]
    for step in Step:
        tally = found.steps[step]
        cells = (_TITLES[step], str(froms[step]), str(tally.signins), f"{_share(found, step):.2%}")
        told: tuple[object, ...] = ("", "", "", "")
        if step in DEMANDING:
            numbers = tally.outcomes
            told = (tally.with_factor, *(numbers[each] for each in (Outcome.MET, Outcome.ASKED, Outcome.REFUSED)))
        rows.append((*cells, str(tally.people.count), *(str(each) for each in told)))
    head = f"{found.signins} sign-ins of {found.people.count} people in the last {days} days, scored by {calibration}"
    if found.unscored:
        head += f"; {found.unscored} were never scored and stand in no row"
    gone = sum(found.steps[step].outcomes[Outcome.GONE] for step in DEMANDING)
    lines = [head, table(rows, empty="")]
    if gone:
        lines.append(f"{gone} of those that more is demanded of belong to accounts that are closed or gone by now.")
    return "\n\n".join((*lines, *(["\n".join(map(_line, shown))] if shown else [])))


def _line(example: Mapping[str, object]) -> str:
    """One example: where it is, and what weighed most."""
    reasons = example["reasons"]
    weighed = "its reasons do not open"
    if isinstance(reasons, list):
        weighed = " ".join(f"{each['sentence']} ({each['points']})" for each in reasons[:3])
    at, outcome = str(example["at"])[:16].replace("T", " "), example["outcome"] or example["step"]
    return f"{example['event']}  {at}  {example['person']}  {example['score']}  {outcome}  {weighed}"
