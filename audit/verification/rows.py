"""Checks stored events one by one: the body against the ledger's hash, everything else against the body."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.catalogue import AUDIT_PRUNED, PERSON_ERASED
from audit.ledger.merkle import leaf_hash
from audit.record import NOBODY, Origin, sealed_aad
from audit.verification.after_erasure import LATE, AfterErasure
from audit.verification.row_checks import (
    PERSON_INDEX,
    Body,
    StoredRow,
    differing_columns,
    differing_hidden,
    is_blob,
    parse_body,
    parse_opened,
)
from audit.verification.values import Findings
from base.ids import PERSON, parse_id
from base.sealing import SealBroken, Sealer, unseal_under

_KEPT_KEYS = 4096
_OWN = Origin().source

# The sealed keys of subjects, None where one was destroyed.
Keys = Mapping[bytes, bytes | None]


class _Pruned(msgspec.Struct):
    first: int
    last: int


_PRUNED = msgspec.json.Decoder(_Pruned)


@dataclass
class Told:
    """What events themselves tell of destructions, and where the events of destroyed keys begin.

    `removed` is the number of the last event that a clean-up tells of, -1 where none does.
    """

    removed: int = -1
    unreadable: dict[bytes, int | None] = field(default_factory=dict)


class RowCheck:
    """Checks events of a log of `size`, and keeps recent keys, bounded; `person_index` makes a person's index value."""

    def __init__(
        self, sealer: Sealer, person_index: Callable[[bytes], bytes], findings: Findings, *, size: int
    ) -> None:
        self._size = size
        self._sealer = sealer
        self._person_index = person_index
        self._findings = findings
        # By the sealed form: a key that was destroyed or exchanged meanwhile is another one.
        self._opened_keys: OrderedDict[tuple[bytes, bytes], tuple[AESGCM, bytes]] = OrderedDict()
        self.told = Told()
        self.after = AfterErasure()
        self.erased = 0

    def check(self, row: StoredRow, keys: Keys, leaf: bytes) -> None:
        """Compares columns, personal fields and index values with the body, whose hash is `leaf`."""
        try:
            words = self._check(row, keys, leaf)
        except (AttributeError, TypeError):
            # SQLite keeps a text in a column of bytes, if somebody puts it there.
            words = "a column holds a value of a kind that it never has"
        if words is not None:
            self._tell(row, words)

    def _check(self, row: StoredRow, keys: Keys, leaf: bytes) -> str | None:
        body = parse_body(row.body)
        if body is None:
            return "its body is not one of a version that this program knows"
        if wrong := differing_columns(row, body):
            return f"{_listed(wrong)} in its columns and in its body differ"
        is_about_nobody = PERSON_INDEX not in body.hidden
        # Whoever is erased must not become the place where others' personal fields are lost.
        if is_about_nobody and row.sealed_for != NOBODY:
            return "it is about nobody, but its personal fields are said to be a person's"
        if not is_about_nobody and row.sealed_for == NOBODY:
            return "it is about a person, but its personal fields are said to be nobody's"
        if not is_about_nobody and parse_id(PERSON, body.subject or "") != row.sealed_for:
            return "its personal fields are said to be those of somebody who is not its subject"
        if row.sealed_for not in keys:
            return "there is no key for its personal fields, and no trace that one was destroyed"
        sealed_key = keys[row.sealed_for]
        if sealed_key is None:
            return self._check_erased(row, body)
        words = self._check_opened(row, body, sealed_key, leaf)
        if words is None:
            self.after.take_opened(row.seq, body, is_about_nobody=is_about_nobody)
            if is_about_nobody:
                self._note(row, body)
        return words

    def listen(self, rows: Sequence[StoredRow], keys: Keys, *, size: int) -> None:
        """Hears only what events tell of destructions, where they hold together; the log has grown to `size`."""
        self._size = size
        for row in rows:
            body, key = parse_body(row.body), keys.get(NOBODY)
            if body is None or key is None or row.sealed_for != NOBODY:
                continue
            with suppress(AttributeError, TypeError):
                if not differing_columns(row, body) and not self._check_opened(row, body, key, leaf_hash(row.body)):
                    self._note(row, body)

    def _check_opened(self, row: StoredRow, body: Body, sealed_key: bytes, leaf: bytes) -> str | None:
        known = self._key_of(row.sealed_for, sealed_key)
        if known is None:
            return "the key of its personal fields does not open under the master key"
        key, person_index = known
        try:
            opened = parse_opened(unseal_under(key, row.sealed, sealed_aad(row.id, leaf)))
        except SealBroken:
            return "its personal fields do not open, though their key exists"
        indexes = (row.person_index, row.address_index, row.network_index)
        wrong = ["salt"] if opened is None else differing_hidden(body, opened, indexes)
        if wrong:
            return f"{_listed(wrong)} and the digests in its body differ"
        if row.person_index not in (None, person_index):
            return "its personal fields lie under the key of another person"
        return None

    def _check_erased(self, row: StoredRow, body: Body) -> str | None:
        self.erased += 1
        if row.sealed_for == NOBODY:
            return "the key of events about nobody is gone, which no erasure destroys"
        self.told.unreadable.setdefault(row.sealed_for, row.seq)
        # Index values go in short steps after the key: what an erasure has still to reach is found by the person's.
        indexes = (row.person_index, row.address_index, row.network_index)
        if any(indexes) and row.person_index != self._person_index(row.sealed_for):
            return "its person was erased, and an index value was put there since"
        if self.after.is_late(row.seq, body, row.sealed_for):
            return LATE
        return None

    def _key_of(self, subject: bytes, sealed: bytes) -> tuple[AESGCM, bytes] | None:
        """The key of a subject's personal fields, with the index value by which their events are found."""
        known = self._opened_keys.get((subject, sealed))
        if known is not None:
            return known
        try:
            key = AESGCM(self._sealer.unseal(sealed, aad=b"subject key " + subject))
        except (SealBroken, ValueError):
            return None
        made = self._opened_keys[subject, sealed] = key, self._person_index(subject)
        if len(self._opened_keys) > _KEPT_KEYS:
            self._opened_keys.popitem(last=False)
        return made

    def _note(self, row: StoredRow, body: Body) -> None:
        """Takes what an event tells; only whoever holds the key of events about nobody could write it so."""
        # Other services may send events, but not these.
        if body.source != _OWN:
            return
        if body.name == AUDIT_PRUNED.name:
            try:
                told = _PRUNED.decode(body.data)
            except (msgspec.DecodeError, RecursionError):
                return
            # A clean-up has never removed what is younger than the event that tells of it.
            if 0 <= told.first <= told.last and told.last < (self._size if row.seq is None else row.seq):
                self.told.removed = max(self.told.removed, told.last)
        elif body.name == PERSON_ERASED.name and body.subject is not None:
            subject = parse_id(PERSON, body.subject)
            if subject is not None:
                self.after.take_erasure(subject, row.seq, body.at)

    def _tell(self, row: StoredRow, words: str) -> None:
        if row.seq is None:
            name = f"evt_{row.id.hex()}" if is_blob(row.id) else repr(row.id)
            self._findings.add(f"the event {name}, which has no number yet: {words}")
        else:
            self._findings.add(f"event {row.seq}: {words}", row.seq)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
