"""The `ostiary` commands, run in this process on a deployment of the test's own."""

import json

from click.testing import CliRunner, Result

from server.cli import main


class CommandLine:
    """Runs commands on one deployment."""

    def __init__(self, environ: dict[str, str]) -> None:
        self.environ = environ

    def run(self, *args: str, stdin: str | bytes = "", **settings: str) -> Result:
        """One command, whatever becomes of it."""
        return CliRunner().invoke(main, list(args), input=stdin, env={**self.environ, **settings})

    def json(self, *args: str, stdin: str = "") -> dict[str, object]:
        """The one document that a command that succeeds prints with --json."""
        result = self.run(*args, "--json", stdin=stdin)
        assert result.exit_code == 0, result.output
        document: dict[str, object] = json.loads(result.stdout)
        return document

    def events(self) -> list[dict[str, object]]:
        """Everything that happened."""
        result = self.run("audit", "export", "--json")
        assert result.exit_code == 0, result.output
        found: list[dict[str, object]] = json.loads(result.stdout)
        return found

    def names(self) -> list[object]:
        """The names of the events, without those of a first start."""
        return [event["name"] for event in self.events() if event["actor"] == "cli"]
