"""What happened, kept so that it cannot be changed unseen.

Owns: the event catalogue, the record, the Merkle ledger and its checkpoints, alerts, search, export, reports and
retention.
Leaves: what counts as an act, and when to tell of it, to the room in which the act happens.
"""
