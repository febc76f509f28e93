"""The signals: each module looks at one subject and gives bounded evidence with its reason.

Owns: what is evidence, how strong, and between which bounds.
Leaves: adding up and making points to `risk.scorer`, words to `risk.sentences`.
"""
