"""What `ostiary doctor` says about the places outside the database."""

from pathlib import Path

from server.doctor_ledger import check_ledger
from server.settings import load_settings


def check(tmp_path: Path, **environ: str) -> tuple[bool, str]:
    told = {"OSTIARY_DATA_DIR": str(tmp_path / "var"), "OSTIARY_SECRETS_DIR": str(tmp_path / "none"), **environ}
    return check_ledger(load_settings(environ=told).settings)


def test_checkpoints_beside_the_database_prove_little_and_it_says_so(tmp_path: Path) -> None:
    ok, words = check(tmp_path)
    assert ok
    assert "whoever can change the database there can change them, too" in words
    assert "OSTIARY_AUDIT__CHECKPOINT_DIR" in words


def test_a_place_elsewhere_is_named(tmp_path: Path) -> None:
    assert check(tmp_path, OSTIARY_AUDIT__CHECKPOINT_DIR=str(tmp_path / "bucket")) == (
        True,
        f"checkpoints also go to {tmp_path / 'bucket'}",
    )
    ok, words = check(tmp_path, OSTIARY_AUDIT__CHECKPOINT_FILE=str(tmp_path / "elsewhere" / "notes.txt"))
    assert ok
    assert words == f"checkpoints also go to {tmp_path / 'elsewhere' / 'notes.txt'}"


def test_a_place_that_cannot_be_written_is_a_fault(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for name in ("CHECKPOINT_DIR", "ARCHIVE_DIR"):
        ok, words = check(tmp_path, **{f"OSTIARY_AUDIT__{name}": str(tmp_path / "file" / "folder")})
        assert not ok
        assert f"change OSTIARY_AUDIT__{name}" in words
