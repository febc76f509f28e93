"""Verifies an evidence bundle with nothing but the file, and a key and checkpoints where the reader holds them (S45).

Imports no database, so that an outsider can run and read just this. The first thing that is wrong comes first.
"""

import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import BinaryIO, cast

import msgspec

from audit.bundle.form import BundleReader, BundleRefused
from audit.bundle.verify import BundleVerdict, verify_bundle
from audit.evidence.closing import stated_count
from audit.evidence.container import EvidenceReader
from audit.evidence.manifest import (
    CHECKPOINTS,
    EVENTS,
    MANIFEST,
    NOTE,
    REPORT,
    EvidenceRefused,
    Manifest,
    Numbers,
    check_signature,
    parse_instant,
    parse_manifest,
)
from audit.ledger.notes import NoteRefused
from audit.reports.model import Report, UnreadableReport, decode_report
from audit.verification.held import checkpoints_of, read_held
from audit.verification.row_checks import parse_body
from audit.verification.values import Progress
from base.clock import to_micros

_TOLD_EVERY = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class EvidenceVerdict:
    """The verdict. `wrong` is empty where everything holds, else the first thing that is wrong comes first.

    `key` signed the manifest; unless `key_given`, it is the bundle's own word. `confirmed` are the sizes of the
    reader's own checkpoints that the events lead to.
    """

    manifest: Manifest
    key_given: bool
    events: BundleVerdict | None
    confirmed: tuple[int, ...]
    wrong: tuple[str, ...]

    @property
    def ok(self) -> bool:
        """Whether nothing is wrong."""
        return not self.wrong


def verify_evidence(
    file: BinaryIO, *, checkpoints: Iterable[Path] = (), vkey: str | None = None, told: Progress | None = None
) -> EvidenceVerdict:
    """The verdict over a bundle; `file` can seek. OSError for a file, NoteRefused for a key that is none.

    Raises EvidenceRefused where there is no manifest that the key signed: then nothing in the file is worth a look.
    """
    reader = EvidenceReader(file)
    data = reader.read(MANIFEST)
    manifest = parse_manifest(data)
    key = manifest.key if vkey is None else vkey
    check_signature(manifest, reader.read(NOTE), key)
    work = _Work(reader, manifest, tuple(checkpoints), key, told)
    try:
        work.check_files()
        work.check_times()
        work.check_checkpoints()
        work.check_events()
        work.check_report()
    except EvidenceRefused as refused:
        work.wrong.append(str(refused))
    return EvidenceVerdict(
        manifest=manifest,
        key_given=vkey is not None,
        events=work.verdict,
        confirmed=work.confirmed,
        wrong=tuple(work.wrong),
    )


