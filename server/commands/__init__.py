"""The commands of `ostiary`, a file a noun.

Owns: options, words and exit codes.
Leaves: every rule to the room that the noun belongs to; `server.cli` names the commands.
"""
