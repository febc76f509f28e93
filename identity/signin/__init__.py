"""Signing in: one attempt, bound to one browser, from the application's request to its answer.

Owns: the attempt, the pure rule that says what comes next, the password step, consent, and their pages.
Leaves: checking the application's request and making its answer to `identity.oauth`; sessions, devices, lockout and
passwords to the modules beside it.
"""
