"""The tables of the documents that can be told from the code alone.

`python -m tests.docs.tables` writes them anew, between their marks in `docs/*.md`; the tests compare.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import click
from pydantic.fields import FieldInfo

from audit.catalogue import all_types
from server.cli import COMMANDS
from server.metrics import DEFINITIONS
from server.setting_sources import SettingPath, variable
from server.settings import SECRETS, Settings, known_paths

ROOT = Path(__file__).resolve().parent.parent.parent
DOCS = ROOT / "docs"
MARKED = re.compile(r"(<!-- table: (\w+) \(written by scripts/docs\) -->\n)(.*?)(<!-- end -->)", re.DOTALL)
COMMON_OPTIONS = ("as_json", "config", "data_dir")


def settings_table() -> str:
    """Every setting: variable, default, limits, meaning."""
    rows = [
        (f"`{variable(path)}`", _code(_default(path)), _limits(path), _meaning(path)) for path in sorted(known_paths())
    ]
    return _table(("variable", "default", "limits", "what it is"), rows)


def _field(path: SettingPath) -> FieldInfo:
    group = Settings
    for name in path[:-1]:
        group = cast(type[Settings], group.model_fields[name].annotation)
    return group.model_fields[path[-1]]


def _default(path: SettingPath) -> str:
    default = _field(path).default
    if default is None or default == ():
        return ""
    if isinstance(default, bool):
        return str(default).lower()
    return ",".join(str(item) for item in default) if isinstance(default, tuple) else str(default)


def _limits(path: SettingPath) -> str:
    bounds = [getattr(rule, name) for name in ("ge", "le") for rule in _field(path).metadata if hasattr(rule, name)]
    return f"{bounds[0]} to {bounds[1]}" if len(bounds) == 2 else ""


def _meaning(path: SettingPath) -> str:
    return str(_field(path).description) + (" Secret." if path in SECRETS else "")


def commands_table() -> str:
    """Every command with its arguments and options."""
    return "\n".join(_command_section(words, command) for words, command in commands())


def commands() -> Iterator[tuple[str, click.Command]]:
    """Every command that does something, by the words that call it."""
    for name, (module, _) in COMMANDS.items():
        command: click.Command = importlib.import_module(module).command
        if isinstance(command, click.Group):
            for inner in command.commands.values():
                yield f"{name} {inner.name}", inner
        else:
            yield name, command


def _command_section(words: str, command: click.Command) -> str:
    arguments = [str(each.name).upper() for each in command.params if isinstance(each, click.Argument)]
    lines = [f"### `{' '.join(['ostiary', words, *arguments])}`", "", (command.help or "").strip(), ""]
    options = [each for each in command.params if isinstance(each, click.Option) and each.name not in COMMON_OPTIONS]
    if options:
        rows = [(_code(" / ".join([*each.opts, *each.secondary_opts])), _option_words(each)) for each in options]
        lines += [_table(("option", "what it is"), rows)]
    return "\n".join(lines)


def _option_words(option: click.Option) -> str:
    return (option.help or "") + (" Required." if option.required else "")


def events_table() -> str:
    """Every event type by family."""
    rows = [
        (f"`{each.name}`", each.severity.value, each.sentence, _names(each.public), _names(each.personal))
        for each in sorted(all_types().values(), key=lambda each: each.name)
    ]
    return _table(("event", "severity", "what happened", "data", "personal data, sealed"), rows)


def metrics_table() -> str:
    """Every metric."""
    rows = [(f"`{each.name}`", each.kind, _names(each.labels), each.sentence) for each in DEFINITIONS.values()]
    return _table(("metric", "kind", "labels", "what it counts"), rows)


TABLES: dict[str, Callable[[], str]] = {
    "settings": settings_table,
    "commands": commands_table,
    "events": events_table,
    "metrics": metrics_table,
}


def rewritten(text: str) -> str:
    """A document with its tables as the code has them now."""
    return MARKED.sub(lambda found: f"{found[1]}\n{TABLES[found[2]]()}\n{found[4]}", text)


def _names(names: Iterable[str]) -> str:
    return ", ".join(f"`{name}`" for name in sorted(names))


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def write_all() -> None:
    """Writes every table anew."""
    for document in sorted(DOCS.glob("*.md")):
        document.write_text(rewritten(document.read_text()))


if __name__ == "__main__":
    write_all()
