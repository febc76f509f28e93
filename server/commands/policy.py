"""`ostiary policy list|show|check|draft|activate|rollback|diff`: sets of policies and their versions; a file each."""

import click

from server.commands.policy_activate import activate, rollback
from server.commands.policy_check import check
from server.commands.policy_draft import draft
from server.commands.policy_show import diff, list_sets, show


@click.group("policy")
def command() -> None:
    """Policies: what is in force, what was, and what is being written."""


for _each in (list_sets, show, diff, check, draft, activate, rollback):
    command.add_command(_each)
