"""The reference pages say what the code does, no more and no less."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from starlette.routing import Route

from audit.catalogue import all_types
from identity.oauth.routes import hot_routes
from ostiary.gateway.settings import PREFIX as GATEWAY
from ostiary.gateway.settings import SETTINGS as GATEWAY_SETTINGS
from server import authzen
from server.api.application import routers
from server.api.loading import PATH as API
from server.app import _routes
from server.cli import COMMANDS
from server.metrics import DEFINITIONS
from server.ops import Operations
from server.settings import known_paths, load_settings
from tests.docs.tables import DOCS, MARKED, ROOT, TABLES, commands, rewritten
from tests.world import World, open_world

DOCUMENTS = sorted([*DOCS.glob("*.md"), *DOCS.glob("decisions/*.md"), *ROOT.glob("*.md")])


@pytest.mark.parametrize("name", ["settings", "cli", "events", "operations", "siem", "alerts", "sdk", "risk"])
def test_the_tables_of_a_document_are_those_of_the_code(name: str) -> None:
    text = (DOCS / f"{name}.md").read_text()
    assert MARKED.search(text), "the marks between which the table stands are gone"
    assert text == rewritten(text), "run scripts/docs"


def test_every_table_that_can_be_written_stands_in_one_document() -> None:
    names = [found[2] for path in DOCS.glob("*.md") for found in MARKED.finditer(path.read_text())]
    assert sorted(names) == sorted(TABLES)


def test_the_tables_leave_nothing_out() -> None:
    settings, events, metrics = TABLES["settings"](), TABLES["events"](), TABLES["metrics"]()
    assert settings.count("\n| `OSTIARY_") == len(known_paths())
    assert {name for name in all_types() if f"| `{name}` |" not in events} == set()
    assert {name for name in DEFINITIONS if f"| `{name}` |" not in metrics} == set()
    described = TABLES["commands"]()
    assert {words.split()[0] for words, _ in commands()} == set(COMMANDS)
    assert [
        words for words, command in commands() if f"### `ostiary {words}" not in described or not command.help
    ] == []


def test_no_document_names_a_setting_or_command_that_does_not_exist() -> None:
    known = {"OSTIARY_" + "__".join(path).upper() for path in known_paths()}
    known |= {GATEWAY + name for name, _, _ in GATEWAY_SETTINGS}
    known |= {f"{name}_FILE" for name in known} | {"OSTIARY_CONFIG", "OSTIARY_SECRETS_DIR"}
    named = {name for path in DOCUMENTS for name in re.findall(r"\bOSTIARY_[A-Z_]+", path.read_text())}
    assert named - known == set()
    calls = {words for words, _ in commands()}
    calls |= {words.split()[0] for words in calls}
    for path in DOCUMENTS:
        for first, second in re.findall(r"`?ostiary ([a-z]+)(?: ([a-z-]+))?", _shell_of(path)):
            assert f"{first} {second}".strip() in calls or first in calls, f"{path.name}: ostiary {first} {second}"


def _shell_of(path: Path) -> str:
    """What stands in code, since prose may say the word, too; what is named as not existing yet is left out."""
    text = re.sub(r"until `[^`]*` exists", "", path.read_text())
    return "\n".join(re.findall(r"`ostiary [^`]*`|^(?:\.venv/bin/)?ostiary .*$", text, re.MULTILINE))


@pytest.mark.anyio
async def test_every_endpoint_is_documented_and_every_documented_one_exists(tmp_path: Path, databases: object) -> None:
    settings = load_settings(environ={}).settings
    with databases.sqlite(tmp_path) as url:  # type: ignore[attr-defined]
        async with open_world(url, tmp_path) as world:
            served = {(method, path) for path, methods in _served(world, settings) for method in methods}
            served |= {("any", path) for path in await _operations(world)}
    assert _documented() == served


def _served(world: World, settings: object) -> list[tuple[str, set[str]]]:
    routes = _routes(settings, world.services, world.app.feed, world.app.asgi)  # type: ignore[arg-type]
    found = [(each.path, each.methods or {"any"}) for each in routes if isinstance(each, Route)]
    exact = [*hot_routes(world.services), *authzen.hot_routes(world.services)]
    hot = {path: {"GET"} if path.startswith("/.well-known/") else {"POST"} for path in exact}
    hot["/oauth/userinfo"] = {"GET", "POST"}
    inside = [route for router in routers(world.services) for route in router.routes if isinstance(route, Route)]
    api = [("/api/v1/openapi.json", {"GET"}), *((each.path, each.methods or {"any"}) for each in inside)]
    outside = [(path, set(methods) - {"HEAD"}) for path, methods in [*found, *hot.items()] if path != API]
    return [*outside, *api]


async def _operations(world: World) -> list[str]:
    from httpx2 import ASGITransport, AsyncClient

    operations = Operations(world.services, world.app.metrics)
    async with AsyncClient(transport=ASGITransport(operations), base_url="http://localhost") as caller:
        answer = await caller.get("/nothing")
    addresses: list[str] = answer.json()["addresses"]
    return addresses


def _documented() -> set[tuple[str, str]]:
    rows = re.findall(r"^\| ([A-Za-z, ]+) \| `(/[^`]*)` \|", (DOCS / "endpoints.md").read_text(), re.MULTILINE)
    return {(method, path) for methods, path in rows for method in methods.split(", ")}


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_every_link_of_a_document_leads_somewhere(path: Path) -> None:
    for target in re.findall(r"\]\(([^)#\s]+)", _without_code(path)):
        if "://" not in target:
            assert (path.parent / target).exists(), target


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.name)
def test_prose_has_a_sentence_a_line(path: Path) -> None:
    prose = [line for line in _without_code(path).splitlines() if line and not line.startswith(("|", "#", "<!--"))]
    several = [line for line in prose if re.search(r"[a-z0-9`)][.?!] [A-Z`]", line)]
    assert several == []


def _without_code(path: Path) -> str:
    return re.sub(r"^```.*?^```", "", path.read_text(), flags=re.MULTILINE | re.DOTALL)


def test_decisions_are_short_and_numbered_without_gaps() -> None:
    found = sorted(DOCS.glob("decisions/*.md"))
    assert [int(path.name[:4]) for path in found] == list(range(1, len(found) + 1))
    for path in found:
        text = path.read_text()
        assert len(text.splitlines()) <= 40, path.name
        for part in ("**Question.**", "**Decision.**", "**Why.**", "**What would change it.**"):
            assert part in text, f"{path.name} lacks {part}"
