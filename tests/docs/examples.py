"""What stands in the documents' code blocks, so that the tests can run it."""

from __future__ import annotations

import re
import shlex
from dataclasses import dataclass
from pathlib import Path

_BLOCK = re.compile(r"^```(\w+)(?: file=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Block:
    """One code block; `file` is the name that the document gives it."""

    language: str
    file: str | None
    text: str


def blocks(document: Path) -> list[Block]:
    """The code blocks of a document in order."""
    return [Block(language, file or None, text) for language, file, text in _BLOCK.findall(document.read_text())]


def write_files(document: Path, folder: Path) -> None:
    """Puts every block that has a file name into a file of the folder."""
    for block in blocks(document):
        if block.file:
            (folder / block.file).write_text(block.text)


def commands(document: Path, program: str) -> list[list[str]]:
    """The arguments of every call of `program` in the document's shell blocks, in order."""
    lines = [line for block in blocks(document) if block.language == "sh" for line in _lines(block.text)]
    return [words[1:] for line in lines if (words := shlex.split(line, comments=True)) and words[0] == program]


def _lines(text: str) -> list[str]:
    return text.replace("\\\n", " ").splitlines()
