"""Two wheels come out of this repository: the server's from the top-level packages, the SDK's from sdk/ alone."""

from __future__ import annotations

import subprocess
import sys
import sysconfig
import tomllib
from collections.abc import Callable
from email.message import Message
from email.parser import Parser
from importlib.metadata import distribution
from pathlib import Path
from zipfile import ZipFile

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = {"base", "feed", "audit", "risk", "policy", "identity", "server", "migrations"}
SITE_PACKAGES = Path(sysconfig.get_path("purelib"))

# What only the server needs: none of it may come along with the SDK.
SERVER_ONLY = {
    *("aiosqlite", "alembic", "argon2-cffi", "authlib", "bcrypt", "fastapi", "geoip2", "jinja2", "ostiary-server"),
    *("pydantic", "pydantic-settings", "psycopg", "redis", "sqlalchemy", "starlette", "uvicorn", "uvloop"),
}

BuildWheel = Callable[[Path], Path]


@pytest.fixture(scope="module")
def build_wheel(tmp_path_factory: pytest.TempPathFactory) -> BuildWheel:
    """Builds the wheel of a folder with the locked build tools, without asking any index."""

    def build(source: Path) -> Path:
        folder = tmp_path_factory.mktemp("wheel")
        build_it = (sys.executable, "-m", "build", "--wheel", "--no-isolation")
        ended = subprocess.run([*build_it, "--outdir", folder, source], capture_output=True, text=True, check=False)
        assert ended.returncode == 0, ended.stdout + ended.stderr
        [wheel] = folder.glob("*.whl")
        return wheel

    return build


@pytest.fixture(scope="module")
def server_wheel(build_wheel: BuildWheel) -> Path:
    """The wheel of `ostiary-server`."""
    return build_wheel(ROOT)


@pytest.fixture(scope="module")
def sdk_wheel(build_wheel: BuildWheel) -> Path:
    """The wheel of `ostiary`."""
    return build_wheel(ROOT / "sdk")


def names_in(wheel: Path) -> set[str]:
    """Every path in the wheel but those of its metadata folder."""
    with ZipFile(wheel) as archive:
        return {name for name in archive.namelist() if ".dist-info/" not in name}


def metadata_of(wheel: Path, file: str = "METADATA") -> str:
    """One file of the wheel's metadata folder."""
    with ZipFile(wheel) as archive:
        [name] = [name for name in archive.namelist() if name.endswith(f".dist-info/{file}")]
        return archive.read(name).decode()


def headers_of(wheel: Path) -> Message:
    """The wheel's METADATA, parsed."""
    return Parser().parsestr(metadata_of(wheel), headersonly=True)


def required_by(lines: list[str]) -> set[str]:
    """The names that these requirement lines ask for here, extras left out."""
    requirements = [Requirement(line) for line in lines]
    return {
        canonicalize_name(each.name)
        for each in requirements
        if each.marker is None or each.marker.evaluate({"extra": ""})
    }


def everything_required_by(names: set[str]) -> set[str]:
    """These distributions and all that they ask for in turn, as installed here."""
    known: set[str] = set()
    waiting = set(names)
    while waiting:
        name = waiting.pop()
        known.add(name)
        waiting |= required_by(distribution(name).requires or []) - known
    return known


def unpacked(wheel: Path, folder: Path) -> Path:
    """The wheel's files in `folder`, as an installer would lay them."""
    with ZipFile(wheel) as archive:
        archive.extractall(folder)
    return folder


def python_seeing_only(*folders: Path, program: str) -> subprocess.CompletedProcess[str]:
    """Runs `program` in an interpreter that finds the standard library and `folders`, nothing that is installed."""
    start = f"import sys; sys.path[:0] = {[str(folder) for folder in folders]!r}\n"
    command = [sys.executable, "-I", "-S", "-c", start + program]
    return subprocess.run(command, cwd=folders[0], capture_output=True, text=True, check=False)


