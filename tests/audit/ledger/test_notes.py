"""Signed notes and checkpoints: the published vectors, and what must not be believed."""

from datetime import UTC, datetime, timedelta, timezone

import pytest

from audit.ledger.notes import (
    Checkpoint,
    LedgerKey,
    NoteRefused,
    format_checkpoint,
    origin_of,
    parse_checkpoint,
    split_notes,
    verify_note,
)

# From the documentation of Go's golang.org/x/mod/sumdb/note.
GO_VKEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = (
    "If you think cryptography is the answer to your problem,\n"
    "then you don't know what your problem is.\n"
    "\n"
    "— PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n"
)
KEY = LedgerKey("id.example.com/audit", bytes(range(32)))
AT = datetime(2026, 11, 22, 20, 0, 0, tzinfo=UTC)
CHECKPOINT = Checkpoint("id.example.com/audit", 12, b"r" * 32, AT)


def test_a_note_that_another_program_signed_verifies() -> None:
    assert verify_note(GO_NOTE, GO_VKEY) == GO_NOTE.partition("\n\n")[0] + "\n"


def test_a_signed_checkpoint_comes_back_as_it_was() -> None:
    note = KEY.sign(format_checkpoint(CHECKPOINT))
    assert note.startswith(
        "id.example.com/audit\n12\ncnJycnJycnJycnJycnJycnJycnJycnJycnJycnJycnI=\n"
        "time 2026-11-22T20:00:00Z\n\n— id.example.com/audit "
    )
    assert parse_checkpoint(verify_note(note, KEY.vkey)) == CHECKPOINT
    elsewhere = AT.astimezone(timezone(timedelta(hours=3)))
    assert parse_checkpoint(format_checkpoint(Checkpoint("o", 0, b"r" * 32, elsewhere))).at == AT


@pytest.mark.parametrize("place", range(0, 200, 7))
def test_a_changed_character_is_found(place: int) -> None:
    """S45"""
    note = KEY.sign(format_checkpoint(CHECKPOINT))
    place %= len(note)
    changed = note[:place] + ("x" if note[place] != "x" else "y") + note[place + 1 :]
    with pytest.raises(NoteRefused):
        verify_note(changed, KEY.vkey)


def test_another_key_is_not_believed_whatever_its_name() -> None:
    note = LedgerKey(KEY.name, bytes(32)).sign(format_checkpoint(CHECKPOINT))
    with pytest.raises(NoteRefused, match=r"no signature of the key id\.example\.com"):
        verify_note(note, KEY.vkey)


def test_a_signature_of_somebody_else_beside_ours_does_no_harm() -> None:
    note = KEY.sign(format_checkpoint(CHECKPOINT))
    theirs = LedgerKey("witness.example", bytes(31) + b"\1").sign(format_checkpoint(CHECKPOINT))
    both = note + theirs.rpartition("\n\n")[2]
    assert verify_note(both, KEY.vkey) == format_checkpoint(CHECKPOINT)


@pytest.mark.parametrize(
    ("note", "words"),
    [
        ("", "expected a signed note"),
        ("text\n", "expected a signed note"),
        ("text\n\nno dash\n", "expected lines such as"),
        ("text\n\n— name ???\n", "expected a signature in Base64"),
        ("x" * 70_000, "at most"),
    ],
)
def test_what_is_no_note_is_refused_in_words(note: str, words: str) -> None:
    with pytest.raises(NoteRefused, match=words):
        verify_note(note, KEY.vkey)


@pytest.mark.parametrize(
    "vkey",
    ["", "name", "na me+00000000+AA==", "name+zz+AA==", GO_VKEY.replace("Peter", "Petra"), GO_VKEY[:-4], GO_VKEY + "A"],
)
def test_a_key_that_was_copied_wrong_is_refused(vkey: str) -> None:
    with pytest.raises(NoteRefused):
        verify_note(GO_NOTE, vkey)


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("o\n12\n", "a line each"),
        ("\n12\nroot\ntime\n", "a line each"),
        ("o\n012\nroot\ntime\n", "size as a number"),
        ("o\n-1\nroot\ntime\n", "size as a number"),
        ("o\n١٢\nroot\ntime\n", "size as a number"),
        ("o\n12\nroot\nnow\n", "time in the fourth line"),
        ("o\n12\nroot\ntime 2026-13-22T20:00:00Z\n", "does not exist"),
        ("o\n12\nroot\ntime 2026-11-22T20:00:00Z\n", "root as Base64 of 32 bytes"),
    ],
)
def test_what_is_no_checkpoint_is_refused_in_words(text: str, words: str) -> None:
    with pytest.raises(NoteRefused, match=words):
        parse_checkpoint(text)


def test_the_origin_follows_the_issuer() -> None:
    assert origin_of("https://id.example.com") == "id.example.com/audit"
    assert origin_of("http://localhost:3201") == "localhost:3201/audit"
    assert origin_of("https://example.com/auth/") == "example.com/auth/audit"


def test_notes_of_a_file_are_told_apart_even_where_one_is_torn() -> None:
    notes = [KEY.sign(format_checkpoint(Checkpoint(KEY.name, size, b"r" * 32, AT))) for size in (1, 2, 3)]
    assert split_notes("") == []
    assert split_notes("\n".join(notes) + "\n") == notes
    torn = notes[1][:30]
    assert split_notes(f"{notes[0]}\n{torn}\n\n{notes[2]}\n") == [notes[0], notes[2]]
    assert split_notes(f"{notes[0]}\n{notes[1][:-9]}") == [notes[0]]
