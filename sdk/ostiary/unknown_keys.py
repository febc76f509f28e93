"""Key ids that the issuer was asked for in vain, so that the same stranger never asks twice. No I/O."""

MOST_REMEMBERED = 1024


class UnknownKeys:
    """The last 1,024 of them, each for `unknown_for_s`. Written by one at a time, as the key ring is.

    It only ever saves a request: a key that is published under such an id later comes with the next refresh.
    """

    def __init__(self, unknown_for_s: float) -> None:
        self._unknown_for_s = unknown_for_s
        self._until: dict[str, float] = {}

    def __len__(self) -> int:
        return len(self._until)

    def is_known(self, kid: str, *, now: float) -> bool:
        """Whether the issuer was asked for this id a while ago, and had no such key."""
        return now < self._until.get(kid, now)

    def remember(self, kid: str, *, now: float) -> None:
        """It was asked for in vain at this moment."""
        self._until.pop(kid, None)
        self._until[kid] = now + self._unknown_for_s
        if len(self._until) > MOST_REMEMBERED:
            # Written in the order of time, so the first is the oldest.
            self._until.pop(next(iter(self._until)), None)
