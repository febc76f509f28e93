"""The curves of a report as one SVG: what is caught for how many questions, and how the questions go with the history.

Colours are those of Okabe and Ito, told apart by people who see few; each kind of attacker has its own mark as well,
and the baseline's lines are dashed and thinner.
"""

import math
from collections.abc import Callable, Iterable, Sequence
from html import escape

from risk.evaluation.figures import DETECTIONS, HISTORY, LONGEST_HISTORY
from risk.evaluation.report import Kind, Report

_WIDTH, _PANEL, _GAP, _LEFT, _TOP = 1180, 440, 110, 80, 120
_LEGEND_ROW, _LEGEND_BELOW = 24, 70
_COLOURS = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#E69F00", "#56B4E9", "#000000")
_MARKS = "osdtxv+"
_INK, _QUIET, _GRID = "#1a1a1a", "#555555", "#dddddd"
_LEAST_SHARE = 0.001
_MOST_POINTS = 400

Point = tuple[float, float]
Scale = Callable[[float], float]


def draw(report: Report) -> str:
    """Two panels: ROC with a logarithmic share of good sign-ins, and re-authentication by length of history."""
    names = list(report.attackers)
    height = _TOP + _PANEL + _LEGEND_BELOW + _LEGEND_ROW * (len(names) + 2)
    title = "How good the risk score is"
    subtitle = (
        f"{report.good:,} good sign-ins of {report.people:,} people · solid: Ostiary · dashed: Freeman et al. 2016"
    )
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}"'
        ' role="img" aria-labelledby="title" font-family="Helvetica, Arial, Libertinus Serif, sans-serif">',
        f'<title id="title">{title}</title>',
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        _text(_LEFT, 36, title, size=22, weight="bold"),
        _text(_LEFT, 60, subtitle, size=14, ink=_QUIET),
        *_roc_panel(report, names),
        *_asked_panel(report, names),
        *_legend(report, names, _TOP + _PANEL + _LEGEND_BELOW),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def _roc_panel(report: Report, names: Sequence[str]) -> Iterable[str]:
    left = _LEFT

    def x(share: float) -> float:
        return left + _PANEL * (1 - math.log10(max(share, _LEAST_SHARE)) / math.log10(_LEAST_SHARE))

    yield _heading(left, "Attackers caught, by good sign-ins asked")
    for share in (0.001, 0.01, 0.05, 0.1, 0.5, 1.0):
        yield _vertical(x(share), f"{share:.3g}".replace("e+00", ""))
    yield from _shares(left)
    yield _below(left, "share of good sign-ins asked (logarithmic)")
    yield _beside(left, "share of attackers caught")
    for place, name in enumerate(names):
        for kind, is_ours in ((report.baseline[name], False), (report.attackers[name], True)):
            points = [(x(share), _y(caught)) for share, caught in _from_left(kind.roc)]
            yield _line(points, place, is_ours=is_ours)
        for share, caught in report.attackers[name].detected.items():
            yield _mark(x(share), _y(caught), place)


