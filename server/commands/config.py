"""`ostiary config show|schema`."""

from typing import cast

import click

from server.commands.frame import Frame, framed, table
from server.setting_sources import SettingPath, variable
from server.settings import SECRETS, Loaded, Settings, known_paths


@click.group("config")
def command() -> None:
    """Settings: what they are here, and what they may be."""


@command.command("show")
@framed
def show(frame: Frame) -> None:
    """Every setting with its value and where that comes from; secrets are starred."""
    loaded = frame.load()
    shown = {variable(path): _shown(loaded, path) for path in sorted(known_paths())}
    rows = [(name, str(entry["value"]), str(entry["source"])) for name, entry in shown.items()]
    frame.answer(shown, table(rows, empty=""))


def _shown(loaded: Loaded, path: SettingPath) -> dict[str, object]:
    value: object = loaded.settings
    for name in path:
        value = getattr(value, name)
    if path in SECRETS and value:
        value = "***"
    elif isinstance(value, tuple):
        value = ", ".join(str(item) for item in value)
    elif value is not None and not isinstance(value, bool | int | str):
        value = str(value)
    return {"value": value, "source": loaded.sources.get(path, "default")}


@command.command("schema")
@framed
def schema(frame: Frame) -> None:
    """Every setting that exists: its variable, kind, default, limits and meaning."""
    described = {variable(path): _described(path) for path in sorted(known_paths())}
    rows = [(name, str(entry["default"]), str(entry["description"])) for name, entry in described.items()]
    frame.answer({"settings": described}, table(rows, empty=""))


def _described(path: SettingPath) -> dict[str, object]:
    group = Settings
    for name in path[:-1]:
        group = cast(type[Settings], group.model_fields[name].annotation)
    field = group.model_fields[path[-1]]
    default = field.default
    if isinstance(default, tuple):
        default = ", ".join(str(item) for item in default)
    entry: dict[str, object] = {
        "key": ".".join(path),
        "description": field.description,
        "default": default if default is None or isinstance(default, bool | int | str) else str(default),
        "secret": path in SECRETS,
    }
    for rule in field.metadata:
        for limit, name in (("ge", "minimum"), ("le", "maximum")):
            if hasattr(rule, limit):
                entry[name] = getattr(rule, limit)
    return entry
