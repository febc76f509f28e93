"""What followers meet, step by step, and what each step must come to.

A step's outcome is `good`, `gap` (ask the delta) or `snapshot` (load it, and swap all that is known for it). Beside
it stands where the follower is then, and the numbers of the entries that it obeys.
"""

from collections.abc import Sequence

from feed.vectors.log import EPOCH, LINES, NEXT_EPOCH, NEXT_LINES, make_head, snapshot_head
from feed.vectors.withdrawn import withdrawn_keys

Step = dict[str, object]

# Entry 1 had expired and was cleared away: a snapshot's numbers have holes.
_FOUR = LINES[1:4]


def scenarios() -> list[dict[str, object]]:
    """Each begins with a follower that knows nothing."""
    told = {**_beginnings(), **_gaps(), **_swaps(), **_changed_lines(), **_wrong_snapshots(), **withdrawn_keys()}
    return [{"name": name, "steps": steps} for name, steps in told.items()]


def _beginnings() -> dict[str, list[Step]]:
    return {
        "a cold start: a snapshot, then what comes after it": [
            *_begun(),
            _entries(LINES[4:6], "good", 6, (2, 3, 4, 5, 6)),
            _head(6, "good", 6, (2, 3, 4, 5, 6)),
        ],
        "nothing is taken before the first snapshot": [
            _entries(LINES[:1], "snapshot", 0, (), epoch=None),
            _head(1, "snapshot", 0, (), epoch=None),
            *_begun(),
        ],
        "the whole log from its beginning, with an unknown kind in it": [
            _snapshot((), 0, "good", 0, ()),
            _entries(LINES[:9], "good", 9, range(1, 10)),
            _entries(LINES[9:], "good", 12, range(1, 13)),
            _head(12, "good", 12, range(1, 13)),
        ],
    }


def _gaps() -> dict[str, list[Step]]:
    return {
        "what comes twice is passed over": [
            *_begun(),
            _entries(LINES[2:5], "good", 5, (2, 3, 4, 5)),
            _entries(LINES[4:5], "good", 5, (2, 3, 4, 5)),
            _head(5, "good", 5, (2, 3, 4, 5)),
        ],
        "a gap: nothing behind it is taken, and the delta fills it": [
            *_begun(),
            _entries(LINES[5:6], "gap", 4, (2, 3, 4)),
            _entries(LINES[4:6], "good", 6, (2, 3, 4, 5, 6)),
            _head(6, "good", 6, (2, 3, 4, 5, 6)),
        ],
        "out of order: what came too early is not kept for later": [
            *_begun(),
            _entries((LINES[5], LINES[4]), "gap", 4, (2, 3, 4)),
        ],
        "a gap in the middle of what comes: the entries before it are obeyed": [
            *_begun(),
            _entries((LINES[4], LINES[6]), "gap", 5, (2, 3, 4, 5)),
        ],
        "a head ahead of what came: the last entries were lost": [*_begun(), _head(6, "gap", 4, (2, 3, 4))],
    }


def _swaps() -> dict[str, list[Step]]:
    return {
        "the same epoch set back: a roll-back": [
            *_begun(),
            _entries(LINES[4:6], "good", 6, (2, 3, 4, 5, 6)),
            _head(5, "snapshot", 6, (2, 3, 4, 5, 6)),
            _snapshot(LINES[1:5], 5, "good", 5, (2, 3, 4, 5)),
        ],
        "a new epoch: everything known is swapped, numbers begin again": [
            *_begun(),
            _head(1, "snapshot", 4, (2, 3, 4), of_next=True),
            _snapshot(NEXT_LINES[:1], 1, "good", 1, (1,), epoch=NEXT_EPOCH),
            _entries(NEXT_LINES[1:], "good", 2, (1, 2), epoch=NEXT_EPOCH),
            _head(2, "good", 2, (1, 2), of_next=True, epoch=NEXT_EPOCH),
        ],
    }


def _changed_lines() -> dict[str, list[Step]]:
    return {
        "a changed line: the number fits, the chain does not": [
            *_begun(),
            _entries((LINES[4].replace("client", "weather"),), "good", 5, (2, 3, 4, 5)),
            _head(5, "snapshot", 5, (2, 3, 4, 5)),
            _snapshot(LINES[1:5], 5, "good", 5, (2, 3, 4, 5)),
        ],
        "a line encoded anew says the same and is another": [
            *_begun(),
            _entries((LINES[4].replace('":', '": '),), "good", 5, (2, 3, 4, 5)),
            _head(5, "snapshot", 5, (2, 3, 4, 5)),
        ],
        "a line that is none: what came before it is obeyed": [
            *_begun(),
            _entries((LINES[4], '{"seq":6}', LINES[5]), "snapshot", 5, (2, 3, 4, 5)),
        ],
    }


def _wrong_snapshots() -> dict[str, list[Step]]:
    swapped = (LINES[2], LINES[1], LINES[3])
    return {
        "a snapshot with a changed line changes nothing": [
            *_begun(),
            _snapshot((*_FOUR, LINES[4].replace("client", "weather")), 5, "snapshot", 4, (2, 3, 4), about=LINES[1:5]),
        ],
        "a snapshot that was cut off changes nothing": [
            *_begun(),
            _snapshot(LINES[1:4], 5, "snapshot", 4, (2, 3, 4), about=LINES[1:5]),
        ],
        "a snapshot whose count is another changes nothing": [
            *_begun(),
            _snapshot(LINES[1:5], 5, "snapshot", 4, (2, 3, 4), wrong={"count": 5}),
        ],
        "a snapshot with an entry behind its head changes nothing": [
            *_begun(),
            _snapshot(LINES[1:6], 5, "snapshot", 4, (2, 3, 4)),
        ],
        "a snapshot out of order changes nothing": [*_begun(), _snapshot(swapped, 4, "snapshot", 4, (2, 3, 4))],
        "a snapshot with a line that is none changes nothing": [
            *_begun(),
            _snapshot((*LINES[1:5], "{}"), 5, "snapshot", 4, (2, 3, 4)),
        ],
    }


def _begun() -> list[Step]:
    return [_snapshot(_FOUR, 4, "good", 4, (2, 3, 4))]


def _expect(outcome: str, seq: int, obeyed: Sequence[int], epoch: str | None) -> dict[str, object]:
    return {"step": outcome, "epoch": epoch, "seq": seq, "obeyed": list(obeyed)}


def _entries(lines: Sequence[str], outcome: str, seq: int, obeyed: Sequence[int], *, epoch: str | None = EPOCH) -> Step:
    return {"do": "entries", "lines": list(lines), "expect": _expect(outcome, seq, obeyed, epoch)}


def _head(
    of: int, outcome: str, seq: int, obeyed: Sequence[int], *, of_next: bool = False, epoch: str | None = EPOCH
) -> Step:
    head = make_head(of, epoch=NEXT_EPOCH) if of_next else make_head(of)
    return {"do": "head", "head": head, "expect": _expect(outcome, seq, obeyed, epoch)}


def _snapshot(
    lines: Sequence[str],
    of: int,
    outcome: str,
    seq: int,
    obeyed: Sequence[int],
    *,
    epoch: str = EPOCH,
    about: Sequence[str] | None = None,
    wrong: dict[str, object] | None = None,
) -> Step:
    head = snapshot_head(about or lines, of, epoch=epoch, wrong=wrong)
    return {
        "do": "snapshot",
        "head": head,
        "lines": list(lines),
        "expect": _expect(outcome, seq, obeyed, epoch),
    }
