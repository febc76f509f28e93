"""The vectors' log: twelve entries of every kind, the chain over them, and heads of any place in it."""

import hashlib
from collections.abc import Mapping, Sequence

from base.secret_values import b64url
from feed.vectors.signing import sign_head
from feed.wire import first_chain, next_chain

ISSUER = "https://id.example.com"
EPOCH = "0199a3c14b2e7d0f8a6b5c4d3e2f1a09"
NEXT_EPOCH = "0199a8e7f01c7aaab3c2d1e0f9a8b7c6"
# 23 November 2026, midnight.
T0 = 1_795_392_000
_AT = T0 * 1000 + 123
_UNTIL = T0 + 86_460

GRANT = "grt_0199a3c14b2e70008000000000000001"
SESSION = "ses_0199a3c14b2e70008000000000000002"
OTHER_SESSION = "ses_0199a3c14b2e70008000000000000003"
JTI = "kq1bVYv2S7a0xZC3mE9tHw"
PERSON = "1f6c1d0e9b7a4c52"
SUSPENDED = "9ad0c2b14e774f08"
CLIENT = "cli_0199a3c14b2e7000"
KEY_ID = "es256-2026-10"

# What the server writes, byte for byte; lines 9 and 10 are written otherwise, as another server might.
LINES: tuple[str, ...] = (
    f'{{"seq":1,"kind":"grant","subject":"{GRANT}","at":{_AT},"expires":{T0 + 300}}}',
    f'{{"seq":2,"kind":"token","subject":"{JTI}","at":{_AT + 10},"expires":{_UNTIL}}}',
    f'{{"seq":3,"kind":"session","subject":"{SESSION}","at":{_AT + 20},"expires":{_UNTIL}}}',
    f'{{"seq":4,"kind":"person","subject":"{PERSON}","at":{_AT + 30},"expires":{_UNTIL},"not_before":{T0}}}',
    f'{{"seq":5,"kind":"client","subject":"{CLIENT}","at":{_AT + 40},"expires":{_UNTIL},"not_before":{T0}}}',
    f'{{"seq":6,"kind":"key","subject":"{KEY_ID}","at":{_AT + 50},"expires":{_UNTIL}}}',
    f'{{"seq":7,"kind":"facts","subject":"{SUSPENDED}","at":{_AT + 60},"expires":{_UNTIL},'
    '"facts":{"suspended":true}}',
    f'{{"seq":8,"kind":"facts","subject":"{OTHER_SESSION}","at":{_AT + 70},"expires":{_UNTIL},'
    '"facts":{"risk":85,"acr":"urn:ostiary:aal1"}}',
    f'{{ "seq": 9, "kind": "policy", "subject": "r-17 b\\u00fcy\\u00fcme – ğüş", "at": {_AT + 80},'
    f' "expires": {_UNTIL} }}',
    f'{{"seq":10,"kind":"weather","subject":"sunny","at":{_AT + 90},"expires":{_UNTIL},"degrees":[21.5,null]}}',
    f'{{"seq":11,"kind":"everyone","subject":"*","at":{_AT + 100},"expires":{_UNTIL},"not_before":{T0 - 3600}}}',
    f'{{"seq":12,"kind":"facts","subject":"{SUSPENDED}","at":{_AT + 2000},"expires":{_UNTIL},'
    '"facts":{"suspended":false}}',
)
# The log of the next epoch: what is still in force got new numbers.
NEXT_LINES: tuple[str, ...] = (
    f'{{"seq":1,"kind":"session","subject":"{SESSION}","at":{_AT + 20},"expires":{_UNTIL}}}',
    f'{{"seq":2,"kind":"person","subject":"{PERSON}","at":{_AT + 30},"expires":{_UNTIL},"not_before":{T0}}}',
)


def chain_of(lines: Sequence[str], epoch: str = EPOCH) -> bytes:
    """The chain over these lines, the first of which has number 1."""
    chain = first_chain(ISSUER, epoch)
    for line in lines:
        chain = next_chain(chain, line.encode())
    return chain


def head_payload(seq: int, *, up: int = 5_000, epoch: str = EPOCH) -> dict[str, object]:
    """What a head of this place says."""
    lines = LINES if epoch == EPOCH else NEXT_LINES
    chain = b64url(chain_of(lines[:seq], epoch))
    return {
        "iss": ISSUER,
        "epoch": epoch,
        "seq": seq,
        "chain": chain,
        "at": _AT + 3_000,
        "up": up,
        "boot": "6f1e0a55c3d29b84",
    }


def make_head(seq: int, *, up: int = 5_000, epoch: str = EPOCH) -> str:
    """A head of this place, signed."""
    return sign_head(head_payload(seq, up=up, epoch=epoch))


def snapshot_head(
    lines: Sequence[str], seq: int, *, epoch: str = EPOCH, wrong: Mapping[str, object] | None = None
) -> str:
    """The head of a snapshot of these lines; `wrong` replaces members."""
    body = "".join(f"{line}\n" for line in lines).encode()
    about = {"count": len(lines), "digest": b64url(hashlib.sha256(body).digest())}
    return sign_head({**head_payload(seq, epoch=epoch), **about, **(wrong or {})})
