"""The whole document: `make()` gives what docs/feed-vectors.json must say."""

import hashlib

import msgspec

from base.secret_values import b64url
from feed.vectors.followers import scenarios
from feed.vectors.heads import bad_heads, good_heads
from feed.vectors.log import EPOCH, ISSUER, LINES, chain_of, make_head, snapshot_head
from feed.vectors.signing import KEY, NEXT_KEY, NEXT_KID, show_key
from feed.vectors.tokens import bad_lines, decisions, lease_cases, token_cases


def make() -> bytes:
    """The document as JSON for people, always the same bytes."""
    document = {
        "about": "Examples of the feed's protocol, explained in docs/feed.md. Written by `python -m feed.vectors`.",
        "issuer": ISSUER,
        "epoch": EPOCH,
        "jwks": {"keys": [show_key(KEY), show_key(NEXT_KEY, kid=NEXT_KID)]},
        "private_key_for_tests_only": show_key(KEY, private=True),
        "first_chain": b64url(chain_of(())),
        "entries": _entries(),
        "bad_lines": bad_lines(),
        "heads": good_heads(),
        "bad_heads": bad_heads(),
        "snapshot": _snapshot(),
        "delta": _delta(),
        "events": _events(),
        "followers": scenarios(),
        "tokens": token_cases(),
        "leases": lease_cases(),
        "decisions": decisions(),
    }
    return msgspec.json.format(msgspec.json.encode(document), indent=1) + b"\n"


def _entries() -> list[dict[str, object]]:
    """Each line, what it says, and the chain after it."""
    return [
        {"line": line, "says": msgspec.json.decode(line), "chain": b64url(chain_of(LINES[: place + 1]))}
        for place, line in enumerate(LINES)
    ]


def _snapshot() -> dict[str, object]:
    """An answer of `/feed/v1/snapshot`, when entry 1 had expired."""
    first = msgspec.json.encode({"head": snapshot_head(LINES[1:], 12)}) + b"\n"
    rest = "".join(f"{line}\n" for line in LINES[1:]).encode()
    return {
        "etag": f'"{EPOCH}:12"',
        "body": (first + rest).decode(),
        "count": len(LINES) - 1,
        "digest": b64url(hashlib.sha256(rest).digest()),
    }


def _delta() -> dict[str, object]:
    """An answer of `/feed/v1/delta`."""
    lines = "".join(f"{line}\n" for line in LINES[4:6])
    last = msgspec.json.encode({"head": make_head(6)}).decode() + "\n"
    return {"path": f"/feed/v1/delta?epoch={EPOCH}&after=4", "body": lines + last}


def _events() -> dict[str, object]:
    """A stream of `/feed/v1/events`, and the events that it is made of."""
    head, second, third = make_head(6), make_head(6, up=6_000), make_head(8, up=6_400)
    parts = [
        _event("entries", LINES[4:6], f"{EPOCH}:6"),
        _event("head", (head,)),
        _event("head", (second,)),
        _event("entries", LINES[6:8], f"{EPOCH}:8"),
        _event("head", (third,)),
        _event("reset", ("load the snapshot",)),
    ]
    events: list[dict[str, object]] = [
        {"event": "entries", "id": f"{EPOCH}:6", "lines": list(LINES[4:6])},
        {"event": "head", "head": head},
        {"event": "head", "head": second},
        {"event": "entries", "id": f"{EPOCH}:8", "lines": list(LINES[6:8])},
        {"event": "head", "head": third},
        {"event": "reset"},
    ]
    return {"last_event_id": f"{EPOCH}:4", "body": "".join(parts), "events": events}


def _event(name: str, data: tuple[str, ...], number: str | None = None) -> str:
    begin = f"id: {number}\n" if number else ""
    return begin + f"event: {name}\n" + "".join(f"data: {line}\n" for line in data) + "\n"
