"""Events for other systems: in the forms that they read, sent as they happen.

Owns: the forms OCSF, ECS and CEF, syslog's framing, and the exporters with their cursors.
Leaves: reading and opening events to `audit.reading`, words for people to `audit.words`.
"""
