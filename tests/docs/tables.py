"""The tables of the documents that can be told from the code alone.

`python -m tests.docs.tables` writes them anew, between their marks in `docs/*.md`; the tests compare.
"""

from __future__ import annotations

import importlib
import inspect
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path
from typing import cast

import click
from pydantic.fields import FieldInfo

from audit.alerts.rules import AUDIT_WRITING, RULES
from audit.catalogue import all_types
from audit.siem.ecs import to_ecs
from audit.siem.ocsf import to_ocsf
from audit.siem.ocsf_classes import ACTIVITIES, class_of
from audit.siem.syslog import syslog_message
from risk.sentences import SENTENCES
from server.cli import COMMANDS
from server.metrics import DEFINITIONS
from server.setting_groups import Alert
from server.setting_sources import SettingPath, variable
from server.settings import SECRETS, Settings, known_paths
from tests.audit.siem.made_events import made_event
from tests.docs.sdk_tables import name_rows, policy_rows

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
    lines = [f"### `{' '.join(['ostiary', words, *arguments])}`", "", inspect.cleandoc(command.help or ""), ""]
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
        (
            f"`{each.name}`",
            each.severity.value,
            each.sentence,
            _names(each.public),
            _names(each.personal),
            _ocsf(each.name),
        )
        for each in sorted(all_types().values(), key=lambda each: each.name)
    ]
    return _table(("event", "severity", "what happened", "data", "personal data, sealed", "OCSF"), rows)


def _ocsf(name: str) -> str:
    kind, activity = class_of(name)
    return f"{kind.name} {kind.uid}: {ACTIVITIES[kind].get(activity, 'Other')}"


def metrics_table() -> str:
    """Every metric."""
    rows = [(f"`{each.name}`", each.kind, _names(each.labels), each.sentence) for each in DEFINITIONS.values()]
    return _table(("metric", "kind", "labels", "what it counts"), rows)


def siem_examples() -> str:
    """One event in each form that is sent to SIEMs."""
    event = made_event()
    ocsf, ecs = (json.dumps(each, indent=2, ensure_ascii=False) for each in (to_ocsf(event), to_ecs(event)))
    message = syslog_message(event, "cef", hostname="id.example.com").decode()
    parts = [("OCSF", "json", ocsf), ("ECS", "json", ecs), ("CEF, as a syslog message", "", message)]
    return "\n".join(f"### {head}\n\n```{language}\n{text}\n```\n" for head, language, text in parts)


def rules_table() -> str:
    """Every rule of alerts."""
    rows = [
        (f"`{rule.name}`", rule.title, _names(rule.names) or "every other event of severity HIGH", _many(rule.name))
        for rule in RULES
    ]
    below = "none: [see below](#when-the-log-itself-cannot-be-written)"
    rows.append((f"`{AUDIT_WRITING.name}`", AUDIT_WRITING.title, below, ""))
    return _table(("rule", "what it says", "events", "how many within 15 minutes"), rows)


def _many(name: str) -> str:
    return f"`OSTIARY_ALERT__{name.upper()}` ({getattr(Alert(), name)})" if hasattr(Alert(), name) else "1"


def signals_table() -> str:
    """Every reason of a score, by its id."""
    return _table(("signal", "what it says"), [(f"`{name}`", words) for name, words in SENTENCES.items()])


def sdk_table() -> str:
    """Every public name of the SDK."""
    return _table(("module", "name", "what it is"), name_rows())


def failure_table() -> str:
    """What the SDK's usual failure policy does."""
    head = ("route", "what is known is", "with an introspector", "without")
    return _table(head, policy_rows())


TABLES: dict[str, Callable[[], str]] = {
    "failure": failure_table,
    "sdk": sdk_table,
    "rules": rules_table,
    "settings": settings_table,
    "commands": commands_table,
    "events": events_table,
    "metrics": metrics_table,
    "siem": siem_examples,
    "signals": signals_table,
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
    """Writes every table anew; a document whose tables stand is not touched, and none is ever seen half-written."""
    for document in sorted(DOCS.glob("*.md")):
        before = document.read_text()
        after = rewritten(before)
        if after != before:
            fresh = document.with_suffix(f".{os.getpid()}.new")
            fresh.write_text(after)
            os.replace(fresh, document)


if __name__ == "__main__":
    write_all()
