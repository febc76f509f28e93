"""Which followers count for a batch, and how far it came among them. Pure.

A follower that is cut off goes on accepting for as long as its lease lasts, so losing its connection takes nobody out
of the count: only a goodbye does, or the moment from which its lease is lost for sure.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import NamedTuple

# A follower is connected while it was heard within this time: two of a process's rounds and a little more.
HEARD_WITHIN = timedelta(seconds=12)
# How far the clocks of two server processes may differ.
CLOCKS_APART = timedelta(seconds=10)
# The 60 s of a lease, and what a process may be late in writing when it heard of somebody, by a clock of its own.
LOST_AFTER = timedelta(seconds=75)


class Known(NamedTuple):
    """What is stored of one follower. `heard_at` is the newest moment that its lease may count from."""

    connected_at: datetime
    heard_at: datetime
    left_at: datetime | None
    epoch: bytes | None
    seq: int | None
    acked_at: datetime | None

    def is_counted(self, at: datetime) -> bool:
        """Whether it may have accepted tokens at this moment, and must say itself that it knows of it.

        Who came later began with a head that vouched for it, and who said goodbye accepts nothing any more.
        """
        return self.left_at is None and self.connected_at <= at < self.refuses_at

    def has(self, epoch: bytes, seq: int) -> bool:
        """Whether it has said that everything up to this number is in force there."""
        return self.epoch == epoch and self.seq is not None and self.seq >= seq

    def is_connected(self, now: datetime) -> bool:
        """Whether it was heard a moment ago, and has not said goodbye."""
        return self.left_at is None and self.heard_at > now - HEARD_WITHIN

    @property
    def refuses_at(self) -> datetime:
        """From then on it refuses by itself, where it is not heard again."""
        return self.heard_at + LOST_AFTER


@dataclass(frozen=True, slots=True)
class Numbered:
    """A batch: its entries, when the oldest of them was made, and when they were numbered."""

    epoch: bytes
    first: int
    last: int
    born_at: datetime
    numbered_at: datetime


@dataclass(frozen=True, slots=True)
class Standing:
    """How far a batch came: in force at `reached` of `followers`, the last of them after `in_force_ms`.

    `unreachable` of the others are cut off; `refuses_at` is when the last of these refuses by itself.
    """

    followers: int
    reached: int
    in_force_ms: int
    unreachable: int
    refuses_at: datetime | None

    @property
    def quiet(self) -> int:
        """How many are connected and have not said that it is in force."""
        return self.followers - self.reached - self.unreachable


class Count:
    """The followers of a moment, for many batches: who has them all, and who must be looked at for each."""

    def __init__(self, followers: Iterable[Known], batches: Sequence[Numbered], *, now: datetime) -> None:
        self._now = now
        self._everywhere: list[Known] = []
        self._others: list[Known] = []
        newest, epochs = max(batches, key=lambda each: each.last), {each.epoch for each in batches}
        moments = [self._moment(each) for each in batches]
        first, last = min(moments), max(moments)
        for each in followers:
            counts = each.is_counted(first) and each.is_counted(last) and len(epochs) == 1
            has_all = counts and each.has(newest.epoch, newest.last)
            (self._everywhere if has_all else self._others).append(each)

    def is_open(self, batch: Numbered, *, given_up: bool) -> bool:
        """Whether anybody may still accept what it ends; where it is `given_up`, only who is cut off is waited for."""
        at, now = self._moment(batch), self._now
        return any(
            each.is_counted(at)
            and not each.has(batch.epoch, batch.last)
            and now < each.refuses_at
            and not (given_up and each.is_connected(now))
            for each in self._others
        )

    def standing(self, batch: Numbered) -> Standing:
        """How far it came until now."""
        at = self._moment(batch)
        waited = [each for each in self._others if each.is_counted(at)]
        have = [*self._everywhere, *(each for each in waited if each.has(batch.epoch, batch.last))]
        away = [each for each in waited if not each.has(batch.epoch, batch.last) and not each.is_connected(self._now)]
        ends = [each.acked_at for each in have if each.acked_at is not None]
        took = max([batch.numbered_at, *ends]) - batch.born_at
        return Standing(
            followers=len(self._everywhere) + len(waited),
            reached=len(have),
            in_force_ms=max(0, round(took.total_seconds() * 1000)),
            unreachable=len(away),
            refuses_at=max((each.refuses_at for each in away), default=None),
        )

    def _moment(self, batch: Numbered) -> datetime:
        """When it was numbered; a clock that was set back since makes that no time to come."""
        return min(batch.numbered_at, self._now)
