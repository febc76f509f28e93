"""How fast and how large the server is, beside a certified peer and a bare floor on the same machine.

Owns: the programs that are compared, the loads, the figures and their limits; `scripts/bench` runs them.
Leaves: every rule to the server, which is started as its operators start it.
"""
