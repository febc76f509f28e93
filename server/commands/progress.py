"""How far a long command is, on standard error: one line that changes on a terminal, elsewhere a line now and then."""

import sys
import time
from collections.abc import Callable

import click

EVERY_S = 10.0
_ON_A_TERMINAL_S = 0.1


class Counting:
    """Tells of a count that goes up to a known end. `what` is being done to the `things`, such as "verified"."""

    def __init__(
        self, what: str, say: Callable[[str], None], *, is_terminal: bool | None = None, things: str = "events"
    ) -> None:
        self._what = f"{things} {what}"
        self._say = say
        self._is_terminal = sys.stderr.isatty() if is_terminal is None else is_terminal
        self._began = self._told_at = time.monotonic()

    def told(self, done: int, whole: int) -> None:
        """Shows the count, where it is time to."""
        now = time.monotonic()
        if now - self._told_at < (_ON_A_TERMINAL_S if self._is_terminal else EVERY_S):
            return
        self._told_at = now
        left_s = (now - self._began) / done * (whole - done) if done else 0.0
        words = f"{done} of {whole} {self._what}, {left_s:.0f} s left"
        if self._is_terminal:
            click.echo(f"\r\x1b[K{words}", err=True, nl=False)
        else:
            self._say(words)

    def clear(self) -> None:
        """Leaves the terminal's line empty."""
        if self._is_terminal:
            click.echo("\r\x1b[K", err=True, nl=False)
