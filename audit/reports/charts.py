"""Charts as SVG, drawn here so that the page and the PDF show the same one and nothing has to be loaded.

Colours stand as attributes, for paper; a page's style sheet goes over them by the class `t-…`, for day and night.
"""

import math
from collections.abc import Callable, Iterator, Sequence
from html import escape

from audit.reports.model import Chart, Series

WIDTH, HEIGHT = 720.0, 220.0
FONT = "'Libertinus Serif', serif"
_COLOURS = {"good": "#2b5d50", "bad": "#b5442f", "warn": "#c08a2d", "calm": "#8fa39b"}
_INK, _SOFT, _LINE = "#1c2622", "#55625c", "#dcd9d1"
# The width of a letter: of the paper's font, and of the widest that a page may have.
_SIZE, _CHAR, _WIDE_CHAR = 12.5, 6.4, 7.6
_TOP, _BOTTOM, _RIGHT = 30.0, 26.0, 6.0
_ROW, _MOST_LABEL = 30.0, 34

Show = Callable[[int | float], str]


def printable(text: str) -> str:
    """What others wrote, in one line, without marks that steer a terminal or turn the direction of the text."""
    return "".join(char if char.isprintable() else "?" for char in text)


def draw_chart(chart: Chart, show: Show) -> str:
    """The chart as an `<svg>` element; `show` writes a number as the reader does."""
    body, height = _ranked(chart, show) if chart.shape == "ranked" else _upright(chart, show)
    name = escape(printable(f"{chart.title}. {chart.says}".strip()))
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" aria-label="{name}"'
        f' viewBox="0 0 {WIDTH:g} {height:g}" width="{WIDTH:g}" height="{height:g}"'
        f' font-family="{FONT}" font-size="{_SIZE}">{"".join(body)}</svg>'
    )


def ticks(highest: float) -> list[float]:
    """Three to six round steps from 0 to at least `highest`; whole numbers only."""
    if highest <= 0:
        return [0, 1]
    rough = highest / 4
    power = 10.0 ** math.floor(math.log10(rough))
    step = max(1.0, next(power * factor for factor in (1, 2, 2.5, 5, 10) if power * factor >= rough - 1e-9))
    step = math.ceil(step)
    return [float(step * number) for number in range(math.ceil(highest / step) + 1)]


def _text(x: float, y: float, words: str, *, anchor: str = "start", tone: str = "soft") -> str:
    fill, shown = _INK if tone == "ink" else _SOFT, escape(printable(words))
    return f'<text class="t-{tone}" x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}" fill="{fill}">{shown}</text>'


def _bar(x: float, y: float, width: float, height: float, tone: str) -> str:
    return (
        f'<rect class="t-{tone}" x="{x:.2f}" y="{y:.2f}" width="{width:.2f}" height="{height:.2f}"'
        f' fill="{_COLOURS[tone]}"/>'
    )


# ---- upright: bars upon each other, and lines


def _upright(chart: Chart, show: Show) -> tuple[list[str], float]:
    highest = _highest(chart)
    steps = ticks(highest)
    left = 10 + _CHAR * max(len(show(step)) for step in steps)
    plot_width, plot_height = WIDTH - left - _RIGHT, HEIGHT - _TOP - _BOTTOM
    scale = plot_height / steps[-1]
    body = list(_grid(steps, scale, left, show))
    slot = plot_width / max(1, len(chart.labels))
    body += _labels(chart.labels, left, slot)
    body += _legend(chart.series, left)
    if chart.axis:
        body.append(_text(WIDTH - _RIGHT, 13, chart.axis, anchor="end"))
    draw = _lines if chart.shape == "line" else _stacks
    body += draw(chart, left, slot, scale)
    return body, HEIGHT


def _highest(chart: Chart) -> float:
    columns = zip(*(each.values for each in chart.series), strict=True)
    joined = max if chart.shape == "line" else sum
    return float(max((joined(column) for column in columns), default=0))


def _grid(steps: Sequence[float], scale: float, left: float, show: Show) -> Iterator[str]:
    base = HEIGHT - _BOTTOM
    for step in steps:
        y = base - step * scale
        yield (
            f'<line class="t-line" x1="{left:.1f}" x2="{WIDTH - _RIGHT:.1f}" y1="{y:.1f}" y2="{y:.1f}"'
            f' stroke="{_SOFT if step == 0 else _LINE}" stroke-width="1"/>'
        )
        yield _text(left - 7, y + 4, show(step), anchor="end")


def _labels(labels: Sequence[str], left: float, slot: float) -> Iterator[str]:
    widest = max((len(label) for label in labels), default=1) * _CHAR + 10
    every = max(1, math.ceil(widest / slot))
    for place, label in enumerate(labels):
        if place % every == 0:
            yield _text(left + slot * (place + 0.5), HEIGHT - 8, label, anchor="middle")


def _legend(series: Sequence[Series], left: float) -> Iterator[str]:
    x = left
    for each in series:
        yield _bar(x, 4, 10, 10, each.tone)
        yield _text(x + 15, 13, each.name, tone="ink")
        x += 15 + len(each.name) * _CHAR + 22


def _stacks(chart: Chart, left: float, slot: float, scale: float) -> Iterator[str]:
    width = min(slot * 0.72, 46)
    for place in range(len(chart.labels)):
        y = HEIGHT - _BOTTOM
        for each in chart.series:
            tall = each.values[place] * scale
            if tall <= 0:
                continue
            y -= tall
            yield _bar(left + slot * (place + 0.5) - width / 2, y, width, tall, each.tone)


def _lines(chart: Chart, left: float, slot: float, scale: float) -> Iterator[str]:
    for each in chart.series:
        points = " ".join(
            f"{left + slot * (place + 0.5):.1f},{HEIGHT - _BOTTOM - value * scale:.1f}"
            for place, value in enumerate(each.values)
        )
        yield (
            f'<polyline class="s-{each.tone}" points="{points}" fill="none" stroke="{_COLOURS[each.tone]}"'
            ' stroke-width="2" stroke-linejoin="round" stroke-linecap="round"/>'
        )


# ---- ranked: a lying bar a label


def _ranked(chart: Chart, show: Show) -> tuple[list[str], float]:
    (series,) = chart.series
    names = [label if len(label) <= _MOST_LABEL else label[: _MOST_LABEL - 1] + "…" for label in chart.labels]
    left = 12 + _WIDE_CHAR * max((len(name) for name in names), default=0)
    right = 12 + _WIDE_CHAR * max((len(show(value)) for value in series.values), default=1)
    highest = max((*series.values, 1e-9))
    body = []
    for place, (name, value) in enumerate(zip(names, series.values, strict=True)):
        y = place * _ROW + 6
        body.append(_text(left - 12, y + 14, name, anchor="end", tone="ink"))
        width = (WIDTH - left - right) * value / highest
        body.append(_bar(left, y + 1, max(width, 1), 17, series.tone))
        body.append(_text(left + max(width, 1) + 7, y + 14, show(value), tone="ink"))
    return body, max(1, len(names)) * _ROW + 4
