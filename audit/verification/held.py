"""Checkpoints that lie outside the database, in files and folders: read, verified, one for each size.

What they say is believed before anything that the database says. Needs no database.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from audit.ledger.notes import Checkpoint, NoteRefused, parse_checkpoint, verify_note
from audit.verification.values import Findings

_LONGEST_LINE, _MOST_LINES = 8 * 1024, 32


@dataclass
class Held:
    """The root and the place of each checkpoint, by its size; `read` of them were read, the `largest` of each file."""

    roots: dict[int, tuple[bytes, str]] = field(default_factory=dict)
    read: int = 0
    largest: dict[Path, int] = field(default_factory=dict)

    def add(self, checkpoint: Checkpoint, where: str, findings: Findings) -> None:
        """Takes one; a second one of the same size must be the same."""
        self.read += 1
        known = self.roots.setdefault(checkpoint.size, (checkpoint.root, where))
        if known[0] != checkpoint.root:
            findings.add(
                f"two checkpoints of {checkpoint.size} events say different things, in {known[1]} and in {where}:"
                " there are two logs, or one that was rewritten",
                max(checkpoint.size - 1, 0),
            )


def read_held(
    files: Iterable[Path], *, vkey: str, origin: str | None = None, kept: Iterable[Path] = ()
) -> tuple[Held, Findings]:
    """The checkpoints of these files, each one note or many; what cannot be believed is a finding. Raises OSError.

    So is a file without any, unless it is one of `kept`: those are the server's own, which may hold none yet.
    """
    held, findings = Held(), Findings()
    for path in kept:
        _read(path, held, findings, vkey=vkey, origin=origin)
    for path in files:
        if not _read(path, held, findings, vkey=vkey, origin=origin):
            findings.add(f"{path} holds no checkpoint, so nothing is compared with it")
    return held, findings


def _read(path: Path, held: Held, findings: Findings, *, vkey: str, origin: str | None) -> bool:
    """Takes the checkpoints of one file; whether there is anything in it, be it refused."""
    number = 0
    refused: tuple[str, str] | None = None
    for number, note in enumerate(_notes(path), 1):
        where = f"{path} (checkpoint {number})"
        try:
            checkpoint = checked(note, vkey=vkey, origin=origin)
        except NoteRefused as reason:
            _tell(refused, findings)
            refused = (note, f"{where}: {reason}")
            continue
        # A write that a crash cut off is done again behind it.
        if refused is not None and not note.startswith(refused[0].rstrip("\n")):
            _tell(refused, findings)
        refused = None
        held.add(checkpoint, where, findings)
        held.largest[path] = max(checkpoint.size, held.largest.get(path, 0))
    _tell(refused, findings)
    return number > 0


def checked(note: str, *, vkey: str, origin: str | None = None) -> Checkpoint:
    """The checkpoint of a note that the key signed, of the log `origin` where one is given; raises NoteRefused."""
    checkpoint = parse_checkpoint(verify_note(note, vkey))
    if origin is not None and checkpoint.origin != origin:
        raise NoteRefused(f"a checkpoint of the log {checkpoint.origin}, expected {origin}")
    return checkpoint


def checkpoints_of(path: Path, *, vkey: str, origin: str) -> list[Checkpoint]:
    """The checkpoints of one file, all of which must be this log's; raises NoteRefused and OSError."""
    found = [checked(note, vkey=vkey, origin=origin) for note in _notes(path)]
    if not found:
        raise NoteRefused(f"{path} holds no checkpoint")
    return found


def files_of(file: Path, folder: Path | None) -> list[Path]:
    """The files at the places that the settings name, those that exist."""
    found = [file] if file.is_file() else []
    if folder is not None and folder.is_dir():
        found += sorted(folder.glob("*.txt"))
    return found


def _tell(refused: tuple[str, str] | None, findings: Findings) -> None:
    if refused is not None:
        findings.add(refused[1])


def _notes(path: Path) -> Iterator[str]:
    """The notes of a file, whole or torn, an empty line between them; the file is not held in memory."""
    text: str | None = None
    for paragraph in _paragraphs(path):
        if paragraph.startswith("— "):
            yield paragraph if text is None else f"{text}\n{paragraph}"
            text = None
            continue
        if text is not None:
            yield text
        text = paragraph
    if text is not None:
        yield text


def _paragraphs(path: Path) -> Iterator[str]:
    lines: list[str] = []
    with path.open(encoding="utf-8", errors="replace", newline="\n") as file:
        while line := file.readline(_LONGEST_LINE):
            # A file that came by mail may have another system's ends of lines; the signed text has these.
            line = line[:-2] + "\n" if line.endswith("\r\n") else line
            # A file without empty lines must not fill the memory either.
            if line != "\n" and len(lines) < _MOST_LINES:
                lines.append(line)
            elif lines:
                yield "".join(lines)
                lines = []
    if lines:
        yield "".join(lines)
