"""What a verification found, as values that a command, a page or a report can show."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime

# How far a verification is: events done, and events in all.
Progress = Callable[[int, int], None]

MAX_SHOWN = 20


@dataclass(frozen=True, slots=True)
class Finding:
    """Something wrong, in words. `first` to `last` are the places it may lie at; both None: at no event's place."""

    words: str
    first: int | None = None
    last: int | None = None


@dataclass
class Findings:
    """The first findings by place, at most `MAX_SHOWN` of them, and how many there are."""

    shown: list[Finding] = field(default_factory=list)
    count: int = 0

    def add(self, words: str, first: int | None = None, last: int | None = None) -> None:
        """Takes a finding at the place `first`, or at one between `first` and `last`."""
        self.count += 1
        self.shown.append(Finding(words, first, first if last is None else last))
        # A log whose every event is wrong must not fill the memory.
        if len(self.shown) > 4 * MAX_SHOWN:
            self.shown = self.first_ones()

    def first_ones(self) -> list[Finding]:
        """What is shown: by place, what has none at the end."""
        placed = sorted((each for each in self.shown if each.first is not None), key=lambda each: each.first or 0)
        return (placed + [each for each in self.shown if each.first is None])[:MAX_SHOWN]


@dataclass(frozen=True, slots=True, kw_only=True)
class LogVerdict:
    """The verdict over the whole log.

    `covered` is the size of the greatest fitting checkpoint from outside: events from that number on, `uncovered` of
    them, are believed on the word of this database alone. `unnumbered` events are in no tree yet. The first of each
    happened at `uncovered_since` and `unnumbered_since`.
    """

    size: int
    present: int
    pruned: int
    erased: int
    unnumbered: int
    checkpoints: int
    outside: int
    covered: int
    key: str
    findings: tuple[Finding, ...]
    count: int
    uncovered_since: datetime | None = None
    unnumbered_since: datetime | None = None

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return self.count == 0

    @property
    def uncovered(self) -> int:
        """Numbered events behind the last checkpoint from outside."""
        return max(self.size - self.covered, 0)