@dataclass
class _Work:
    """One verification under way; each step raises EvidenceRefused for what makes the next one pointless."""

    reader: EvidenceReader
    manifest: Manifest
    outside: Sequence[Path]
    vkey: str
    told: Progress | None
    wrong: list[str] = field(default_factory=list)
    verdict: BundleVerdict | None = None
    confirmed: tuple[int, ...] = ()
    in_period: int = 0

    def check_files(self) -> None:
        """No file more, none less, and each as the manifest states it."""
        stated = self.manifest.files
        expected = {*stated, MANIFEST, NOTE}
        needed = {REPORT, CHECKPOINTS} | ({EVENTS} if self.manifest.numbers else set())
        for name in sorted(self.reader.names - expected):
            raise EvidenceRefused(f"{name} is in the file, but not in {MANIFEST}")
        for name in sorted((expected | needed) - self.reader.names):
            raise EvidenceRefused(f"{name} is missing")
        for name in sorted(needed - expected):
            raise EvidenceRefused(f"{MANIFEST} does not name {name}")
        for name, facts in sorted(stated.items()):
            if self.reader.size(name) != facts.bytes:
                size = self.reader.size(name)
                raise EvidenceRefused(f"{name} has {size} bytes, and {facts.bytes} by {MANIFEST}")
            if self.reader.facts(name).sha256 != facts.sha256:
                raise EvidenceRefused(f"{name} was changed: its SHA-256 is not the one in {MANIFEST}")

    def check_times(self) -> None:
        """The period and its numbers are possible."""
        period, numbers = self.manifest.period, self.manifest.numbers
        self._from = parse_instant(period.from_at, "the period's beginning")
        self._until = parse_instant(period.until_at, "the period's end")
        made = parse_instant(self.manifest.made_at, "when it was made")
        if self._from >= self._until:
            raise EvidenceRefused(f"{MANIFEST}: the period ends before it begins")
        if made.replace(microsecond=999_999) < self._until:
            raise EvidenceRefused(f"{MANIFEST}: the bundle was made before its period was over")
        if numbers is not None and not 0 <= numbers.first <= numbers.last < self.manifest.checkpoint_size:
            raise EvidenceRefused(f"{MANIFEST}: events {numbers.first} to {numbers.last} cannot be in this log")

    def check_checkpoints(self) -> None:
        """Each checkpoint in the bundle is signed by its key, and the last is the one that the manifest names."""
        if self.manifest.checkpoint_size == 0:
            return
        with self._checkpoint_file() as path:
            try:
                found = checkpoints_of(path, vkey=self.vkey, origin=self.manifest.origin)
            except NoteRefused as refused:
                raise EvidenceRefused(f"{CHECKPOINTS}: {_named(str(refused), path)}") from None
        if max(each.size for each in found) != self.manifest.checkpoint_size:
            raise EvidenceRefused(f"{CHECKPOINTS} does not end with the checkpoint that {MANIFEST} names")

    def check_events(self) -> None:
        """The events are those that the manifest names, and lead to every checkpoint, in the bundle and outside."""
        numbers = self.manifest.numbers
        if numbers is None:
            if self.outside:
                raise EvidenceRefused("the period has no events, so nothing here leads to your checkpoints")
            return
        self._check_header(numbers)
        with self._checkpoint_file() as path, self.reader.opened(EVENTS) as stream:
            inner = cast(BinaryIO, stream)
            try:
                verdict = verify_bundle(inner, checkpoints=[path, *self.outside], vkey=self.vkey, told=self.told)
            except BundleRefused as refused:
                raise EvidenceRefused(f"{EVENTS}: {_named(str(refused), path)}") from None
            own = {each.size for each in checkpoints_of(path, vkey=self.vkey, origin=self.manifest.origin)}
            words = [_named(each.words, path) for each in verdict.findings]
        self.verdict = verdict
        self.wrong += [f"{EVENTS}: {each}" for each in words]
        if verdict.ok and (unproven := sorted(own & set(verdict.unproven))):
            self.wrong.append(f"{EVENTS} holds no proof that leads to the checkpoint of {unproven[0]} events")
        self._check_outside(verdict)
        self._count(numbers)

    def _check_header(self, numbers: Numbers) -> None:
        with self.reader.opened(EVENTS) as stream:
            try:
                header = BundleReader(cast(BinaryIO, stream)).header
            except BundleRefused as refused:
                raise EvidenceRefused(f"{EVENTS}: {refused}") from None
        found, expected = (header.first, header.first + header.count - 1), (numbers.first, numbers.last)
        if found != expected:
            raise EvidenceRefused(
                f"{EVENTS} holds the events {found[0]} to {found[1]}, and {MANIFEST} names {expected[0]} to"
                f" {expected[1]}"
            )
        if header.origin != self.manifest.origin:
            raise EvidenceRefused(f"{EVENTS} is of another log than {MANIFEST}")

    def _check_outside(self, verdict: BundleVerdict) -> None:
        held, _ = read_held(self.outside, vkey=self.vkey, origin=self.manifest.origin)
        self.confirmed = tuple(sorted(held.roots.keys() & set(verdict.confirmed)))
        if self.outside and not self.confirmed and verdict.ok:
            self.wrong.append(
                "none of your checkpoints is confirmed: ask for a bundle that was made with them (--checkpoint)"
            )

    def _count(self, numbers: Numbers) -> None:
        """How many events are of the period by their own time."""
        begin, end, without_body = to_micros(self._from), to_micros(self._until), 0
        with self.reader.opened(EVENTS) as stream:
            try:
                for event in BundleReader(cast(BinaryIO, stream)).events():
                    body = None if event.body is None else parse_body(event.body.encode())
                    without_body += body is None
                    self.in_period += body is not None and begin <= body.at < end
            except BundleRefused:
                # Told by the verdict over the events already.
                return
        if self.in_period != numbers.in_period:
            self.wrong.append(
                f"{self.in_period} events are of the period, and {numbers.in_period} by {MANIFEST}:"
                " these are the events of another period"
            )

    def check_report(self) -> None:
        """The report is the one that the manifest names, over the same period and as many events."""
        report, manifest = self._report(), self.manifest
        if report.id != manifest.report:
            raise EvidenceRefused(f"{REPORT} is {report.id[:80]}, and {MANIFEST} names {manifest.report}")
        if (report.period.from_at, report.period.until_at) != (self._from, self._until):
            raise EvidenceRefused(f"{REPORT} is about another period than {MANIFEST}")
        stated = stated_count(report)
        expected = manifest.numbers.in_period if manifest.numbers else 0
        if stated is not None and stated != expected:
            raise EvidenceRefused(f"{REPORT} counts {stated} events in its period, and {MANIFEST} {expected}")

    def _report(self) -> Report:
        try:
            return decode_report(msgspec.json.decode(self.reader.read(REPORT)))
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError, UnreadableReport) as fault:
            raise EvidenceRefused(f"{REPORT} is no report that this version can read: {fault}") from None

    def _checkpoint_file(self) -> "_Unpacked":
        return _Unpacked(self.reader)


class _Unpacked:
    """The bundle's checkpoints as a file of our own name, for as long as it is open."""

    def __init__(self, reader: EvidenceReader) -> None:
        self._reader = reader
        self._folder = tempfile.TemporaryDirectory(prefix="ostiary-")

    def __enter__(self) -> Path:
        path = Path(self._folder.name) / CHECKPOINTS
        with path.open("wb") as file:
            for piece in self._reader.pieces(CHECKPOINTS):
                file.write(piece)
        return path

    def __exit__(self, *_: object) -> None:
        self._folder.cleanup()


def _named(words: str, path: Path) -> str:
    """What was found in our copy was found in the bundle."""
    return words.replace(str(path), CHECKPOINTS)
