"""What one core gives in raw password checks: python -m benchmarks.argon2_rate SECONDS, pinned by the caller.

Prints one JSON line: checks, seconds of the clock, seconds of the processor.
"""

import json
import sys
import time

from benchmarks.deployment import PASSWORD
from identity.argon2_hashes import STANDARD, Argon2Hasher, parse_argon2_hash


def main(seconds: float) -> None:
    """Checks a right password over and over, in one thread, with the server's own parameters and code."""
    hasher, password = Argon2Hasher(STANDARD), PASSWORD.encode()
    stored = parse_argon2_hash(hasher.make(password))
    assert stored is not None
    done, began, began_cpu = 0, time.perf_counter(), time.process_time()
    while time.perf_counter() - began < seconds:
        assert hasher.matches(stored, password)
        done += 1
    spent = {"seconds": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}
    print(json.dumps({"checks": done, **spent}))


if __name__ == "__main__":
    main(float(sys.argv[1]))
