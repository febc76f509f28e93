"""The rooms of the house stay as `docs` and the packages' own words describe them: small files, held borders."""

from __future__ import annotations

import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGES = ("base", "feed", "audit", "risk", "policy", "identity", "server", "migrations")
SOURCES = (*PACKAGES, "sdk/node", "sdk/ostiary", "tests", "benchmarks", "scripts")
NOT_OURS = {"node_modules", "dist", "build", "__pycache__", "var"}
MAX_FILE_LINES = 400
MAX_FUNCTION_LINES = 40
MAX_WIDTH = 120

# Rules without I/O. Each is imported alone in a fresh interpreter, since what a package's `__init__` or a neighbour
# drags in is seen only there. Every module named `values` belongs to them without being listed.
PURE_MODULES = (
    "audit.intake.schema",
    "base.ids",
    "identity.oauth.authorize_checks",
    "identity.oauth.pkce",
    "identity.redirect_uris",
    "ostiary.core",
    "risk.browsers",
    "risk.calibration",
    "risk.places.distance",
    "risk.history.population",
    "risk.history.profile",
    "risk.scorer",
    "risk.sentences",
)
IMPURE = {
    "aiosqlite",
    "alembic",
    "fastapi",
    "httpx",
    "httpx2",
    "psycopg",
    "redis",
    "requests",
    "sqlalchemy",
    "starlette",
}


def source_files(*suffixes: str) -> Iterator[Path]:
    """The repository's own files with these endings; what tools made or fetched is left out."""
    for top in SOURCES:
        for path in sorted((ROOT / top).rglob("*")):
            if path.suffix in suffixes and not NOT_OURS & set(path.parts):
                yield path


def name_of(path: Path) -> str:
    """The path as a person would write it."""
    return path.relative_to(ROOT).as_posix()


def module_of(path: Path) -> str:
    """The dotted name that the file is imported by."""
    relative = path.relative_to(ROOT / "sdk") if "sdk" in path.parts else path.relative_to(ROOT)
    return ".".join(relative.with_suffix("").parts)


def pure_modules() -> list[str]:
    """The listed modules, and every module of a room below the server that says by its name that it holds values."""
    files = [path for path in source_files(".py") if path.stem.endswith("values")]
    rooms = [path for path in files if not {"benchmarks", "server", "tests"} & set(path.relative_to(ROOT).parts)]
    return sorted({*PURE_MODULES, *map(module_of, rooms)})


def test_no_file_is_longer_than_a_reader_holds_in_mind() -> None:
    sources = source_files(".py", ".css", ".html", ".js", ".mjs", ".ts")
    # A migration lists a version's tables and is never edited again: it is looked up, not read.
    lengths = {path: len(path.read_text().splitlines()) for path in sources if "versions" not in path.parts}
    assert len(lengths) > len(PACKAGES), "the search found no sources"
    assert {name_of(path): length for path, length in lengths.items() if length > MAX_FILE_LINES} == {}


def test_no_function_is_longer_than_a_screen() -> None:
    # The words of a docstring are free; a migration is one long list of tables.
    too_long = {
        f"{name_of(path)}:{function.lineno} {function.name}": length
        for path in source_files(".py")
        if "versions" not in path.parts
        for function in ast.walk(ast.parse(path.read_text()))
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef)
        and (length := length_without_docstring(function)) > MAX_FUNCTION_LINES
    }
    assert too_long == {}


def length_without_docstring(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Lines from `def` to the end, the docstring's own left out."""
    length = (function.end_lineno or function.lineno) - function.lineno + 1
    first = function.body[0]
    if ast.get_docstring(function, clean=False) is not None:
        length -= (first.end_lineno or first.lineno) - first.lineno + 1
    return length


@pytest.mark.parametrize("package", PACKAGES)
def test_a_package_says_what_it_owns_and_leaves_and_imports_nothing(package: str) -> None:
    tree = ast.parse((ROOT / package / "__init__.py").read_text())
    words = ast.get_docstring(tree) or ""
    assert "Owns:" in words
    assert "Leaves:" in words
    assert len(tree.body) == 1, "an __init__ holds its docstring only: what it imports, every module below imports too"


def test_no_inner_package_imports_anything() -> None:
    for path in source_files(".py"):
        if path.name == "__init__.py" and path.parts[len(ROOT.parts)] in PACKAGES:
            statements = ast.parse(path.read_text()).body
            assert all(isinstance(each, ast.Expr) for each in statements), f"{name_of(path)} holds more than words"


@pytest.mark.parametrize("module", pure_modules())
def test_a_pure_module_brings_no_input_or_output(module: str) -> None:
    program = f"import sys, {module}; print(*sys.modules)"
    loaded = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    assert {name for name in loaded.split() if name in IMPURE} == set()


def test_every_folder_of_modules_is_a_package() -> None:
    # The check of the borders, like many tools, passes over a folder without an __init__. Alembic loads its versions
    # by path.
    folders = {path.parent for path in source_files(".py")} - {ROOT / "scripts", ROOT / "migrations" / "versions"}
    assert {name_of(folder) for folder in folders if not (folder / "__init__.py").exists()} == set()


def test_the_borders_between_packages_hold() -> None:
    program = Path(sys.executable).with_name("lint-imports")
    ended = subprocess.run([program, "--no-logo"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stdout


def test_the_border_check_sees_every_package() -> None:
    tops = {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"}
    assert tops == set(PACKAGES)
