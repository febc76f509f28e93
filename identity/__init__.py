"""Who: people and the proofs, sessions, clients and tokens that stand for them.

Owns: accounts, passwords, factors, sessions, devices, keys, tokens (the only place that signs), revocation (the only
way anything is revoked), OAuth 2 and OpenID Connect, sign-in and account pages, recovery, upstream providers, SCIM.
Leaves: the score to `risk`, the decision to `policy`, the record to `audit`, putting it all together to `server`.
"""
