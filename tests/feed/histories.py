"""What services said of tokens while there was trouble, and the promises of docs/feed.md about that."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from statistics import quantiles

MS = 1_000_000
# Answers of 503.
TROUBLE = {"FeedUnavailable", "KeysUnavailable"}

# Each word that differs from the one before; by when it was said first, and when it was last asked for, in ns.
Said = Sequence[tuple[str, int, int]]
# One service: by kind of route, for each token. The first ones were revoked, the others stayed good.
Told = dict[str, list[Said]]


@dataclass
class Histories:
    """All services; `victims` is how many tokens were revoked."""

    victims: int
    services: list[Told] = field(default_factory=list)

    def check_good(self) -> None:
        """Nobody whose token is good hears anything but yes, and "not now" (503) while we have trouble."""
        for told in self.services:
            for looks in told.values():
                for said in looks[self.victims :]:
                    words = [word for word, _, _ in said]
                    assert set(words) <= {"accepted", *TROUBLE}, words
                    assert words[-1] == "accepted", words

    def check_refused(self, way: str, acknowledged: Sequence[int], *, within_ms: float) -> None:
        """No yes was asked for and given later than that after the acknowledgement; no other word was said but our
        own trouble, and in the end each was refused for good."""
        for since, said in self._of_victims(way, acknowledged):
            words = [word for word, _, _ in said]
            assert (words[0], words[-1]) == ("accepted", "revoked"), said
            assert set(words) <= {"accepted", "revoked", *TROUBLE}, said
            last_yes = max(asked for word, _, asked in said if word == "accepted")
            assert last_yes - since <= within_ms * MS, f"a yes after {(last_yes - since) / MS:.1f} ms: {said}"

    def check_yes_only_when_all_is_known(self) -> None:
        """From the first yes to a good token on a sensitive route on, every revoked one is refused for good."""
        for told, fresh in zip(self.services, self.fresh_again(), strict=True):
            for looks in told.values():
                for said in looks[: self.victims]:
                    assert all(asked <= fresh for word, _, asked in said if word != "revoked"), said

    def until_no_yes(self, way: str, acknowledged: Sequence[int]) -> list[float]:
        """Milliseconds from each acknowledgement to the answer behind the last yes, at each service."""
        took = []
        for since, said in self._of_victims(way, acknowledged):
            place = max(number for number, (word, _, _) in enumerate(said) if word == "accepted")
            took.append((said[place + 1][1] - since) / MS)
        return took

    def until_in_force(self, way: str, acknowledged: Sequence[int]) -> list[float]:
        """Milliseconds from each acknowledgement to the refusal for good, at each service."""
        return [(said[-1][1] - since) / MS for since, said in self._of_victims(way, acknowledged)]

    def fresh_again(self) -> list[int]:
        """By when each service said yes to a good token on a sensitive route again."""
        return [min(said[-1][1] for said in told["sensitive"][self.victims :]) for told in self.services]

    def in_force_at(self) -> list[int]:
        """By when each service refused the last of the revoked ones for good, whatever the way."""
        return [max(said[-1][1] for looks in told.values() for said in looks[: self.victims]) for told in self.services]

    def last_without(self) -> list[int]:
        """When each service was last asked for a revoked token that it did not refuse for good."""
        return [
            max(asked for looks in told.values() for said in looks[: self.victims] for _, _, asked in said[:-1])
            for told in self.services
        ]

    def _of_victims(self, way: str, acknowledged: Sequence[int]) -> Iterator[tuple[int, Said]]:
        for told in self.services:
            yield from zip(acknowledged, told[way][: self.victims], strict=True)


def figures(name: str, took_ms: Sequence[float]) -> str:
    """Median, 99th percentile and maximum, as they are told."""
    hundredths = quantiles(took_ms, n=100, method="inclusive")
    p50, p99 = hundredths[49], hundredths[98]
    return f"{name}: {len(took_ms)} times, p50 {p50:.0f} ms, p99 {p99:.0f} ms, most {max(took_ms):.0f} ms"