def _from_left(curve: Sequence[Point]) -> list[Point]:
    """The steps of a ROC that can be seen: where the axis begins, every visible step, and the end."""
    if not curve:
        return []
    before = [each for each in curve if each[0] <= _LEAST_SHARE]
    seen = [(_LEAST_SHARE, before[-1][1])] + [each for each in curve if each[0] > _LEAST_SHARE]
    stride = max(1, len(seen) // _MOST_POINTS)
    thinned = seen[::stride] if stride > 1 else seen
    stepped: list[Point] = []
    for share, caught in [*thinned, seen[-1]]:
        if stepped and caught != stepped[-1][1]:
            stepped.append((share, stepped[-1][1]))
        stepped.append((share, caught))
    return stepped


def _asked_panel(report: Report, names: Sequence[str]) -> Iterable[str]:
    left = _LEFT + _PANEL + _GAP

    def x(length: float) -> float:
        return left + _PANEL * math.log10(length) / math.log10(LONGEST_HISTORY)

    yield _heading(left, f"Good sign-ins asked where {DETECTIONS[0] * 100:g} % of attackers are caught")
    for length in (1, 2, 5, HISTORY, 25, 50):
        yield _vertical(x(length), str(length))
    yield from _shares(left)
    yield _below(left, "sign-ins of history (logarithmic)")
    yield _beside(left, "share asked, the median over people")
    for place, name in enumerate(names):
        for kind, is_ours in ((report.baseline[name], False), (report.attackers[name], True)):
            points = _lengths(kind, x)
            yield _line(points, place, is_ours=is_ours)
            if is_ours and len(points) >= HISTORY:
                yield _mark(*points[HISTORY - 1], place)


def _lengths(kind: Kind, x: Scale) -> list[Point]:
    rates = kind.asked.get(DETECTIONS[0], ())
    return [(x(length), _y(rate)) for length, rate in enumerate(rates, start=1) if rate is not None]


def _legend(report: Report, names: Sequence[str], top: float) -> Iterable[str]:
    heads = (
        (_LEFT + 44, "attacker"),
        (330, "takeovers"),
        (450, "AUC"),
        (560, "caught at 5 %"),
        (720, f"asked at 98 %, {HISTORY} sign-ins"),
        (960, "the same by Freeman"),
    )
    for at, head in heads:
        yield _text(at, top, head, size=13, ink=_QUIET)
    for place, name in enumerate(names):
        kind, other = report.attackers[name], report.baseline[name]
        y = top + _LEGEND_ROW * (place + 1)
        yield _line([(_LEFT, y - 4), (_LEFT + 32, y - 4)], place, is_ours=True)
        yield _mark(_LEFT + 16, y - 4, place)
        shown = (
            name[:32].replace("_", " "),
            f"{kind.takeovers:,}",
            _figure(kind.auc),
            _figure(kind.detected.get(0.05)),
            _figure(_at_history(kind)),
            f"AUC {_figure(other.auc)}, {_figure(other.detected.get(0.05))}, {_figure(_at_history(other))}",
        )
        for (at, _), cell in zip(heads, shown, strict=True):
            yield _text(at, y, cell, size=14)
    if not names:
        yield _text(_LEFT, top + _LEGEND_ROW, "The file has no takeovers: there is nothing to tell apart.", size=14)


def _at_history(kind: Kind) -> float | None:
    rates = kind.asked.get(DETECTIONS[0])
    return rates[HISTORY - 1] if rates else None


def _figure(figure: float | None) -> str:
    return "–" if figure is None else f"{figure:.3f}"


def _y(share: float) -> float:
    return _TOP + _PANEL * (1 - share)


def _shares(left: float) -> Iterable[str]:
    for tenth in range(0, 11, 2):
        y = _y(tenth / 10)
        yield f'<line x1="{left}" y1="{y:.1f}" x2="{left + _PANEL}" y2="{y:.1f}" stroke="{_GRID}"/>'
        yield _text(left - 10, y + 5, f"{tenth / 10:.1f}", size=13, anchor="end")


def _vertical(x: float, label: str) -> str:
    line = f'<line x1="{x:.1f}" y1="{_TOP}" x2="{x:.1f}" y2="{_TOP + _PANEL}" stroke="{_GRID}"/>'
    return line + _text(x, _TOP + _PANEL + 20, label, size=13, anchor="middle")


def _heading(left: float, words: str) -> str:
    return _text(left, _TOP - 14, words, size=16, weight="bold")


def _below(left: float, words: str) -> str:
    return _text(left + _PANEL / 2, _TOP + _PANEL + 42, words, size=14, anchor="middle")


def _beside(left: float, words: str) -> str:
    x, y = left - 48, _TOP + _PANEL / 2
    turned = _text(x, y, words, size=14, anchor="middle")
    return turned.replace("<text ", f'<text transform="rotate(-90 {x:.1f} {y:.1f})" ')


def _line(points: Sequence[Point], place: int, *, is_ours: bool) -> str:
    if not points:
        return ""
    path = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    style = 'stroke-width="2.5"' if is_ours else 'stroke-width="1.3" stroke-dasharray="5 4" opacity="0.8"'
    return f'<polyline points="{path}" fill="none" stroke="{_colour(place)}" stroke-linejoin="round" {style}/>'


def _mark(x: float, y: float, place: int) -> str:
    """A small shape, so that colour is not the only difference."""
    colour = _colour(place)
    shapes = {
        "o": f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{colour}"/>',
        "s": f'<rect x="{x - 4.5:.1f}" y="{y - 4.5:.1f}" width="9" height="9" fill="{colour}"/>',
        "d": _shape(x, y, ((0, -6), (6, 0), (0, 6), (-6, 0)), colour),
        "t": _shape(x, y, ((0, -6), (5.5, 4.5), (-5.5, 4.5)), colour),
        "v": _shape(x, y, ((0, 6), (5.5, -4.5), (-5.5, -4.5)), colour),
        "x": _strokes(x, y, ((-4.5, -4.5, 4.5, 4.5), (-4.5, 4.5, 4.5, -4.5)), colour),
        "+": _strokes(x, y, ((-6, 0, 6, 0), (0, -6, 0, 6)), colour),
    }
    return shapes[_MARKS[place % len(_MARKS)]]


def _shape(x: float, y: float, corners: Iterable[Point], colour: str) -> str:
    points = " ".join(f"{x + dx:.1f},{y + dy:.1f}" for dx, dy in corners)
    return f'<polygon points="{points}" fill="{colour}"/>'


def _strokes(x: float, y: float, strokes: Iterable[tuple[float, float, float, float]], colour: str) -> str:
    return "".join(
        f'<line x1="{x + a:.1f}" y1="{y + b:.1f}" x2="{x + c:.1f}" y2="{y + d:.1f}"'
        f' stroke="{colour}" stroke-width="3"/>'
        for a, b, c, d in strokes
    )


def _colour(place: int) -> str:
    return _COLOURS[place % len(_COLOURS)]


def _text(
    x: float, y: float, words: str, *, size: int, anchor: str = "start", weight: str = "normal", ink: str = _INK
) -> str:
    told = escape("".join(char if char.isprintable() else "?" for char in words))
    return (
        f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" font-weight="{weight}" text-anchor="{anchor}"'
        f' fill="{ink}">{told}</text>'
    )
