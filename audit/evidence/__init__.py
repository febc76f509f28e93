"""Evidence bundles: a report, the events behind it, and what proves both, as one signed file for an outsider.

Owns: the file's format, its making, and its verification without any database.
Leaves: what a report says to `audit.reports`, and the log bundle inside to `audit.bundle.form`.
"""
