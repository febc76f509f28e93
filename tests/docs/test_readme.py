"""The README's commands, in its order, against a server of the test's own."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import msgspec
import pytest

from tests.docs.examples import blocks
from tests.server.process import ROOT, environment, ports, serving

README = ROOT / "README.md"
DEFAULT_ISSUER = "http://localhost:3201"


@dataclass
class Terminal:
    """A shell in the clone, with the README's addresses replaced by the test's own."""

    environ: dict[str, str]
    issuer: str
    folder: Path
    outputs: list[str] = field(default_factory=list)

    def run(self, text: str) -> str:
        """The standard output of a block of commands, each of which must succeed."""
        script = text.replace(".venv/bin/ostiary", f"{sys.executable} -m server.cli")
        script = script.replace(DEFAULT_ISSUER, self.issuer)
        ended = subprocess.run(
            ["bash", "-euo", "pipefail", "-c", script],
            cwd=self.folder,
            env=self.environ,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert ended.returncode == 0, f"{text}\n{ended.stdout}{ended.stderr}"
        self.outputs.append(ended.stdout)
        return ended.stdout


@pytest.fixture
def terminal(tmp_path: Path) -> Iterator[Terminal]:
    environ = environment(tmp_path, **ports())
    with serving(environ) as (welcome, _):
        yield Terminal({**os.environ, **environ}, welcome["issuer"], tmp_path)


def shell_blocks() -> list[str]:
    """The README's shell blocks but the first, which starts the server."""
    return [block.text for block in blocks(README) if block.language == "sh"][1:]


def test_the_readme_is_short_and_its_first_command_is_there() -> None:
    assert len(README.read_text().splitlines()) < 150
    first = next(block.text.strip() for block in blocks(README))
    assert first == "scripts/serve"
    for script in re.findall(r"\bscripts/\w+", README.read_text()):
        assert os.access(ROOT / script, os.X_OK), script


def test_the_commands_of_the_readme_work_in_its_order(terminal: Terminal) -> None:
    applications, service, care = shell_blocks()
    told = terminal.run(applications)
    assert re.search(r"^client_id +cli_[0-9a-f]{32}$", told, re.MULTILINE)
    registering, _, asking = service.partition("curl")
    made = dict(line.split()[:2] for line in terminal.run(registering).splitlines())
    terminal.environ |= {"CLIENT_ID": made["client_id"], "CLIENT_SECRET": made["client_secret"]}
    answer = ask_soon(terminal, "curl" + asking)
    assert (answer["token_type"], answer["scope"]) == ("Bearer", "orders:read")
    shown = verify_as_the_readme_does(terminal.issuer, str(answer["access_token"]))
    assert shown.startswith(f"{made['client_id']} ['orders:read'] ")
    cared = terminal.run(care)
    assert re.search(r"^usr_[0-9a-f]{32} is disabled$", cared, re.MULTILINE)
    assert re.search(r"^The log is whole: \d+ events\.$", cared, re.MULTILINE)
    assert re.search(r"ostiary-daily-[\d-]+\.pdf", cared)


def ask_soon(terminal: Terminal, command: str) -> dict[str, object]:
    """The first answer that knows the application: a running server does within a second (S18)."""
    ends_at = time.monotonic() + 2
    while True:
        answer = msgspec.json.decode(terminal.run(command), type=dict[str, object])
        if answer.get("error") != "invalid_client" or time.monotonic() > ends_at:
            return answer


def verify_as_the_readme_does(issuer: str, access_token: str) -> str:
    """What the README's program prints."""
    [program] = [block.text for block in blocks(README) if block.language == "python"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output):
        exec(program.replace(DEFAULT_ISSUER, issuer), {"access_token": access_token})  # noqa: S102 - the README's own
    return output.getvalue()