def test_the_server_wheel_holds_its_packages_with_all_their_files(server_wheel: Path) -> None:
    held = names_in(server_wheel)
    assert {name.split("/")[0] for name in held} == PACKAGES
    on_disk = {
        path.relative_to(ROOT).as_posix()
        for package in PACKAGES
        for path in (ROOT / package).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert on_disk - held == set()


def test_the_server_wheel_is_pure_and_brings_the_command(server_wheel: Path) -> None:
    assert server_wheel.name.startswith("ostiary_server-")
    assert server_wheel.name.endswith("-py3-none-any.whl")
    assert "ostiary = server.cli:main" in metadata_of(server_wheel, "entry_points.txt")
    assert "ostiary" in required_by(headers_of(server_wheel).get_all("Requires-Dist", []))


def test_the_server_wheel_works_away_from_the_repository(server_wheel: Path, sdk_wheel: Path, tmp_path: Path) -> None:
    server, sdk = unpacked(server_wheel, tmp_path / "server"), unpacked(sdk_wheel, tmp_path / "sdk")
    program = "sys.argv = ['ostiary', '--help']\nfrom server.cli import main\nmain()"
    ended = python_seeing_only(server, sdk, SITE_PACKAGES, program=program)
    assert ended.returncode == 0, ended.stderr
    assert "serve" in ended.stdout


def test_the_sdk_wheel_holds_the_typed_package_ostiary_alone(sdk_wheel: Path) -> None:
    held = names_in(sdk_wheel)
    assert {name.split("/")[0] for name in held} == {"ostiary"}
    assert "ostiary/py.typed" in held


def test_the_sdk_asks_for_nothing_of_the_server(sdk_wheel: Path) -> None:
    asked = required_by(headers_of(sdk_wheel).get_all("Requires-Dist", []))
    assert asked, "the metadata names no requirement at all"
    assert everything_required_by(asked) & SERVER_ONLY == set()


@pytest.mark.parametrize(
    ("extra", "brought"),
    [
        *((name, {name}) for name in ("django", "fastapi", "flask", "redis", "requests")),
        ("gateway", {"httptools", "uvicorn", "uvloop"}),
        ("policy", {"cedarpy"}),
    ],
)
def test_an_extra_brings_what_its_module_imports_and_the_docs_name_it(
    sdk_wheel: Path, extra: str, brought: set[str]
) -> None:
    headers = headers_of(sdk_wheel)
    assert extra in headers.get_all("Provides-Extra", [])
    lines = [Requirement(line) for line in headers.get_all("Requires-Dist", [])]
    more = {line.name for line in lines if line.marker is not None and line.marker.evaluate({"extra": extra})}
    assert more == brought
    assert f'pip install "ostiary[{extra}]"' in (ROOT / "docs/sdk.md").read_text()
    assert f"[{extra}]" in (ROOT / "sdk/README.md").read_text()


def test_the_sdk_imports_where_nothing_of_the_server_is_installed(sdk_wheel: Path, tmp_path: Path) -> None:
    alone = tmp_path / "installed"
    alone.mkdir()
    for name in everything_required_by(required_by(headers_of(sdk_wheel).get_all("Requires-Dist", []))):
        for top in {Path(file).parts[0] for file in distribution(name).files or []} - {"..", "__pycache__"}:
            link = alone / top
            if not link.exists():
                link.symlink_to(SITE_PACKAGES / top)
    sdk = unpacked(sdk_wheel, tmp_path / "sdk")
    program = """
import importlib, importlib.util, pkgutil
import ostiary
for module in pkgutil.walk_packages(ostiary.__path__, "ostiary."):
    if module.name.split(".")[1] not in ("testing", "django", "fastapi", "flask", "policy", "requests_auth"):
        importlib.import_module(module.name)
import ostiary.policy.values
print(*(getattr(ostiary, name).__name__ for name in ostiary.__all__))
assert importlib.util.find_spec("starlette") is None
assert importlib.util.find_spec("server") is None
"""
    ended = python_seeing_only(sdk, alone, program=program)
    assert ended.returncode == 0, ended.stderr
    assert "Verifier" in ended.stdout.split()


def test_what_the_packages_ask_for_is_in_the_lock() -> None:
    lock = (ROOT / "constraints.txt").read_text().splitlines()
    locked = {canonicalize_name(line.split("==")[0]) for line in lock if not line.startswith("#")}
    for file in ("pyproject.toml", "sdk/pyproject.toml"):
        described = tomllib.loads((ROOT / file).read_text())
        project = described["project"]
        extras = [line for lines in project.get("optional-dependencies", {}).values() for line in lines]
        asked = required_by([*project["dependencies"], *extras, *described["build-system"]["requires"]])
        assert asked - locked - {"ostiary"} == set(), f"{file} asks for something that scripts/lock has not seen"
