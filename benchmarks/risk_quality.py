"""How good the risk score is in many made-up worlds: the median and the worst, beside the bars and the baseline.

    python -m benchmarks.risk_quality --first 1001 --worlds 20 [--without-cookies] [--markdown] [--json FILE]

The parameters of each world are drawn anew from its seed. The figures of `docs/risk.md` come from here, from seeds that
no weight of the scorer was ever looked at with.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from statistics import median

from risk.evaluation.dataset import Row
from risk.evaluation.figures import HISTORY
from risk.evaluation.replay import replay
from risk.evaluation.report import THRESHOLDS, Kind, Report, asked_at, report_on
from risk.evaluation.simulate.attackers import KINDS
from risk.evaluation.simulate.world import make_world

# (attacker, figure): the bar and whether the figure is to be at least or at most that.
BARS: dict[tuple[str, str], tuple[float, str]] = {
    ("naive", "caught at 5 %"): (0.99, ">="),
    ("vpn", "caught at 5 %"): (0.95, ">="),
    ("targeted", "caught at 5 %"): (0.90, ">="),
    ("very_targeted", "caught at 5 %"): (0.40, ">="),
    ("vpn", "asked at 98 %"): (0.10, "<"),
    ("targeted", "asked at 98 %"): (0.10, "<"),
}
FIGURES: dict[str, tuple[Callable[[Kind], float | None], Callable[[list[float]], float]]] = {
    "AUC": (lambda kind: kind.auc, min),
    "caught at 1 %": (lambda kind: kind.detected.get(0.01), min),
    "caught at 5 %": (lambda kind: kind.detected.get(0.05), min),
    "caught at 10 %": (lambda kind: kind.detected.get(0.1), min),
    "asked at 98 %": (lambda kind: asked_at(kind, 0.98, HISTORY), max),
    "asked at 99.5 %": (lambda kind: asked_at(kind, 0.995, HISTORY), max),
}


def main() -> int:
    """Prints a table; gives 1 where a median misses its bar or is not better than the baseline's."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--first", type=int, default=1, help="the first seed")
    parser.add_argument("--worlds", type=int, default=20)
    parser.add_argument("--people", type=int, default=500)
    parser.add_argument("--days", type=int, default=240)
    parser.add_argument("--takeovers", type=int, default=200, help="of each kind, a world")
    parser.add_argument("--without-cookies", action="store_true", help="as the public data set: no device cookie")
    parser.add_argument("--markdown", action="store_true", help="the table as docs/risk.md holds it")
    parser.add_argument("--json", type=Path, help="write the figures of every world into this file")
    asked = parser.parse_args()
    reports = list(_reports(asked))
    rows = list(_rows(reports))
    print(_markdown(reports) if asked.markdown else _table(rows))
    if asked.json is not None:
        asked.json.write_text(json.dumps([_world(report) for report in reports], indent=1))
    print(_points(reports))
    good = all(row[-1] != "MISSED" for row in rows)
    print(f"one score: {median(report.score_us for report in reports):.0f} µs of processor time, the median")
    return 0 if good else 1


def _reports(asked: argparse.Namespace) -> Iterator[Report]:
    for seed in range(asked.first, asked.first + asked.worlds):
        began_s = time.monotonic()
        world = make_world(seed, people=asked.people, days=asked.days, takeovers=asked.takeovers)
        rows: list[Row] = world.rows
        if asked.without_cookies:
            rows = [replace(row, token=None) for row in rows]
        report = report_on(replay(rows))
        print(f"world {seed}: {report.rows} rows, {time.monotonic() - began_s:.1f} s", file=sys.stderr)
        yield report


def _rows(reports: list[Report]) -> Iterator[tuple[str, ...]]:
    yield ("attacker", "figure", "median", "worst", "baseline", "bar", "")
    for kind in KINDS:
        for name, (figure, worst) in FIGURES.items():
            ours = [found for report in reports if (found := figure(report.attackers[kind])) is not None]
            theirs = [found for report in reports if (found := figure(report.baseline[kind])) is not None]
            if not ours or not theirs:
                continue
            middle, baseline = median(ours), median(theirs)
            bar = BARS.get((kind, name))
            shown = f"{bar[1]} {bar[0]:.2f}" if bar else ""
            cells = (f"{middle:.3f}", f"{worst(ours):.3f}", f"{baseline:.3f}")
            yield kind, name, *cells, shown, _verdict(bar, middle, baseline)


def _markdown(reports: list[Report]) -> str:
    """A row for each kind of attacker: the median in bold, the worst, the baseline's median."""
    lines = [f"| attacker | {' | '.join(FIGURES)} |", "| --- " * (len(FIGURES) + 1) + "|"]
    for kind in KINDS:
        cells = []
        for name, (figure, worst) in FIGURES.items():
            digits = 2 if name.startswith("caught") else 3
            ours = [figure(report.attackers[kind]) or 0.0 for report in reports]
            theirs = [figure(report.baseline[kind]) or 0.0 for report in reports]
            told = (f"**{median(ours):.{digits}f}**", f"{worst(ours):.{digits}f}", f"{median(theirs):.{digits}f}")
            cells.append(" · ".join(told))
        lines.append(f"| `{kind}` | {' | '.join(cells)} |")
    return "\n".join(lines)


def _points(reports: list[Report]) -> str:
    """How many good sign-ins come to each threshold by the shipped calibration, beside how many it promises."""
    told = []
    for least, promised in zip(THRESHOLDS, ("5 %", "1 %", "0.1 %"), strict=True):
        shares = [report.reached[least] for report in reports]
        told.append(f"{least}: {median(shares):.2%} ({min(shares):.2%} to {max(shares):.2%}; promised {promised})")
    return "good sign-ins that reach " + ", ".join(told)


def _verdict(bar: tuple[float, str] | None, middle: float, baseline: float) -> str:
    if bar is None:
        return ""
    reached = (middle >= bar[0] and middle > baseline) if bar[1] == ">=" else middle < bar[0]
    return "met" if reached else "MISSED"


def _world(report: Report) -> dict[str, object]:
    return {
        model: {kind: {name: figure(found) for name, (figure, _) in FIGURES.items()} for kind, found in kinds.items()}
        for model, kinds in (("ostiary", report.attackers), ("baseline", report.baseline))
    }


def _table(rows: list[tuple[str, ...]]) -> str:
    widths = [max(len(row[place]) for row in rows) for place in range(len(rows[0]))]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip() for row in rows
    )


if __name__ == "__main__":
    sys.exit(main())
