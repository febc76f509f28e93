"""What a check is, and what it answers."""

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

from audit.reports.scope import Scope
from audit.reports.words import Words
from audit.verification.values import LogVerdict
from server.settings import Settings


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a check found: `failing` rows of the `looked_at` that it looked at, or a setting that does not suffice.

    `example` is one failing row in words, with ids but no names; None where there is none. `is_set`: whether the
    settings are as the control asks.
    """

    failing: int
    looked_at: int
    example: str | None = None
    is_set: bool = True

    @property
    def holds(self) -> bool:
        """Whether the check passes."""
        return self.is_set and not self.failing


@dataclass(frozen=True, slots=True)
class Facts:
    """What a check works with: the report's scope (its database and period), the settings, and the log's verdict."""

    scope: Scope
    settings: Settings
    verdict: LogVerdict


Run = Callable[[Facts], Awaitable[Answer]]
Tell = Callable[[Settings, Words], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One check. `does` says what this deployment does, from its settings; `constructed` is a row that would fail.

    `counts` says what a failing row is; `commands` are what anybody runs to see the same.
    """

    name: str
    title: str
    counts: str
    does: Tell
    run: Run
    commands: tuple[str, ...]
    constructed: str


@dataclass(frozen=True, slots=True)
class Control:
    """One control: its number in the framework, what it is about and asks, in our own words, and the checks on it."""

    number: str
    title: str
    asks: str
    checks: Sequence[Check]


@dataclass(frozen=True, slots=True)
class Outside:
    """A control that this server cannot evidence, and who has to."""

    number: str
    title: str
    why: str
