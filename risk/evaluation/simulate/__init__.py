"""Made-up worlds of people, networks, devices and attackers, for measuring where no real takeovers are at hand.

Owns: what is drawn anew for every seed, and how people and attackers behave. Leaves: how a score is measured. Nothing
here is tuned to a scorer: every rate comes out of a broad range.
"""
