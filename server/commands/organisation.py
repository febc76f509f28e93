"""`ostiary organisation create|list|delete|add|remove`."""

from server.commands.membership import make_commands

command = make_commands("organisation", "Organisations: companies or their parts, with groups of their own.")
