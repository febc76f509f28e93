"""The built-in rules: what is decided before an administrator has written a policy."""

from policy.values import Decision, Effect, SigninFacts


def decide(facts: SigninFacts) -> Decision:
    """Allows a sign-in of an active account that has proven something; denies everything else."""
    if facts.person_state != "active":
        return Decision(Effect.DENY, reasons=("account_not_active",))
    if not facts.methods:
        return Decision(Effect.DENY, reasons=("nothing_proven",))
    return Decision(Effect.ALLOW, reasons=("signed_in",))
