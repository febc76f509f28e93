"""What every enforcement point must know at once, in one gapless order.

Owns: the log of revocations, key changes and policy revisions; its snapshot, delta and server-sent events.
Leaves: the decision to revoke to `identity.revocation`, and what a connected service does with it to the SDK.
"""
