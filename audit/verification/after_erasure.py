"""Events about people who had been erased before; rules without I/O.

Whatever lies under a destroyed key opens for nobody, so anybody could have written it. What cannot be made up is the
order: the events of the server that do open give the time at which others were numbered. And an event of the server
that names a person, but is about nobody, is written in one case only: that the person's key was gone by then.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

from audit.catalogue import MAIL_FAILED, PERSON_ERASED
from audit.record import OWN_SOURCE
from audit.removal.erasure import AFTERMATH
from audit.verification.row_checks import Body
from audit.verification.values import Findings
from base.ids import PERSON, parse_id, show_id

LATE = "its person was erased before it was written"
_AFTERMATH_US = round(AFTERMATH.total_seconds() * 1_000_000)
# A letter may fail after its person is gone altogether.
_MAY_NAME = frozenset({PERSON_ERASED.name, MAIL_FAILED.name})


@dataclass
class AfterErasure:
    """Takes events in the order of their numbers, then those without one.

    `journal` is when people were erased by the journal outside, in microseconds; an event's word goes before it.
    """

    journal: Mapping[bytes, int] = field(default_factory=dict)
    # By subject: the number of the event that tells of the erasure, None before it has one, and when that was.
    erased: dict[bytes, tuple[int | None, int]] = field(default_factory=dict)
    # The people whom an event names as if they were erased, with the first such event.
    named: dict[bytes, tuple[int | None, str]] = field(default_factory=dict)
    # By subject: their first event that is late by the journal alone, unless an event tells of the erasure behind it.
    suspected: dict[bytes, tuple[int | None, str]] = field(default_factory=dict)
    # The time of the last event that opened.
    _reached: int = 0

    def take_opened(self, number: int | None, body: Body, *, is_about_nobody: bool) -> None:
        """An event of which all is proven."""
        # Other services say themselves when theirs happened, and whom they name.
        if body.source != OWN_SOURCE:
            return
        self._reached = body.at
        if not is_about_nobody or body.subject is None or body.name in _MAY_NAME:
            return
        subject = parse_id(PERSON, body.subject)
        if subject is not None:
            self.named.setdefault(subject, (number, body.id))

    def take_erasure(self, subject: bytes, number: int | None, at: int) -> None:
        """An event that tells of an erasure."""
        self.erased[subject] = number, at

    def is_late(self, number: int | None, body: Body, subject: bytes) -> bool:
        """Whether an event about an erased person, which does not open, came after all that can be of theirs."""
        if body.source != OWN_SOURCE:
            return False
        reached = max(body.at, self._reached)
        told = self.erased.get(subject)
        if told is not None:
            is_before = number is not None and (told[0] is None or number < told[0])
            return not is_before and reached > told[1] + _AFTERMATH_US
        at = self.journal.get(subject)
        if at is not None and reached > at + _AFTERMATH_US:
            self.suspected.setdefault(subject, (number, body.id))
        return False

    def finish(self, known: Mapping[bytes, object], findings: Findings) -> None:
        """Tells of what shows at the end only: late by the journal's word, and people who are named as if they were
        erased; `known` are in the journal."""
        for subject in self.suspected.keys() - self.erased.keys():
            number, event_id = self.suspected[subject]
            findings.add(f"{_called(number, event_id)}: {LATE}", number)
        for subject in self.named.keys() - self.erased.keys() - known.keys():
            number, event_id = self.named[subject]
            words = f"it is about nobody, as if {show_id(PERSON, subject)} were erased, but nothing tells of that"
            findings.add(f"{_called(number, event_id)}: {words}", number)


def _called(number: int | None, event_id: str) -> str:
    return f"the event {event_id}, which has no number yet" if number is None else f"event {number}"
