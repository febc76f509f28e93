"""The console script `ostiary`: names every command and imports only the one that is asked for."""

import importlib
from collections.abc import Mapping

import click

# name → (module, what it does); a noun's module holds a group.
COMMANDS: Mapping[str, tuple[str, str]] = {
    "serve": ("server.commands.serve", "Start the server."),
    "migrate": ("server.commands.migrate", "Bring the database to this version's schema."),
    "doctor": ("server.commands.doctor", "Look for what would keep the server from working well."),
    "healthcheck": ("server.commands.healthcheck", "Ask the running server whether it is ready."),
    "admin": ("server.commands.admin", "Administrators: one-time links."),
    "user": ("server.commands.user", "People: create, import, invite, list, show, disable, unlock, reset, delete …"),
    "role": ("server.commands.role", "Roles: create, list, delete; add and remove people."),
    "group": ("server.commands.group", "Groups: create, list, delete; add and remove people."),
    "organisation": ("server.commands.organisation", "Organisations: create, list, delete; add and remove people."),
    "client": ("server.commands.client", "Applications: create, list, show, update, disable, rotate-secret, delete."),
    "api": ("server.commands.api", "APIs and their scopes: create, list, delete."),
    "key": ("server.commands.key", "Signing keys: list, rotate, revoke."),
    "revoke": ("server.commands.revoke", "What is no longer to be accepted: token, grant, session, person, client …"),
    "feed": ("server.commands.feed", "Who follows the feed of revocations: status."),
    "audit": ("server.commands.audit", "What happened: verify, checkpoint, export."),
    "report": ("server.commands.report", "Reports to hand over: daily, list, show, evidence, verify, access …"),
    "alert": ("server.commands.alert", "Alerts: list, show, ack, test, retry."),
    "risk": ("server.commands.risk", "The risk score: status, calibrate, replay, evaluate, simulate."),
    "policy": ("server.commands.policy", "Policies: list, show, diff, check, draft, activate, rollback."),
    "config": ("server.commands.config", "Settings: show, schema."),
}


class _Ostiary(click.Group):
    """Imports a command's module when the command is used, so that `ostiary --help` answers at once."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        known = COMMANDS.get(cmd_name)
        if known is None:
            return None
        command: click.Command = importlib.import_module(known[0]).command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(name, sentence) for name, (_, sentence) in COMMANDS.items()])


@click.group(cls=_Ostiary, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="ostiary-server", prog_name="ostiary")
def main() -> None:
    """Ostiary: sign-in, tokens and proof for a company's services.

    Exit codes: 0 done, 1 refused or found wrong, 2 usage, 3 something it depends on is unreachable.
    """


if __name__ == "__main__":
    main()
