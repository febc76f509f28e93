"""Sets of policies that tests put in force, as texts."""

from __future__ import annotations

from dataclasses import replace

from policy.starter import PolicySetText, starter_set

NOTE = """
@id("night.closed")
@reason("closed_at_night")
forbid (
  principal,
  action == Ostiary::Action::"call",
  resource
)
when { context.time.hour < 6 };
"""
NO_ADMINISTRATION = """
@id("no.administration")
@reason("closed")
forbid (
  principal,
  action == Ostiary::Action::"change",
  resource is Ostiary::Administration
);
"""
NO_SIGNIN = """
@id("no.signin")
@reason("closed")
forbid (
  principal is Ostiary::Person,
  action == Ostiary::Action::"signIn",
  resource
);
"""
# Weekdays from 6 to 22 o'clock alone, as a freeze would say it.
OFFICE_HOURS = """
@id("office.hours")
@reason("closed")
forbid (
  principal is Ostiary::Person,
  action in Ostiary::Action::"administer",
  resource
)
when { context.time.weekday >= 6 || context.time.hour < 6 || context.time.hour >= 22 };
"""
OFFICE_NETWORK = """
@id("office.network")
@reason("elsewhere")
forbid (
  principal is Ostiary::Person,
  action in Ostiary::Action::"administer",
  resource
)
unless { context has address && context.address.isInRange(ip("203.0.113.0/24")) };
"""
PASSKEYS_ONLY = """
@id("passkeys.only")
@reason("passkey_needed")
@demand("phr")
forbid (
  principal is Ostiary::Person,
  action in Ostiary::Action::"administer",
  resource
)
unless { context has authentication && context.authentication.classes.contains("phr") };
"""


def starter_with(*policies: str, tests: bool = False) -> PolicySetText:
    """The starter set with more policies; with `tests` its golden tests go with it."""
    begun = starter_set()
    return replace(begun, policies="\n".join((begun.policies, *policies)), tests=begun.tests if tests else [])


def only(policies: str, own_schema: str = "", tests: list[dict[str, object]] | None = None) -> PolicySetText:
    """A set of these policies alone."""
    return PolicySetText(policies, own_schema, tests or [])
