"""Whether all witnesses agree on how long the log is: a cut tail shows here; rules without I/O."""

from audit.ledger.tiles import HEIGHT
from audit.verification.held import Held
from audit.verification.values import Findings
from audit.verification.witnesses import Extent


def check_extent(extent: Extent, held: Held, findings: Findings) -> None:
    """Tells of events that were cut off, or that stand outside of the tree."""
    size = extent.size
    for words in extent.odd:
        findings.add(words)
    if extent.below is not None:
        findings.add(f"{_events(extent.below[1])} have numbers below 0, which are never given", 0)
    if extent.beyond is not None:
        first, count = extent.beyond
        findings.add(f"event {first}: it has a number, but the ledger ends at {size} ({_events(count)} so)", first)
    _check_numbering(extent, findings)
    for level, told in sorted(extent.inner.items()):
        if told > size >> HEIGHT * level << HEIGHT * level:
            findings.add(_cut(size, told, f"the ledger's hashes of level {level} tell of {told} events"), size)
    if extent.late is not None:
        late = extent.late[0]
        findings.add(_cut(size, late, f"the database holds a checkpoint of {late} events"), size)
    late_sizes = [each for each in held.roots if each > size]
    if late_sizes:
        largest = max(late_sizes)
        where = held.roots[largest][1]
        findings.add(_cut(size, largest, f"{where} is of {largest} events"), size)


def _check_numbering(extent: Extent, findings: Findings) -> None:
    size, following = extent.size, extent.next or 0
    if following > size:
        findings.add(_cut(size, following, f"the next event would get the number {following}"), size)
    elif following < size:
        findings.add(
            f"event {following}: this number would be given again, though the ledger goes up to {size}: the numbering"
            " was set back",
            following,
        )


def _cut(size: int, told: int, witness: str) -> str:
    which = f"event {size} was" if told == size + 1 else f"events {size} to {told - 1} were"
    return f"{which} cut off: the log ends at {size}, but {witness}"


def _events(count: int) -> str:
    return "1 event" if count == 1 else f"{count} events"
