"""A feed's log in memory: its lines, their chain, and by a few plain lines what they refuse."""

import hashlib
import json
import secrets
from base64 import urlsafe_b64encode
from collections.abc import Mapping, Sequence

Claims = Mapping[str, object]
Entry = dict[str, object]

# By kind: the claim that an entry's subject is compared with; "kid" stands for the key that signed.
SUBJECTS = {
    "token": "jti",
    "grant": "grant",
    "session": "sid",
    "person": "sub",
    "client": "client_id",
    "key": "kid",
    "facts": "sub",
}


class FakeLog:
    """The entries of one epoch, numbered from 1 and chained (docs/feed.md). For one thread at a time."""

    def __init__(self, issuer: str) -> None:
        self.issuer = issuer
        self.epoch = ""
        self.lines: list[bytes] = []
        self.reaches_back_to = 0
        self._entries: list[Entry] = []
        self._chains: list[bytes] = []
        self.begin_epoch(keeps=False)

    @property
    def seq(self) -> int:
        """The number of the last entry; 0 where there is none."""
        return len(self.lines)

    def chain(self, seq: int) -> bytes:
        """The chain over all entries up to a number."""
        return self._chains[seq]

    def append(self, entry: Mapping[str, object]) -> None:
        """One more entry, without its number."""
        numbered: Entry = {"seq": self.seq + 1, **entry}
        line = json.dumps(numbered, separators=(",", ":"), ensure_ascii=False).encode()
        self._entries.append(numbered)
        self.lines.append(line)
        self._chains.append(hashlib.sha256(self._chains[-1] + line).digest())

    def begin_epoch(self, *, keeps: bool) -> None:
        """Begin anew with number 1, as after a restored backup; what was in force is told again where it `keeps`."""
        kept = [{name: value for name, value in entry.items() if name != "seq"} for entry in self._entries]
        self.epoch = secrets.token_hex(16)
        self._entries, self.lines, self.reaches_back_to = [], [], 0
        self._chains = [hashlib.sha256(f"ostiary-feed-v1\n{self.issuer}\n{self.epoch}".encode()).digest()]
        for entry in kept if keeps else []:
            self.append(entry)

    def roll_back(self, count: int) -> None:
        """Forget the last entries within the same epoch: what no good server does."""
        left = max(0, self.seq - count)
        del self._entries[left:], self.lines[left:], self._chains[left + 1 :]
        self.reaches_back_to = min(self.reaches_back_to, left)

    def in_force(self, now: float) -> list[bytes]:
        """The lines of all that has not expired."""
        return [line for line, entry in zip(self.lines, self._entries, strict=True) if _number(entry["expires"]) > now]

    def refuses(self, claims: Claims, kid: str) -> bool:
        """Whether some entry speaks against a token, by looking at each in turn."""
        suspended = False
        for entry in self._entries:
            if not _is_about(entry, claims, kid):
                continue
            facts = entry.get("facts")
            if isinstance(facts, Mapping):
                suspended = bool(facts.get("suspended", suspended))
            elif "not_before" not in entry or _number(claims.get("iat", 0)) <= _number(entry["not_before"]):
                return True
        return suspended

    def first_iat(self, claims: Claims, now: float) -> int:
        """The second that a token may be issued in, so that no not-before refuses it."""
        bounds = [_number(e["not_before"]) + 1 for e in self._entries if "not_before" in e and _is_about(e, claims, "")]
        return int(max([now, *bounds]))


def digest_of(lines: Sequence[bytes]) -> str:
    """What a snapshot's head says of its lines."""
    return b64url(hashlib.sha256(b"".join(line + b"\n" for line in lines)).digest())


def b64url(value: bytes) -> str:
    """Base64url without padding (RFC 7515 §2)."""
    return urlsafe_b64encode(value).rstrip(b"=").decode()


def _is_about(entry: Entry, claims: Claims, kid: str) -> bool:
    kind = str(entry["kind"])
    if kind == "everyone":
        return True
    if kind == "client":
        return entry["subject"] in _clients_of(claims)
    return kind in SUBJECTS and {**claims, "kid": kid}.get(SUBJECTS[kind]) == entry["subject"]


def _clients_of(claims: Claims) -> list[object]:
    """Every client that a token rests on: who got it, the application behind it, and who acts (RFC 8693)."""
    found, act = [claims.get("client_id"), claims.get("azp")], claims.get("act")
    while isinstance(act, Mapping):
        found.append(act.get("sub"))
        act = act.get("act")
    return found


def _number(value: object) -> float:
    if not isinstance(value, int | float):
        raise TypeError(f"expected a number, not {value!r}")
    return value
