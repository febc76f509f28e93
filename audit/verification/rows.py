"""Checks stored events one by one: the body against the ledger's hash, everything else against the body."""

from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

import msgspec
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from audit.catalogue import AUDIT_PRUNED, PERSON_ERASED
from audit.record import NOBODY, Origin
from audit.verification.row_checks import (
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


class _Pruned(msgspec.Struct):
    first: int
    last: int


_PRUNED = msgspec.json.Decoder(_Pruned)


@dataclass
class Told:
    """What events themselves tell of destructions, and where the events of destroyed keys begin."""

    pruned: set[tuple[int, int]] = field(default_factory=set)
    erased: set[bytes] = field(default_factory=set)
    unreadable: dict[bytes, int | None] = field(default_factory=dict)


class RowCheck:
    """Checks events; keeps recent keys, bounded. `person_index` makes the index value of a person."""

    def __init__(self, sealer: Sealer, person_index: Callable[[bytes], bytes], findings: Findings) -> None:
        self._sealer = sealer
        self._person_index = person_index
        self._findings = findings
        # By the sealed form: a key that was destroyed or exchanged meanwhile is another one.
        self._opened_keys: OrderedDict[tuple[bytes, bytes], tuple[AESGCM, bytes]] = OrderedDict()
        self.told = Told()
        self.erased = 0

    def check(self, row: StoredRow, keys: Mapping[bytes, bytes | None]) -> None:
        """Compares columns, personal fields and index values with the body, whose hash is right or not yet made."""
        try:
            self._check(row, keys)
        except (AttributeError, TypeError):
            # SQLite keeps a text in a column of bytes, if somebody puts it there.
            self._tell(row, "a column holds a value of a kind that it never has")

    def _check(self, row: StoredRow, keys: Mapping[bytes, bytes | None]) -> None:
        body = parse_body(row.body)
        if body is None:
            self._tell(row, "its body is not one of a version that this program knows")
            return
        if wrong := differing_columns(row, body):
            self._tell(row, f"{_listed(wrong)} in its columns and in its body differ")
            return
        self._note(body)
        self._check_personal(row, body, keys)

    def listen(self, rows: Sequence[StoredRow]) -> None:
        """Hears only what events tell of destructions."""
        for row in rows:
            if (body := parse_body(row.body)) is not None:
                self._note(body)

    def _check_personal(self, row: StoredRow, body: Body, keys: Mapping[bytes, bytes | None]) -> None:
        if row.sealed_for not in keys:
            self._tell(row, "there is no key for its personal fields, and no trace that one was destroyed")
            return
        sealed_key = keys[row.sealed_for]
        indexes = (row.person_index, row.address_index, row.network_index)
        if sealed_key is None:
            self._check_erased(row, body, indexes)
            return
        known = self._key_of(row.sealed_for, sealed_key)
        if known is None:
            self._tell(row, "the key of its personal fields does not open under the master key")
            return
        key, person_index = known
        try:
            opened = parse_opened(unseal_under(key, row.sealed, row.id))
        except SealBroken:
            self._tell(row, "its personal fields do not open, though their key exists")
            return
        wrong = ["salt"] if opened is None else differing_hidden(body, opened, indexes)
        if wrong:
            self._tell(row, f"{_listed(wrong)} and the digests in its body differ")
        elif row.person_index not in (None, person_index):
            self._tell(row, "its personal fields lie under the key of another person")

    def _check_erased(self, row: StoredRow, body: Body, indexes: Sequence[bytes | None]) -> None:
        self.erased += 1
        if row.sealed_for == NOBODY:
            self._tell(row, "the key of events about nobody is gone, which no erasure destroys")
            return
        # Whoever is erased must not become the place where others' personal fields are lost.
        about = parse_id(PERSON, body.subject or "")
        if about is not None and about != row.sealed_for:
            self._tell(row, "its personal fields are said to be those of an erased person, but it is about another")
            return
        self.told.unreadable.setdefault(row.sealed_for, row.seq)
        # Index values go in short steps after the key: what an erasure has still to reach is found by the person's.
        if any(indexes) and row.person_index != self._person_index(row.sealed_for):
            self._tell(row, "its person was erased, and an index value was put there since")

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

    def _note(self, body: Body) -> None:
        # Other services may send events, but not these.
        if body.source != _OWN:
            return
        if body.name == AUDIT_PRUNED.name:
            try:
                told = _PRUNED.decode(body.data)
            except msgspec.DecodeError:
                return
            self.told.pruned.add((told.first, told.last))
        elif body.name == PERSON_ERASED.name and body.subject is not None:
            subject = parse_id(PERSON, body.subject)
            if subject is not None:
                self.told.erased.add(subject)

    def _tell(self, row: StoredRow, words: str) -> None:
        if row.seq is None:
            name = f"evt_{row.id.hex()}" if is_blob(row.id) else repr(row.id)
            self._findings.add(f"the event {name}, which has no number yet: {words}")
        else:
            self._findings.add(f"event {row.seq}: {words}", row.seq)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
