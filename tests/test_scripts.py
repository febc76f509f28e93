"""The two commands say in one sentence what to do when they cannot go on, and do no work that was done before."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

ROOT = Path(__file__).resolve().parent.parent
# Nothing is forbidden to root, so root asks as someone else.
SOMEONE = "nobody" if os.geteuid() == 0 else None
TOOLS = ("bash", "cat", "cksum", "dirname", "env", "flock", "grep", "rm", "tail")


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """What the commands read of a fresh clone, in a folder whose name needs quoting."""
    folder = tmp_path / "a clone's folder"
    shutil.copytree(ROOT / "scripts", folder / "scripts")
    (folder / "sdk").mkdir()
    for name in ("constraints.txt", "pyproject.toml", "sdk/pyproject.toml"):
        shutil.copy(ROOT / name, folder / name)
    return folder


@pytest.fixture
def programs(tmp_path: Path) -> Path:
    """A PATH with a few plain tools and no Python."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for tool in TOOLS:
        if path := shutil.which(tool):
            (folder / tool).symlink_to(path)
    return folder


@contextmanager
def reachable(*folders: Path) -> Iterator[tuple[Path, ...]]:
    """The folders moved to where every account of this machine can reach them."""
    with TemporaryDirectory() as shared:
        Path(shared).chmod(0o755)
        yield tuple(folder.rename(Path(shared) / folder.name) for folder in folders)


