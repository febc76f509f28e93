"""Whether what clean-ups removed is what they can remove, and whether events tell of it; rules without I/O."""

from collections.abc import Sequence

from audit.ledger.tiles import WIDTH
from audit.verification.values import Findings


def check_removed(segments: Sequence[tuple[int, int]], *, told: int, gone: int, findings: Findings) -> None:
    """Tells of events that are gone though no event tells of it.

    `segments` are the first and last numbers of what the database says was removed, in order; `told` is the last number
    that an event tells of, `gone` the last one whose row was not found where a segment covers it, -1 for none.
    """
    begin = 0
    for first, last in segments:
        # Clean-ups go on from the oldest event, by whole rows of the ledger.
        if first != begin or last < first or (last + 1) % WIDTH:
            findings.add(
                f"events {first} to {last}: a clean-up is said to have removed them, but the next one would begin at"
                f" event {begin} and remove a multiple of {WIDTH} events",
                first,
                last,
            )
            break
        begin = last + 1
    last = max(begin - 1, gone)
    if last > told:
        findings.add(
            f"events {told + 1} to {last}: a clean-up is said to have removed them, but no event tells of it",
            told + 1,
            last,
        )
