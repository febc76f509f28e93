"""Which device a row's cookie names, as far as a file can tell."""

from collections import deque
from collections.abc import Iterable, Set

from risk.evaluation.dataset import Returning, Row

_AWAITED = 8

Look = tuple[str, str] | None
"""The browser's and the system's family, without versions."""


class Cookies:
    """The device cookies of everyone's good sign-ins so far.

    A server sets a cookie where none came, and knows it when it comes back; a file shows it only then. So a cookie that
    nobody has shown before is taken for the one set at an earlier good sign-in of this person that came without one,
    with the same browser and system, if the file shows it with this person more than once (`returning`): one made up
    for an attack comes once. Any other counts as no cookie at all until it was learned. One that only others have shown
    did come, and is no device of this person.
    """

    def __init__(self, returning: Set[tuple[str, str]] = frozenset()) -> None:
        self._returning = returning
        self._devices: dict[tuple[str, str], str] = {}
        self._shown: set[str] = set()
        self._awaited: dict[str, deque[tuple[str, Look]]] = {}
        self._made = 0

    def seen_on(self, person: str, token: str | None, look: Look) -> tuple[str | None, bool]:
        """(The device, or None; whether any live cookie came) of a sign-in that is to be judged."""
        if token is None:
            return None, False
        device = self._devices.get((person, token))
        if device is not None:
            return device, True
        if token in self._shown:
            return None, True
        awaited = self._find_awaited(person, token, look)
        return (awaited[0], True) if awaited is not None else (None, False)

    def learn(self, person: str, token: str | None, look: Look) -> str | None:
        """The device that a good sign-in leaves behind: the one of its cookie, or a new one.

        None as long as no row has shown any cookie: the file may know of none.
        """
        if token is None:
            self._made += 1
            device = f"{person} {self._made}"
            self._awaited.setdefault(person, deque(maxlen=_AWAITED)).append((device, look))
            return device if self._shown else None
        known = self._devices.get((person, token))
        if known is not None:
            return known
        awaited = None if token in self._shown else self._find_awaited(person, token, look)
        if awaited is not None:
            self._awaited[person].remove(awaited)
        device = awaited[0] if awaited is not None else token
        self._devices[person, token] = device
        self._shown.add(token)
        return device

    def _find_awaited(self, person: str, token: str, look: Look) -> tuple[str, Look] | None:
        """The newest cookie that was set for such a browser and has not come back."""
        if (person, token) not in self._returning:
            return None
        for each in reversed(self._awaited.get(person, ())):
            if each[1] == look:
                return each
        return None


def returning_in(rows: Iterable[Row]) -> Set[tuple[str, str]]:
    """Each (person, cookie) that comes more than once in these rows."""
    found = Returning()
    for row in rows:
        found.add(row)
    return found.twice
