"""The figures of a replay: as a document, as words, and as the curves that are drawn."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from risk.calibration import Calibration
from risk.evaluation.figures import (
    DETECTIONS,
    FALSE_POSITIVES,
    HISTORY,
    area_under_curve,
    detection_at,
    reauthentication,
    roc,
    threshold_for,
)
from risk.evaluation.replay import Replayed, Scores
from risk.values import CRITICAL_FROM, HIGH_FROM, MEDIUM_FROM

Curve = Sequence[tuple[float, float]]
THRESHOLDS = (MEDIUM_FROM, HIGH_FROM, CRITICAL_FROM)
_SHOWN_LENGTHS = (1, 2, 4, 8, HISTORY, 25, 50)


@dataclass(frozen=True, slots=True)
class Kind:
    """One kind of attacker under one model; what cannot be told without good sign-ins is None.

    `detected`: by share of good sign-ins asked. `asked`: by share of attackers caught, the median rate for each history
    length from 1 on.
    """

    takeovers: int
    auc: float | None = None
    detected: Mapping[float, float] = field(default_factory=dict)
    asked: Mapping[float, Sequence[float | None]] = field(default_factory=dict)
    roc: Curve = ()


@dataclass(frozen=True, slots=True)
class Report:
    """Everything that an evaluation found.

    `good` is how many good sign-ins were judged, `reached` which share of them comes to so many points by the shipped
    calibration.
    """

    rows: int
    people: int
    good: int
    attackers: Mapping[str, Kind]
    baseline: Mapping[str, Kind]
    score_us: float
    reached: Mapping[int, float] = field(default_factory=dict)


def report_on(replayed: Replayed) -> Report:
    """The figures of a replay."""
    return Report(
        rows=replayed.rows,
        people=replayed.people,
        good=len(replayed.ours.good),
        attackers=_kinds(replayed.ours),
        baseline=_kinds(replayed.baseline),
        score_us=replayed.score_us,
        reached=_reached(replayed.ours.good),
    )


def _reached(good: Sequence[float]) -> dict[int, float]:
    if not good:
        return {}
    calibration = Calibration.shipped()
    points = [calibration.score_of(log_odds) for log_odds in good]
    return {least: sum(each >= least for each in points) / len(points) for least in THRESHOLDS}


def _kinds(scores: Scores) -> dict[str, Kind]:
    good = sorted(scores.good)
    return {kind: _kind(scores, good, sorted(attacks)) for kind, attacks in sorted(scores.attackers.items())}


def _kind(scores: Scores, good: list[float], attacks: list[float]) -> Kind:
    if not good:
        return Kind(takeovers=len(attacks))
    return Kind(
        takeovers=len(attacks),
        auc=area_under_curve(good, attacks),
        detected={share: detection_at(good, attacks, share) for share in FALSE_POSITIVES},
        asked={share: reauthentication(scores.people.values(), threshold_for(attacks, share)) for share in DETECTIONS},
        roc=roc(good, attacks),
    )


def as_document(report: Report) -> dict[str, object]:
    """The JSON of `ostiary risk evaluate`; a figure that the file cannot give is null."""
    return {
        "rows": report.rows,
        "people": report.people,
        "attackers": {name: _document(kind) for name, kind in report.attackers.items()},
        "baseline": {name: _document(kind) for name, kind in report.baseline.items()},
        "score_us": round(report.score_us, 1),
    }


def _document(kind: Kind) -> dict[str, object]:
    return {
        "auc": _rounded(kind.auc),
        "tpr_at_fpr": {f"{share:.2f}": _rounded(kind.detected.get(share)) for share in FALSE_POSITIVES},
        "reauthentication": {f"{share:g}": _rounded(asked_at(kind, share, HISTORY)) for share in DETECTIONS},
    }


def asked_at(kind: Kind, share: float, length: int) -> float | None:
    """The median rate at which people with this many sign-ins of history are asked."""
    rates = kind.asked.get(share)
    return rates[length - 1] if rates else None


def _rounded(figure: float | None) -> float | None:
    return None if figure is None else round(figure, 6)


def as_words(report: Report) -> str:
    """The figures as a table for a terminal, ours and the baseline's one below the other."""
    lines = [
        f"{report.rows} rows, {report.people} people, {report.good} good sign-ins judged;"
        f" one score takes {report.score_us:.0f} µs of processor time.",
    ]
    if report.reached:
        reached = ", ".join(f"{share:.2%} reach {least}" for least, share in report.reached.items())
        lines.append(f"By the shipped calibration, of the good sign-ins {reached} points.")
    if not report.attackers:
        return "\n".join([*lines, "The file has no takeovers: there is nothing to tell apart."])
    lines += ["", *_table(_overview(report)), ""]
    lines.append(
        f"Good sign-ins that are asked where so many attackers are caught, the median over people at {HISTORY}"
    )
    lines += ["sign-ins of history, and how it goes with the length of the history at 98 %:", ""]
    return "\n".join([*lines, *_table(_asked(report))])


def _overview(report: Report) -> list[tuple[str, ...]]:
    shares = [f"caught at {share:.0%}" for share in FALSE_POSITIVES]
    rows: list[tuple[str, ...]] = [("attacker", "takeovers", "model", "AUC", *shares)]
    for name, kind, model in _each(report):
        rows.append(
            (
                name,
                str(kind.takeovers),
                model,
                _shown(kind.auc),
                *(_shown(kind.detected.get(s)) for s in FALSE_POSITIVES),
            )
        )
    return rows


def _asked(report: Report) -> list[tuple[str, ...]]:
    rows: list[tuple[str, ...]] = [
        ("attacker", "model", *(f"{share:.1%}" for share in DETECTIONS), *(f"L={length}" for length in _SHOWN_LENGTHS))
    ]
    for name, kind, model in _each(report):
        at_12 = (_shown(asked_at(kind, share, HISTORY)) for share in DETECTIONS)
        rows.append((name, model, *at_12, *(_shown(asked_at(kind, DETECTIONS[0], each)) for each in _SHOWN_LENGTHS)))
    return rows


def _each(report: Report) -> list[tuple[str, Kind, str]]:
    told = []
    for name, kind in report.attackers.items():
        told += [(name, kind, "ostiary"), (name, report.baseline[name], "Freeman 2016")]
    return told


def _shown(figure: float | None) -> str:
    return "-" if figure is None else f"{figure:.3f}"


def _table(rows: Sequence[tuple[str, ...]]) -> list[str]:
    """Aligned columns. What a file named cannot move the cursor."""
    cleaned = [tuple("".join(char if char.isprintable() else "?" for char in cell) for cell in row) for row in rows]
    widths = [max(len(row[place]) for row in cleaned) for place in range(len(cleaned[0]))]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in cleaned]
