"""A set of policies as files: one `.cedar` file, or a folder of them beside `schema.cedarschema` and `tests.json`."""

from pathlib import Path

import msgspec

from policy.starter import PolicySetText

SCHEMA, TESTS = "schema.cedarschema", "tests.json"
_MOST_BYTES = 2_000_000


class UnreadableSet(ValueError):
    """Files that cannot be read as a set; the text names the file."""


def read_set(path: Path) -> PolicySetText:
    """The set in a file or folder; files of a folder are taken by name. Raises UnreadableSet."""
    if not path.is_dir():
        return PolicySetText(_text(path))
    files = sorted(path.glob("*.cedar"))
    if not files:
        raise UnreadableSet(f"{path}: expected files *.cedar in this folder")
    policies = "\n".join(_text(file) for file in files)
    schema, tests = path / SCHEMA, path / TESTS
    own_schema = _text(schema) if schema.exists() else ""
    return PolicySetText(policies, own_schema, _tests(tests) if tests.exists() else [])


def write_set(text: PolicySetText, folder: Path) -> list[Path]:
    """Writes a set into a folder, which is made; the paths of the files. Raises UnreadableSet where one is there."""
    folder.mkdir(parents=True, exist_ok=True)
    wanted = {"policies.cedar": text.policies, SCHEMA: text.own_schema}
    if text.tests:
        wanted[TESTS] = msgspec.json.format(msgspec.json.encode(text.tests), indent=1).decode() + "\n"
    taken = [name for name in wanted if (folder / name).exists()]
    if taken or any(folder.glob("*.cedar")):
        raise UnreadableSet(f"{folder}: expected a folder without policies in it")
    written = []
    for name, content in wanted.items():
        if content:
            (folder / name).write_text(content, "utf-8")
            written.append(folder / name)
    return written


def _text(path: Path) -> str:
    try:
        content = path.read_bytes()
        if len(content) > _MOST_BYTES:
            raise UnreadableSet(f"{path}: expected at most {_MOST_BYTES} bytes")
        text = content.decode("utf-8")
    except OSError as error:
        raise UnreadableSet(f"{path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UnreadableSet(f"{path}: expected UTF-8") from error
    if "\0" in text:
        # Nothing keeps one: PostgreSQL's texts have none.
        raise UnreadableSet(f"{path}: expected text without NUL characters")
    return text


def _tests(path: Path) -> list[dict[str, object]]:
    try:
        return msgspec.json.decode(_text(path), type=list[dict[str, object]])
    except msgspec.DecodeError as error:
        raise UnreadableSet(f"{path}: expected a list of JSON objects: {error}") from error
