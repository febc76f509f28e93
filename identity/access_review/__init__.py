"""The access review: every person and application that can do something, and what about them wants a decision.

Owns: reading who has what, the rules of what stands out, and the sections of the report `access`.
Leaves: how a report is written to `audit.reports`, and every change of what is found to those who own it.
"""
