"""What followers meet when the key that signs heads is withdrawn: by the issuer, and by a line that somebody forged."""

import hashlib
from collections.abc import Sequence

from base.secret_values import b64url
from feed.vectors.log import EPOCH, LINES, T0, chain_of, head_payload
from feed.vectors.signing import KEY, KID, NEXT_KEY, NEXT_KID, sign_head

Step = dict[str, object]

_KNOWN = LINES[1:4]
_TRUE = LINES[1:5]
# Of the heads' own key.
_WITHDRAWAL = f'{{"seq":5,"kind":"key","subject":"{KID}","at":{T0 * 1000 + 163},"expires":{T0 + 86_460}}}'
_WITHDRAWN = (*_KNOWN, _WITHDRAWAL)
_AGAIN = _WITHDRAWAL.replace('"seq":5', '"seq":6')


def withdrawn_keys() -> dict[str, list[Step]]:
    """Both keys stand in the key set all the while; heads of the first one are refused as the steps say."""
    return {
        "a forged withdrawal of the heads' own key: the snapshot takes it back": [
            _snapshot(_KNOWN, 4, "good"),
            _entries(_WITHDRAWAL, "good", 5),
            _head(LINES[:5], "snapshot", 5),
            _snapshot(_TRUE, 5, "good"),
            _head(LINES[:5], "good", 5),
        ],
        "a withdrawn key does not vouch for its own withdrawal": [
            _snapshot(_KNOWN, 4, "good"),
            _entries(_WITHDRAWAL, "good", 5),
            _head((*LINES[:4], _WITHDRAWAL), "snapshot", 5),
            _snapshot(_WITHDRAWN, 5, "snapshot"),
            _head((*LINES[:4], _WITHDRAWAL), "good", 5, is_next=True),
        ],
        "a withdrawal that was vouched for holds against an old snapshot of that key, and is not weakened by another": [
            _snapshot(_KNOWN, 4, "good"),
            _entries(_WITHDRAWAL, "good", 5),
            _head((*LINES[:4], _WITHDRAWAL), "good", 5, is_next=True),
            _entries(_AGAIN, "good", 6, (2, 3, 4, 5, 6)),
            _snapshot(_TRUE, 5, "snapshot", 6, (2, 3, 4, 5, 6)),
            _snapshot(_WITHDRAWN, 5, "good", is_next=True),
            _snapshot(_TRUE, 5, "snapshot"),
        ],
    }


def _expect(outcome: str, seq: int, obeyed: Sequence[int] | None) -> dict[str, object]:
    return {"step": outcome, "epoch": EPOCH, "seq": seq, "obeyed": list(obeyed or range(2, seq + 1))}


def _entries(line: str, outcome: str, seq: int, obeyed: Sequence[int] | None = None) -> Step:
    return {"do": "entries", "lines": [line], "expect": _expect(outcome, seq, obeyed)}


def _head(log: Sequence[str], outcome: str, seq: int, *, is_next: bool = False) -> Step:
    head = _sign({**head_payload(5), "chain": b64url(chain_of(log))}, is_next=is_next)
    return {"do": "head", "head": head, "expect": _expect(outcome, seq, None)}


def _snapshot(
    lines: Sequence[str],
    of: int,
    outcome: str,
    seq: int | None = None,
    obeyed: Sequence[int] | None = None,
    *,
    is_next: bool = False,
) -> Step:
    digest = hashlib.sha256("".join(f"{line}\n" for line in lines).encode()).digest()
    about = {"chain": b64url(chain_of((LINES[0], *lines))), "count": len(lines), "digest": b64url(digest)}
    head = _sign({**head_payload(of), **about}, is_next=is_next)
    return {"do": "snapshot", "head": head, "lines": list(lines), "expect": _expect(outcome, seq or of, obeyed)}


def _sign(payload: dict[str, object], *, is_next: bool) -> str:
    kid, key = (NEXT_KID, NEXT_KEY) if is_next else (KID, KEY)
    return sign_head(payload, header={"kid": kid}, key=key)
