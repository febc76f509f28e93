"""A service with the SDK, as a process of its own: told by lines of JSON what to verify, and answers in such lines.

Moments are those of the machine's monotonic clock, which all processes share.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

from ostiary import FailurePolicy, Feed, OstiaryError, Sensitivity, SyncVerifier, TokenError

LOOK_EVERY_S = 0.001
# Where every token is looked at in two ways until the trouble is over, the machine must have time for other things.
FOLLOW_EVERY_S = 0.02
WAYS = ("sensitive", "ordinary")


def answer(said: Mapping[str, object]) -> None:
    """One line to whoever drives us."""
    sys.stdout.write(json.dumps(said) + "\n")
    sys.stdout.flush()


def try_token(verifier: SyncVerifier, token: str, sensitivity: str) -> str:
    """`accepted`, why it was refused, or the kind of trouble that we are in."""
    try:
        verifier.verify(token, sensitivity=Sensitivity(sensitivity))
    except TokenError as error:
        return error.code.value
    except OstiaryError as error:
        return type(error).__name__
    return "accepted"


def watch(verifier: SyncVerifier, tokens: Sequence[str], within_s: float) -> list[int | None]:
    """When each token was first refused, in nanoseconds; None where it never was. Ends when all are."""
    refused: list[int | None] = [None] * len(tokens)
    waiting = dict(enumerate(tokens))
    ends_at = time.monotonic() + within_s
    while waiting and time.monotonic() < ends_at:
        for number, token in list(waiting.items()):
            if try_token(verifier, token, "ordinary") == "revoked":
                refused[number] = time.monotonic_ns()
                del waiting[number]
        time.sleep(LOOK_EVERY_S)
    return refused


@dataclass
class Looks:
    """What was said of one token on one kind of route: each word that differs from the one before.

    With it two moments in nanoseconds: by when it was said for the first time, and when it was last asked for.
    """

    said: list[tuple[str, int, int]] = field(default_factory=list)

    def note(self, word: str, asked_ns: int) -> None:
        """The answer of this moment."""
        if self.is_at(word):
            self.said[-1] = (word, self.said[-1][1], asked_ns)
        else:
            self.said.append((word, time.monotonic_ns(), asked_ns))

    def is_at(self, word: str) -> bool:
        """Whether this was said last."""
        return bool(self.said) and self.said[-1][0] == word


def follow(verifier: SyncVerifier, tokens: Sequence[str], good: Sequence[str], within_s: float) -> dict[str, object]:
    """How each token fared in both ways, until all are revoked and the good ones are good."""
    bad, fine = ({(way, token): Looks() for way in WAYS for token in some} for some in (tokens, good))
    everything = bad | fine
    ends_at = time.monotonic() + within_s
    is_told = False
    while not (are_at("revoked", bad) and are_at("accepted", fine)) and time.monotonic() < ends_at:
        began = time.monotonic()
        for (way, token), look in everything.items():
            # Whoever was refused is refused for good; that it is so is asked once more in the end.
            if not look.is_at("revoked"):
                asked_ns = time.monotonic_ns()
                look.note(try_token(verifier, token, way), asked_ns)
        if not is_told:
            is_told = True
            answer({"following": True})
        time.sleep(max(FOLLOW_EVERY_S, 3 * (time.monotonic() - began)))
    return {way: [everything[way, token].said for token in (*tokens, *good)] for way in WAYS}


def are_at(word: str, looks: Mapping[tuple[str, str], Looks]) -> bool:
    """Whether this was said last of all of them."""
    return all(look.is_at(word) for look in looks.values())


def commands() -> Iterator[dict[str, object]]:
    """What we are told, until nobody tells us any more."""
    for line in sys.stdin:
        yield json.loads(line)


def main() -> None:
    """Follows the feed and obeys."""
    told = json.loads(sys.argv[1])
    feed = Feed(
        told["issuer"],
        client_id=told["client_id"],
        client_secret=told["client_secret"],
        follower=told["name"],
        folder=Path(told["folder"]),
    )
    policy = FailurePolicy(lost_after_s=told["lost_after_s"])
    verifier = SyncVerifier(told["issuer"], told["audience"], feed=feed, failure_policy=policy)
    answer({"ready": feed.wait_ready(20)})
    for command in commands():
        tokens = cast(list[str], command.get("tokens", []))
        match command["do"]:
            case "try":
                sensitivity = str(command.get("sensitivity", "ordinary"))
                at = time.monotonic_ns()
                answer({"tried": [try_token(verifier, token, sensitivity) for token in tokens], "at": at})
            case "watch":
                answer({"watching": True})
                answer({"refused": watch(verifier, tokens, cast(float, command["within_s"]))})
            case "follow":
                good = cast(list[str], command["good"])
                answer(follow(verifier, tokens, good, cast(float, command["within_s"])))
            case _:
                answer({"state": feed.state().name})
    feed.close()


if __name__ == "__main__":
    main()
