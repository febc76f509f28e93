"""A data set replayed in time order: every sign-in is judged by what came before it, and only good ones are learned."""

from array import array
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field

from risk.evaluation.cookies import returning_in
from risk.evaluation.dataset import Row
from risk.evaluation.figures import LONGEST_HISTORY
from risk.evaluation.freeman import Freeman
from risk.evaluation.models import Ostiary

Told = Callable[[int], None]


@dataclass(slots=True)
class Scores:
    """One model's numbers: of good sign-ins, of each person's first ones in order, and of each kind of attacker."""

    good: "array[float]" = field(default_factory=lambda: array("d"))
    people: "dict[str, array[float]]" = field(default_factory=dict)
    attackers: "dict[str, array[float]]" = field(default_factory=dict)

    def add_good(self, person: str, score: float) -> None:
        """The number of a good sign-in after the person's first."""
        self.good.append(score)
        own = self.people.setdefault(person, array("d"))
        if len(own) < LONGEST_HISTORY:
            own.append(score)

    def add_attack(self, kind: str, score: float) -> None:
        """The number of a takeover."""
        self.attackers.setdefault(kind, array("d")).append(score)


@dataclass(slots=True)
class Replayed:
    """What a replay gave: rows read, people, each model's numbers, and the processor time of one of our scores."""

    rows: int = 0
    people: int = 0
    ours: Scores = field(default_factory=Scores)
    baseline: Scores = field(default_factory=Scores)
    score_us: float = 0.0


def replay(rows: Iterable[Row], *, model: Ostiary | None = None, told: Told | None = None) -> Replayed:
    """Judges every good sign-in after a person's first, and every takeover, by both models.

    `rows` stand in time order. Takeovers are never learned, whatever the file says of their success; failed sign-ins
    are counted as failures, and neither judged nor learned. `model` is ours, to be given where not all rows are at
    hand: it knows which cookies return. `told` hears how many rows are done.
    """
    if model is None:
        model = Ostiary(returning=returning_in(rows)) if isinstance(rows, Sequence) else Ostiary()
    ours, freeman = model, Freeman()
    replayed = Replayed()
    people: set[str] = set()
    for row in _counted(rows, replayed, told):
        if row.attacker is not None:
            replayed.ours.add_attack(row.attacker, ours.score(row))
            replayed.baseline.add_attack(row.attacker, freeman.score(row))
        elif not row.succeeded:
            ours.fail(row)
        else:
            if row.person in people:
                replayed.ours.add_good(row.person, ours.score(row))
                replayed.baseline.add_good(row.person, freeman.score(row))
            people.add(row.person)
            ours.learn(row)
            freeman.learn(row)
    replayed.people = len(people)
    replayed.score_us = ours.score_us
    return replayed


def _counted(rows: Iterable[Row], replayed: Replayed, told: Told | None) -> Iterator[Row]:
    for row in rows:
        replayed.rows += 1
        if told is not None and replayed.rows % 200 == 0:
            told(replayed.rows)
        yield row
