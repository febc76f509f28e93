"""What is remembered: one person's sign-ins, everyone's together, and what happens at accounts and addresses.

Leaves: what follows from it to the signals.
"""
