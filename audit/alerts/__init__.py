"""Who is told at once, of what, and how often.

Owns: the rules over the numbered events, the alerts that they open, the messages and the receivers that get them.
Leaves: what happened to `audit`'s events; who is an administrator and what people are called, to functions handed in.
"""
