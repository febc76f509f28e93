"""How sure we are of a sign-in and of a running session: what the scorer is told, and what is kept of its answer.

Leaves: the score itself to `risk`, what follows from it to `policy`.
"""
