"""Where an address is: the operator's databases and lists, what a trusted edge says, and how far apart places are.

Leaves: what a place means for a sign-in to the signals.
"""
