"""The operator's list of breached passwords is searched where it lies, and a wrong file is refused with its line."""

import hashlib
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from identity.breached import BreachedList, InvalidBreachedList


def digest(password: str) -> str:
    """The password as the list holds it."""
    return hashlib.sha1(password.encode(), usedforsecurity=False).hexdigest().upper()


def write(folder: Path, lines: list[str], newline: str = "\n", *, ends: bool = True) -> Path:
    """A file of these lines."""
    path = folder / "breached.txt"
    path.write_bytes((newline.join(lines) + (newline if ends and lines else "")).encode())
    return path


@pytest.mark.parametrize("ends", [True, False])
@pytest.mark.parametrize("newline", ["\n", "\r\n"])
@pytest.mark.parametrize("count", ["", ":1", ":9659365", "mixed"])
def test_every_password_of_the_list_is_found_and_no_other(tmp_path: Path, count: str, newline: str, ends: bool) -> None:
    """S20: first, last and all between, with and without counts, LF and CRLF, with and without a last line end."""
    passwords = [f"password{number}" for number in range(300)]
    hashes = sorted(map(digest, passwords))
    lines = [
        h + (":" + "7" * (n % 20) if n % 20 else "") if count == "mixed" else h + count for n, h in enumerate(hashes)
    ]
    with BreachedList(write(tmp_path, lines, newline, ends=ends)) as breached:
        assert all(breached.contains(password.encode()) for password in passwords)
        assert not any(breached.contains(f"other{number}".encode()) for number in range(300))


def test_a_published_hash_is_found(tmp_path: Path) -> None:
    """The SHA-1 of `password`, as everybody knows it."""
    with BreachedList(write(tmp_path, ["5BAA61E4C9B93F3F0682250B6CF8331B7EE68FD8:10434004"])) as breached:
        assert breached.contains(b"password")
        assert not breached.contains(b"Password")


def test_an_empty_file_is_an_empty_list(tmp_path: Path) -> None:
    with BreachedList(write(tmp_path, [])) as breached:
        assert not breached.contains(b"password")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["password"], "line 1: expected 40 upper-case hex digits"),
        ([digest("a").lower()], "line 1: expected 40 upper-case hex digits"),
        (["\ufeff" + digest("a")], "line 1: expected 40 upper-case hex digits"),
        (["0" * 40, ""], "line 2: expected 40 upper-case hex digits"),
        (["0" * 40, "1" * 39], "line 2: expected 40 upper-case hex digits"),
        (["0" * 40, "1" * 40 + ":many"], "line 2: expected 40 upper-case hex digits"),
        (["0" * 40, "2" * 40, "1" * 40], "line 3: expected the hashes in ascending order"),
        (["8846F7EAEE8FB117AD06BDD830B7586C:5"], "line 1: expected 40 upper-case hex digits"),  # the NTLM list
    ],
)
def test_a_file_that_is_no_sorted_list_is_refused_with_its_line(tmp_path: Path, lines: list[str], message: str) -> None:
    with pytest.raises(InvalidBreachedList, match=f"^breached.txt, {message}"):
        BreachedList(write(tmp_path, lines))


def test_a_long_list_ordered_by_count_is_refused(tmp_path: Path) -> None:
    """The other order in which the public list comes; a search in it would find hardly anything."""
    lines = [f"{digest(str(number))}:{20_000 - number}" for number in range(20_000)]
    with pytest.raises(InvalidBreachedList, match="ascending order"):
        BreachedList(write(tmp_path, lines))


def test_one_endless_line_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InvalidBreachedList, match="line 1: expected 40 upper-case hex digits"):
        BreachedList(write(tmp_path, ["A" * 1_000_000]))


def test_a_missing_file_says_so(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match=r"missing\.txt"):
        BreachedList(tmp_path / "missing.txt")


def test_a_closed_list_answers_nothing(tmp_path: Path) -> None:
    """Never "not breached": a list that cannot be read must not let a password pass."""
    breached = BreachedList(write(tmp_path, [digest("a")]))
    breached.close()
    breached.close()
    with pytest.raises(ValueError, match="closed"):
        breached.contains(b"a")


@given(st.sets(st.text("abc", max_size=4)), st.text("abc", max_size=4))
def test_the_search_agrees_with_a_set(tmp_path_factory: pytest.TempPathFactory, kept: set[str], asked: str) -> None:
    path = write(tmp_path_factory.mktemp("list"), sorted(map(digest, kept)))
    with BreachedList(path) as breached:
        assert breached.contains(asked.encode()) == (asked in kept)
