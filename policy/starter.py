"""The set that a deployment begins with: readable policies, and golden tests of what they decide."""

from dataclasses import dataclass, field
from pathlib import Path

import msgspec

_FOLDER = Path(__file__).parent / "starter"
# As they read best; of demands that are equally hard the first is asked for first.
_FILES = ("signin.cedar", "administration.cedar", "routes.cedar", "freeze.cedar")


@dataclass(frozen=True, slots=True)
class PolicySetText:
    """A set as it is written and stored: Cedar policies, the schema of a deployment's own actions, golden tests."""

    policies: str
    own_schema: str = ""
    tests: list[dict[str, object]] = field(default_factory=list)


def starter_set() -> PolicySetText:
    """The shipped set: default deny, and sign-in as it is described in `docs/policy.md`."""
    policies = "\n".join((_FOLDER / name).read_text("utf-8") for name in _FILES)
    tests = msgspec.json.decode((_FOLDER / "tests.json").read_bytes(), type=list[dict[str, object]])
    return PolicySetText(policies, "", tests)
