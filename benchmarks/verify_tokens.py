"""One side of the verification rows, as a process of its own: `python -m benchmarks.verify_tokens WORK FILE`.

`WORK` is `uncached`, `cached` or `flood`; FILE holds the tokens and keys. Prints one JSON line.
"""

import json
import os
import sys
import time
from pathlib import Path

import httpx2

from benchmarks.processes import resident_mib
from ostiary import SyncVerifier, TokenError
from ostiary.testing import FakeFeed, FakeIssuer

HITS = 400_000
_ROUNDS = 3


def main() -> None:
    """Does the work that it is told."""
    work, told = sys.argv[1], json.loads(Path(sys.argv[2]).read_text())
    match work:
        case "uncached":
            said = _uncached(told)
        case "cached":
            said = _cached(told)
        case _:
            said = _flood(told)
    sys.stdout.write(json.dumps(said) + "\n")


def _verifier(told: dict[str, object], **settings: object) -> SyncVerifier:
    def answer(request: httpx2.Request) -> httpx2.Response:
        return httpx2.Response(200, json=told["jwks"] if "jwks" in request.url.path else told["metadata"])

    parts: dict[str, object] = {"algorithms": ("ES256", "RS256"), "transport": httpx2.MockTransport(answer), **settings}
    return SyncVerifier(str(told["issuer"]), str(told["audience"]), **parts)  # type: ignore[arg-type]


def _tokens(told: dict[str, object], name: str = "tokens") -> list[str]:
    tokens = told[name]
    assert isinstance(tokens, list)
    return tokens


def _uncached(told: dict[str, object]) -> dict[str, float]:
    """CPU microseconds a token that was never seen before."""
    verifier, tokens = _verifier(told, token_cache_size=0), _tokens(told)
    for token in tokens[:200]:
        verifier.verify(token)
    began = time.process_time()
    for _ in range(_ROUNDS):
        for token in tokens:
            verifier.verify(token)
    return {"us": (time.process_time() - began) / (_ROUNDS * len(tokens)) * 1e6}


def _cached(told: dict[str, object]) -> dict[str, float]:
    """CPU microseconds a token that was proven a moment ago, with a feed that has a thousand revocations."""
    feed = FakeFeed(FakeIssuer(str(told["issuer"])))
    for number in range(1000):
        feed.revoke_grant(f"grt_{number}")
    verifier = _verifier(told, feed=feed)
    # Requests bring their tokens as new texts each time.
    token = _tokens(told)[0].encode()
    copies = [token.decode() for _ in range(1000)]
    verifier.verify(copies[0])
    began = time.process_time()
    for _ in range(HITS // len(copies)):
        for copy in copies:
            verifier.verify(copy)
    return {"us": (time.process_time() - began) / HITS * 1e6}


def _flood(told: dict[str, object]) -> dict[str, float]:
    """Resident MiB before and after many distinct tokens, good ones and forged ones."""
    verifier, tokens = _verifier(told), _tokens(told)
    half = len(tokens) // 2
    for token in tokens[:half]:
        verifier.verify(token)
    before = resident_mib(os.getpid())
    for token in tokens[half:]:
        verifier.verify(token)
    good, refused = resident_mib(os.getpid()), 0
    for token in tokens:
        head, _, signature = token.rpartition(".")
        try:
            verifier.verify(f"{head}.{signature[::-1]}")
        except TokenError:
            refused += 1
    return {
        "before": before,
        "good": good,
        "forged": resident_mib(os.getpid()),
        "refused": refused,
        "sent": len(tokens),
    }


if __name__ == "__main__":
    main()
