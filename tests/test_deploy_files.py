"""The container files are right, as far as schema, linter and reading can tell without a container engine."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).resolve().parent.parent
PROGRAMS = Path(sys.executable).parent


@pytest.fixture(scope="module")
def services() -> Mapping[str, Mapping[str, object]]:
    """The services of docker-compose.yml, with the shared part merged in."""
    document = YAML(typ="safe").load((ROOT / "docker-compose.yml").read_text())
    found: Mapping[str, Mapping[str, object]] = document["services"]
    return found


def run(*command: str) -> subprocess.CompletedProcess[str]:
    """What one of the installed checkers says about the repository."""
    return subprocess.run([PROGRAMS / command[0], *command[1:]], cwd=ROOT, capture_output=True, text=True, check=False)


def test_the_compose_file_keeps_to_the_compose_schema() -> None:
    ended = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", "docker-compose.yml")
    assert ended.returncode == 0, ended.stdout


def test_the_schema_check_refuses_a_wrong_compose_file(tmp_path: Path) -> None:
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text("services: {server: {image: 3}}\n")
    ended = run("check-jsonschema", "--builtin-schema", "vendor.compose-spec", str(wrong))
    assert ended.returncode == 1
    assert "services.server" in ended.stdout


def test_the_dockerfile_passes_its_linter() -> None:
    ended = run("hadolint", "Dockerfile")
    assert (ended.returncode, ended.stdout) == (0, "")


def test_the_image_runs_without_rights_and_looks_after_its_health() -> None:
    last_stage = (ROOT / "Dockerfile").read_text().split("\nFROM ")[-1]
    assert re.search(r"^USER 10001:10001$", last_stage, re.MULTILINE)
    assert '"ostiary", "healthcheck"' in last_stage
    assert "pip install" not in last_stage


def test_the_image_is_built_from_the_locked_set() -> None:
    installs = [line for line in (ROOT / "Dockerfile").read_text().splitlines() if "pip install" in line]
    assert installs
    assert all("--constraint constraints.txt" in line for line in installs)


def test_what_the_image_copies_is_what_the_wheel_is_made_of() -> None:
    wanted = {line.removeprefix("!") for line in (ROOT / ".dockerignore").read_text().splitlines() if line[:1] == "!"}
    assert {name for name in wanted if not (ROOT / name).exists()} == set()
    assert not wanted & {"tests", "benchmarks", "var", ".venv", ".git"}
    assert {path.parent.name for path in ROOT.glob("*/__init__.py")} - {"tests", "benchmarks"} <= wanted


def test_every_secret_reaches_a_container_as_a_file(services: Mapping[str, Mapping[str, object]]) -> None:
    for service in services.values():
        settings = service.get("environment", {})
        assert isinstance(settings, Mapping)
        secret = {name for name in settings if re.search(r"KEY|PASSWORD|SECRET|DATABASE_URL|REDIS_URL", str(name))}
        assert {name for name in secret if not str(name).endswith("_FILE")} == set()
        for name in secret:
            assert str(settings[name]).removeprefix("/run/secrets/") in service["secrets"]  # type: ignore[operator]


def test_only_the_server_can_be_reached_and_only_from_this_machine(
    services: Mapping[str, Mapping[str, object]],
) -> None:
    published = {name: service["ports"] for name, service in services.items() if "ports" in service}
    assert published == {"server": ["127.0.0.1:3201:3201"]}
    assert {name for name, service in services.items() if service["networks"] != ["inside"]} == {"server"}


def test_the_server_starts_after_the_migration_and_with_its_services_healthy(
    services: Mapping[str, Mapping[str, object]],
) -> None:
    assert services["migrate"]["command"] == ["migrate"]
    assert services["server"]["depends_on"] == {
        "migrate": {"condition": "service_completed_successfully"},
        "postgres": {"condition": "service_healthy"},
        "redis": {"condition": "service_healthy"},
    }
    assert "healthcheck" in services["postgres"]
    assert "healthcheck" in services["redis"]


def test_the_lock_names_versions_and_nothing_else() -> None:
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    assert len(lines) > 50
    assert [line for line in lines if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][A-Za-z0-9.]*", line)] == []
    assert lines == sorted(lines, key=str.lower)
