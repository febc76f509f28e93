"""A service with the SDK, as a process of its own: told by lines of JSON what to verify, and answers in such lines.

Moments are those of the machine's monotonic clock, which all processes share.
"""

import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import cast

from ostiary import Feed, OstiaryError, Sensitivity, SyncVerifier, TokenError

LOOK_EVERY_S = 0.001


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
    verifier = SyncVerifier(told["issuer"], told["audience"], feed=feed)
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
            case _:
                answer({"state": feed.state().name})
    feed.close()


if __name__ == "__main__":
    main()
