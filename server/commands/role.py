"""`ostiary role create|list|delete|add|remove`."""

from server.commands.membership import make_commands

command = make_commands("role", "Roles: what somebody may do, by name; policies and the claim `roles` know them.")
