"""What a start stands on: the master key's file, sockets, and addresses."""

import os
import socket
from pathlib import Path

import pytest

from base.errors import NotReady
from server.master_key import load_master_keys, prepare_data_dir
from server.setting_values import Address, parse_address
from server.settings import Settings, load_settings
from server.sockets import close_sockets, open_sockets, spelled_out
from tests.server.process import environment, get, ports, run, serving
from tests.services import free_port


def settings_in(folder: Path, **settings: str) -> Settings:
    """The settings of a deployment whose data lies in `folder`."""
    environ = {f"OSTIARY_{name.upper()}": value for name, value in settings.items()}
    return load_settings({"data_dir": str(folder)}, environ=environ).settings


def test_the_first_start_makes_a_key_that_only_we_can_read_and_the_second_finds_it(tmp_path: Path) -> None:
    settings = settings_in(tmp_path / "var")
    first = load_master_keys(settings)
    file = tmp_path / "var" / "master.key"
    assert (len(first), len(first[0])) == (1, 32)
    assert (file.stat().st_mode & 0o777, (tmp_path / "var").stat().st_mode & 0o777) == (0o600, 0o700)
    assert load_master_keys(settings) == first
    assert [path.name for path in (tmp_path / "var").iterdir()] == ["master.key"]


def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    """S40"""
    settings = settings_in(tmp_path)
    load_master_keys(settings)
    (tmp_path / "master.key").chmod(0o640)
    with pytest.raises(NotReady, match="run `chmod 600"):
        load_master_keys(settings)


def test_a_key_of_another_user_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """S40"""
    settings = settings_in(tmp_path)
    load_master_keys(settings)
    if os.getuid() == 0:
        # What root owns is trusted, so the file is given away first.
        os.chown(tmp_path / "master.key", 54321, -1)
    monkeypatch.setattr("os.getuid", lambda: 12345)
    with pytest.raises(NotReady, match="belongs to another user: run `chown 12345"):
        load_master_keys(settings)


@pytest.mark.parametrize(("text", "words"), [("", "is empty"), ("c2hvcnQ=", "32 bytes"), ("no-base64!", "base64")])
def test_an_empty_or_broken_key_file_is_refused(tmp_path: Path, text: str, words: str) -> None:
    """S40"""
    (tmp_path / "master.key").write_text(text)
    (tmp_path / "master.key").chmod(0o600)
    with pytest.raises(NotReady, match=words):
        load_master_keys(settings_in(tmp_path))


def test_a_new_key_is_never_made_beside_a_database_that_needs_the_old_one(tmp_path: Path) -> None:
    (tmp_path / "ostiary.db").write_bytes(b"sealed")
    with pytest.raises(NotReady, match="put the key back"):
        load_master_keys(settings_in(tmp_path))
    assert not (tmp_path / "master.key").exists()


def test_with_a_shared_database_the_key_must_be_set(tmp_path: Path) -> None:
    with pytest.raises(NotReady, match="OSTIARY_MASTER_KEY is not set"):
        load_master_keys(settings_in(tmp_path, database_url="postgresql://h/d"))


def test_a_folder_that_cannot_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(NotReady, match="name another folder by OSTIARY_DATA_DIR"):
        prepare_data_dir(tmp_path / "file" / "var")


def test_a_busy_port_closes_what_was_opened_before_it() -> None:
    free, busy = free_port(), free_port()
    with socket.create_server(("127.0.0.1", busy)):
        with pytest.raises(NotReady, match=f"port {busy} on 127.0.0.1 is already in use"):
            open_sockets([Address("127.0.0.1", free), Address("127.0.0.1", busy)], setting="OSTIARY_LISTEN")
        with socket.create_server(("127.0.0.1", free)) as again:
            assert again.getsockname()[1] == free


def test_a_machine_without_one_of_the_addresses_uses_the_others() -> None:
    port = free_port()
    opened = open_sockets([Address("127.0.0.1", port), Address("2001:db8::7", port)], setting="OSTIARY_LISTEN")
    try:
        assert [each.getsockname()[0] for each in opened] == ["127.0.0.1"]
    finally:
        close_sockets(opened)
    with pytest.raises(NotReady, match=r"has no address 2001:db8::7: change OSTIARY_LISTEN"):
        open_sockets([Address("2001:db8::7", port)], setting="OSTIARY_LISTEN")


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("127.0.0.1:80", Address("127.0.0.1", 80)),
        ("[::1]:3201", Address("::1", 3201)),
        ("localhost:1", Address("localhost", 1)),
        ("[0:0:0:0:0:0:0:1]:3201", Address("::1", 3201)),
    ],
)
def test_an_address_is_read_and_written_in_its_one_spelling(text: str, expected: Address) -> None:
    assert parse_address(text) == expected
    assert parse_address(str(expected)) == expected


@pytest.mark.parametrize("text", ["", "3201", ":3201", "::1:3201", "127.0.0.1:0", "127.0.0.1:65536", "example.com:80"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="expected address:port"):
        parse_address(text)


def test_localhost_stands_for_both_loopback_addresses() -> None:
    assert spelled_out([Address("localhost", 1)]) == [Address("127.0.0.1", 1), Address("::1", 1)]


def test_a_database_that_was_migrated_before_its_first_start_is_served(tmp_path: Path) -> None:
    """Its master key is made beside it, so that the start does not take the key for lost."""
    environ = environment(tmp_path, **ports())
    assert run(environ, "migrate").returncode == 0
    assert (tmp_path / "var" / "master.key").is_file()
    with serving(environ) as (welcome, _):
        assert get(welcome["discovery"])[0] == 200