def script(path: Path, text: str) -> None:
    """An executable shell script."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/usr/bin/env bash\n{text}\n")
    path.chmod(0o755)


def serve(clone: Path, programs: Path, *arguments: str, user: str | None = None) -> subprocess.CompletedProcess[str]:
    """Runs scripts/serve from another folder, with `programs` as the whole PATH."""
    return subprocess.run(
        [clone / "scripts" / "serve", *arguments],
        cwd=clone.parent,
        env={"PATH": str(programs)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
        user=user,
    )


def in_setup(
    clone: Path, programs: Path, commands: str, *, user: str | None = None
) -> subprocess.CompletedProcess[str]:
    """Runs shell commands after the parts that scripts/test is made of were read in."""
    parts = "source scripts/_setup.sh; source scripts/_services.sh; "
    return subprocess.run(
        ["bash", "-c", parts + commands],
        cwd=clone,
        env={"PATH": str(programs)},
        capture_output=True,
        text=True,
        check=False,
        user=user,
    )


def test_the_shell_scripts_pass_their_linter() -> None:
    programs = [
        path for path in (ROOT / "scripts").iterdir() if path.read_bytes().startswith((b"#!/usr/bin/env bash", b"# "))
    ]
    assert len(programs) >= 4, "the search found too few scripts"
    shellcheck = Path(sys.executable).with_name("shellcheck")
    options = ("--external-sources", "--source-path", ROOT / "scripts")
    command: list[str | Path] = [shellcheck, *options, ROOT / ".ci" / "run", *programs]
    ended = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert (ended.returncode, ended.stdout) == (0, "")


def test_without_a_python_it_says_which_one_to_install(clone: Path, programs: Path) -> None:
    ended = serve(clone, programs)
    assert ended.returncode == 1
    assert ended.stderr.startswith("Python 3.11 or newer was not found: install it")
    assert len(ended.stderr.splitlines()) == 1


def test_an_old_python_counts_as_none(clone: Path, programs: Path) -> None:
    script(programs / "python3", "exit 1")
    assert serve(clone, programs).stderr.startswith("Python 3.11 or newer was not found")


def test_a_python_without_venv_is_told_with_the_command_that_helps(clone: Path, programs: Path) -> None:
    script(programs / "python3", "case $* in *ensurepip*) exit 1 ;; esac")
    ended = serve(clone, programs)
    assert ended.returncode == 1
    assert "python3 lacks its venv module: run 'apt-get install python3-venv'" in ended.stderr


def test_a_folder_that_cannot_be_written_is_named(clone: Path, programs: Path) -> None:
    with reachable(clone, programs) as (moved, tools):
        moved.chmod(0o555)
        ended = serve(moved, tools, user=SOMEONE)
        moved.chmod(0o755)
    assert ended.returncode == 1
    assert ended.stderr.startswith(f"{moved} cannot be written to: give yourself the right to write there")


def test_missing_debian_packages_are_named_with_the_command_that_installs_them(clone: Path, programs: Path) -> None:
    with reachable(clone, programs) as (moved, tools):
        without = "has_postgresql() { false; }; has_rsyslog() { false; }; has_nginx() { false; }"
        ended = in_setup(moved, tools, f"{without}; ensure_debian_packages", user=SOMEONE)
    assert ended.returncode == 1
    names = "redis-server postgresql chromium rsyslog rsyslog-openssl nginx caddy"
    assert ended.stderr == f"The tests need {names}: run 'sudo apt-get install {names}', then this command again.\n"


@pytest.mark.parametrize(("version", "fit"), [("v18.20.1", False), ("v20.0.0", True), ("v24.19.0", True), ("", False)])
def test_a_node_is_used_when_it_is_new_enough(clone: Path, programs: Path, version: str, fit: bool) -> None:
    script(programs / "node", f"echo {version}")
    script(programs / "npm", "exit 0")
    assert (in_setup(clone, programs, "has_node").returncode == 0) is fit


def test_npm_packages_are_installed_in_each_folder_and_again_when_its_list_has_changed(
    clone: Path, programs: Path
) -> None:
    script(programs / "npm", 'mkdir -p node_modules; echo "$PWD $*" >>../../calls')
    (programs / "mkdir").symlink_to(str(shutil.which("mkdir")))
    folders = [clone / "tests" / "node", clone / "sdk" / "node"]
    for folder in folders:
        folder.mkdir(parents=True)
        (folder / "package.json").write_text("{}")
    for _ in range(2):
        ended = in_setup(clone, programs, "ensure_npm_packages")
        assert ended.returncode == 0, ended.stderr
    asked = "install --no-package-lock --no-audit --no-fund --ignore-scripts --loglevel=error"
    assert (clone / "calls").read_text().splitlines() == [f"{folder} {asked}" for folder in folders]
    (folders[1] / "package.json").write_text("{ }")
    assert in_setup(clone, programs, "ensure_npm_packages").stderr == "Installing the npm packages of sdk/node\n"
    assert len((clone / "calls").read_text().splitlines()) == 3


def test_packages_are_said_to_be_put_in_place_once_and_when_all_were_found(clone: Path, programs: Path) -> None:
    # A pip that finds one build tool, then what the product needs.
    pip = "printf 'Collecting x\\nInstalling collected packages: x\\n'; printf '%s\\n' \"$*\" >>calls"
    script(clone / ".venv/bin/python", pip)
    ended = in_setup(clone, programs, "make_venv() { :; }; install runtime")
    assert ended.returncode == 0, ended.stderr
    assert len((clone / "calls").read_text().splitlines()) == 2
    assert ended.stderr.splitlines() == [
        "Installing the locked set of packages (about a minute, once)",
        "  putting them into .venv",
    ]


def test_what_is_installed_is_run_at_once_with_its_arguments_untouched(clone: Path, programs: Path) -> None:
    script(clone / ".venv/bin/python", "exit 1")
    script(clone / ".venv/bin/ostiary", "printf '<%s>' \"$@\"")
    stamp = subprocess.run(
        ["bash", "-c", 'source "$1/scripts/_setup.sh"; fingerprint runtime >"$VENV/.installed-runtime"', "_", clone],
        check=True,
    )
    assert stamp.returncode == 0
    ended = serve(clone, programs, "--listen", "[::1]:3201", "two words", "")
    assert (ended.returncode, ended.stdout) == (0, "<serve><--listen><[::1]:3201><two words><>")


@pytest.mark.parametrize("changed", ["constraints.txt", "pyproject.toml", "sdk/pyproject.toml"])
def test_a_changed_lock_or_package_is_installed_anew(clone: Path, programs: Path, changed: str) -> None:
    test_what_is_installed_is_run_at_once_with_its_arguments_untouched(clone, programs)
    with (clone / changed).open("a") as file:
        file.write("\n")
    ended = serve(clone, programs)
    assert ended.returncode == 1, "it went on with what was installed before"
    assert "Python 3.11 or newer was not found" in ended.stderr
