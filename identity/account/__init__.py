"""A person's own pages: profile, security, sessions, activity, applications, their data, and the end of the account.

Owns: what is shown there and what its forms change.
Leaves: adding factors to `identity.factors`, ending things to `identity.revocation`.
"""
