"""What can go wrong between a feed and who follows it."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Lie(StrEnum):
    """What a head says that is not so; a follower must believe none of it."""

    CHAIN = "chain"  # another chain than that over the lines; in snapshots it is true, since nobody could tell
    ISSUER = "issuer"  # in the name of somebody else
    SIGNATURE = "signature"  # by a key that the issuer does not publish, under a name that it does
    TYPE = "type"  # another kind of token of the same issuer
    COUNT = "count"  # a snapshot with one line fewer than its head says
    DIGEST = "digest"  # a snapshot whose lines are not those that its head covers


@dataclass(frozen=True, slots=True)
class FeedFaults:
    """How the way to a follower misbehaves; shares go from 0 (never) to 1 (always) and are drawn by the feed's seed.

    Of each line on a stream: `drop` it, `double` it, keep it back until the next ones come (`late`). Of each
    delivery: `reorder` its lines, `cut` the connection behind it. `delay_s` holds up each delivery, `piece_bytes`
    tears it into pieces, `lie` is told in every head.
    """

    drop: float = 0
    double: float = 0
    late: float = 0
    reorder: float = 0
    cut: float = 0
    delay_s: float = 0
    piece_bytes: int | None = None
    lie: Lie | None = None

    def __post_init__(self) -> None:
        for name in ("drop", "double", "late", "reorder", "cut"):
            if not 0 <= getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a share from 0 to 1")
        if self.delay_s < 0 or (self.piece_bytes is not None and self.piece_bytes < 1):
            raise ValueError("delay_s must be 0 or more, piece_bytes 1 or more")

    def strike(self, lines: Sequence[bytes], draw: random.Random) -> tuple[list[bytes], list[bytes]]:
        """The lines that arrive now, and those that arrive with the next ones."""
        now: list[bytes] = []
        later: list[bytes] = []
        for line in lines:
            if draw.random() < self.drop:
                continue
            times = 2 if draw.random() < self.double else 1
            (later if draw.random() < self.late else now).extend([line] * times)
        if draw.random() < self.reorder:
            draw.shuffle(now)
            now = now if now != [line for line in lines if line in now] else now[::-1]
        return now, later
