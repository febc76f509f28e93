"""Where settings come from: command line, environment, secrets folder, TOML file; the first that has one wins.

A source gives flat values by path (`("lockout", "failures")`), each with words that say where it stands. What no
setting is called is a fault with the nearest name, so that a misspelt limit is never silently the default.
"""

import difflib
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PREFIX = "OSTIARY_"
# Where the settings lie, not settings themselves.
LOCATIONS = frozenset({"OSTIARY_CONFIG", "OSTIARY_SECRETS_DIR"})
# What the test command tells its tests; a server that they start inherits it.
_OF_TESTS = "OSTIARY_TEST_"
_MAX_FILE_BYTES = 64 * 1024

SettingPath = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Found:
    """A value as its source wrote it, and where that is."""

    value: object
    source: str


def variable(path: SettingPath) -> str:
    """The environment's name of a setting: `OSTIARY_LOCKOUT__FAILURES`."""
    return PREFIX + "__".join(path).upper()


def from_command_line(values: Mapping[str, object]) -> dict[SettingPath, Found]:
    """Options that were given; `None` stands for one that was not."""
    return {
        (name,): Found(value, f"option --{name.replace('_', '-')}")
        for name, value in values.items()
        if value is not None
    }


def from_environment(environ: Mapping[str, str], known: frozenset[SettingPath], faults: list[str]) -> dict[
    SettingPath, Found
]:  # fmt: skip
    """`OSTIARY_A__B`, or `OSTIARY_A__B_FILE` that names a file which holds the value."""
    found: dict[SettingPath, Found] = {}
    for name in sorted(key for key in environ if _is_setting(key)):
        path = tuple(name.removeprefix(PREFIX).lower().split("__"))
        if path in known:
            place, value = path, environ[name]
        elif name.endswith("_FILE") and (place := _without_file(path)) in known:
            content = _read_text(Path(environ[name]), name, faults)
            if content is None:
                continue
            value = content
        else:
            faults.append(unknown(name, (variable(path) for path in known)))
            continue
        if place in found:
            faults.append(f"{variable(place)} and {variable(place)}_FILE are both set: expected one of them")
        found[place] = Found(value, f"environment {name}")
    return found


def _is_setting(name: str) -> bool:
    return name.startswith(PREFIX) and name not in LOCATIONS and not name.startswith(_OF_TESTS)


def _without_file(path: SettingPath) -> SettingPath:
    return (*path[:-1], path[-1].removesuffix("_file"))


def from_secrets_folder(folder: Path, known: frozenset[SettingPath], faults: list[str]) -> dict[SettingPath, Found]:
    """Files named like the variables (`ostiary_master_key`), as container platforms mount them."""
    found: dict[SettingPath, Found] = {}
    if not folder.is_dir():
        return found
    for file in sorted(folder.iterdir()):
        if not file.name.upper().startswith(PREFIX) or not file.is_file():
            continue
        path = tuple(file.name.upper().removeprefix(PREFIX).lower().split("__"))
        if path not in known:
            faults.append(unknown(str(file), (str(folder / variable(path).lower()) for path in known)))
            continue
        content = _read_text(file, variable(path), faults)
        if content is not None:
            found[path] = Found(content, f"secret {file}")
    return found


def from_toml(file: Path, known: frozenset[SettingPath], faults: list[str]) -> dict[SettingPath, Found]:
    """The file's keys in lower case, groups as tables: `[lockout]`, `failures = 5`."""
    text = _read_text(file, "the settings file", faults)
    if text is None:
        return {}
    try:
        document = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        faults.append(f"{file} is not TOML: {error}")
        return {}
    found: dict[SettingPath, Found] = {}
    for path, value in _leaves(document):
        if path in known:
            found[path] = Found(value, f"file {file}")
        else:
            faults.append(unknown(f"{'.'.join(path)} in {file}", (".".join(path) for path in known)))
    return found


def unknown(name: str, known: Iterable[str]) -> str:
    """A fault about a name that no setting has, with the nearest one that exists."""
    # The bare part is compared, since a shared prefix or folder makes everything look alike.
    near = difflib.get_close_matches(name.partition(" in ")[0], sorted(known), n=1, cutoff=0.8)
    hint = f"did you mean {near[0]}?" if near else "see `ostiary config schema` for the settings that exist"
    return f"{name} is not a setting: {hint}"


def _leaves(document: Mapping[str, object], above: SettingPath = ()) -> Iterator[tuple[SettingPath, object]]:
    for key, value in document.items():
        if isinstance(value, dict):
            yield from _leaves(value, (*above, key))
        else:
            yield (*above, key), value


def _read_text(file: Path, name: str, faults: list[str]) -> str | None:
    try:
        with file.open("rb") as stream:
            raw = stream.read(_MAX_FILE_BYTES + 1)
        if len(raw) > _MAX_FILE_BYTES:
            faults.append(f"{name}: {file} is larger than {_MAX_FILE_BYTES} bytes")
            return None
        return raw.decode().strip()
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is not UTF-8 text"
        faults.append(f"{name}: {file} cannot be read ({reason})")
        return None
