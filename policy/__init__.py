"""May they: decisions with reasons and obligations.

Owns: the Cedar schema and policies, their versions, the decision function, AuthZEN endpoints, bundles, simulation and
replay.
Leaves: carrying a decision out to whoever asked for it, and the facts about a person to `identity` and `risk`.
"""
