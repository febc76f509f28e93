"""A figure with its limit, and the table of them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal

Sense = Literal["at most", "at least", "for comparison"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Figure:
    """One measured figure: what it is, its limit, and what it was made of. `fault` is why it cannot count."""

    row: str
    database: str
    what: str
    value: float
    unit: str = ""
    sense: Sense = "for comparison"
    limit: float | None = None
    fault: str | None = None
    details: Mapping[str, object] = field(default_factory=dict)

    @property
    def holds(self) -> bool | None:
        """Whether the limit holds; None where there is none."""
        if self.fault is not None:
            return False
        if self.limit is None or self.sense == "for comparison":
            return None
        return self.value <= self.limit if self.sense == "at most" else self.value >= self.limit

    @property
    def verdict(self) -> str:
        """`holds`, by how much it is missed, or why it does not count."""
        if self.fault is not None:
            return f"does not count: {self.fault}"
        if self.holds is None or self.limit is None:
            return ""
        if self.holds:
            return "holds"
        return f"missed by {abs(self.value / self.limit - 1):.1%}" if self.limit else "missed"


def document(figure: Figure) -> dict[str, object]:
    """The figure as JSON's own kinds."""
    return {
        "row": figure.row, "database": figure.database, "what": figure.what, "value": round(figure.value, 4),
        "unit": figure.unit, "sense": figure.sense, "limit": figure.limit, "holds": figure.holds,
        "fault": figure.fault, **figure.details,
    }  # fmt: skip


def table(figures: Sequence[Figure]) -> str:
    """The figures as a table that reads well as text and as Markdown."""
    head = ("row", "database", "what", "measured", "limit", "verdict", "made of")
    rows = [head, *(_cells(figure) for figure in figures)]
    widths = [max(len(row[column]) for row in rows) for column in range(len(head))]
    padded = [[cell.ljust(width) for cell, width in zip(row, widths, strict=True)] for row in rows]
    lines = ["| " + " | ".join(cells) + " |" for cells in padded]
    lines.insert(1, "|" + "|".join("-" * (width + 2) for width in widths) + "|")
    return "\n".join(lines)


def _cells(figure: Figure) -> tuple[str, ...]:
    limit = "" if figure.limit is None else f"{figure.sense} {figure.limit:g}{figure.unit}"
    made_of = ", ".join(f"{name} {_short(value)}" for name, value in figure.details.items() if _is_short(value))
    value = f"{figure.value:.2f}" if figure.value < 100 else f"{figure.value:.0f}"
    return (figure.row, figure.database, figure.what, value + figure.unit, limit, figure.verdict, made_of)


def _is_short(value: object) -> bool:
    return isinstance(value, int | float | str)


def _short(value: object) -> str:
    if not isinstance(value, float):
        return str(value)
    return f"{value:.3g}" if value < 100 else f"{value:.0f}"
