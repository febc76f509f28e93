"""What the feed refuses, asked for every request: many readers without locks, one writer. Pure."""

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import datetime

from ostiary.feed_lines import KEY, FeedEntry, parse_entry
from ostiary.in_force import ALL, InForce
from ostiary.values import AccessToken

FORGOTTEN_AT_ONCE = 2000


class Revocations:
    """What is known to be revoked, and newer facts about people and sessions.

    One thread changes it (`FeedLog`); any thread may ask. `version` grows after every change of what is refused: who
    keeps an answer reads the version **before** asking, keeps both, and asks again once the version is another.
    """

    def __init__(self) -> None:
        self.version = 0
        # Keys whose withdrawal no head has vouched for yet: it may be forged.
        self.unvouched_keys: frozenset[str] = frozenset()
        self._known = InForce()

    def __len__(self) -> int:
        return self._known.size

    def refusal(self, token: AccessToken, kid: str) -> str | None:
        """Why the token, proven by the key `kid`, is refused, in public words; None where nothing speaks against it.

        Not-before is exact: a token is refused when it was issued in that second or earlier.
        """
        known = self._known
        if token.jti in known.tokens:
            return "the token was revoked"
        if token.grant in known.grants:
            return "the grant behind this token has ended"
        if token.sid in known.sessions:
            return "the session behind this token has ended"
        if kid in known.keys:
            return "the key that signed this token was withdrawn"
        if token.sub in known.suspended:
            return "the account behind this token is suspended"
        if known.people and _is_before(token.iat, known.people.get(token.sub)):
            return "the person's earlier tokens were revoked"
        if known.clients and any(_is_before(token.iat, known.clients.get(client)) for client in _clients_of(token)):
            return "the client's earlier tokens were revoked"
        if known.everyone and _is_before(token.iat, known.everyone.get(ALL)):
            return "all earlier tokens were revoked"
        return None

    def overlay(self, token: AccessToken) -> AccessToken:
        """The token with what is known since it was issued: risk and acr. The same object where there is nothing newer.

        Of a fact about the person and one about the session, the one told last counts. `claims` stay as signed.
        """
        known = self._known
        if not known.risk and not known.acr:
            return token
        risk, acr = _newest("risk", known.risk, token), _newest("acr", known.acr, token)
        if isinstance(risk, int) and risk != token.risk:
            token = replace(token, risk=risk)
        if isinstance(acr, str) and acr != token.acr:
            token = replace(token, acr=acr)
        return token

    def is_key_withdrawn(self, kid: str) -> bool:
        """True where the feed has withdrawn the key: it proves nothing any more, whatever the key set says."""
        return kid in self._known.keys

    def take(self, entries: Iterable[FeedEntry]) -> None:
        """Obey entries that nobody has vouched for yet: they refuse at once, and relieve of nothing."""
        for entry in entries:
            if entry.kind == KEY and entry.subject not in self._known.keys:
                self.unvouched_keys |= {entry.subject}
            self._known.add(entry)
        self.version += 1

    def believe(self, entries: Iterable[FeedEntry]) -> None:
        """Obey in full what was taken before, now that a head vouches for it."""
        for entry in entries:
            self._known.believe(entry)
        self.unvouched_keys = frozenset()
        self.version += 1

    def swap(self, entries: Iterable[FeedEntry]) -> None:
        """Know exactly these from now on. Readers see the old whole or the new whole."""
        self._known = InForce(entries)
        self.unvouched_keys = frozenset()
        self.version += 1

    def forget_expired(self, now: float) -> int:
        """Forget entries that refuse no unexpired token, 2,000 at most; returns how many. No answer changes by it.

        `now`: seconds since 1970, and better too early than too late: a clock set forward for a moment would forget
        what still counts when it is set back.
        """
        return self._known.forget_ended(now, at_most=FORGOTTEN_AT_ONCE)

    def as_lines(self) -> list[bytes]:
        """All lines in force by ascending number, for the disk. Only for the thread that writes."""
        return self._known.lines()

    @classmethod
    def from_lines(cls, lines: Iterable[bytes]) -> "Revocations":
        """What `as_lines` gave, again; FeedRefused where a line is none."""
        made = cls()
        made.swap(parse_entry(line) for line in lines)
        return made


def _clients_of(token: AccessToken) -> tuple[str, ...]:
    """Every client that the token rests on: whom it was issued to, and through whom it came there (RFC 8693)."""
    if token.azp is None and not token.actors:
        return (token.client_id,)
    return (token.client_id, *token.actors) if token.azp is None else (token.client_id, token.azp, *token.actors)


def _is_before(issued_at: datetime, not_before_s: int | None) -> bool:
    return not_before_s is not None and issued_at.timestamp() < not_before_s + 1


def _newest(name: str, told: Mapping[str, bytes], token: AccessToken) -> object:
    """The fact of that name told last about the token's person or session, if it is newer than the token."""
    lines = [told.get(token.sub), told.get(token.sid) if token.sid else None]
    entries = [parse_entry(line) for line in lines if line is not None]
    newer = [entry for entry in entries if entry.at_ms // 1000 > token.iat.timestamp()]
    last = max(newer, key=lambda entry: entry.seq, default=None)
    return None if last is None or last.facts is None else last.facts.get(name)
