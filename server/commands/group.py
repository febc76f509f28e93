"""`ostiary group create|list|delete|add|remove`."""

from server.commands.membership import make_commands

command = make_commands(
    "group", "Groups of people, of an organisation or of none; policies and the claim `groups` know them."
)
