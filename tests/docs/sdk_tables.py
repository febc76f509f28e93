"""The tables of docs/sdk.md that can be told from the SDK alone: its names, its failure policy, its refusals."""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Iterator
from typing import get_origin

import ostiary
from ostiary import FailurePolicy, LeaseState, Sensitivity
from ostiary.failure_policy import Action

# The modules that programs import from, beside `ostiary` itself. Everything else is the SDK's own business.
PUBLIC_MODULES = (
    "ostiary.asgi",
    "ostiary.wsgi",
    "ostiary.fastapi",
    "ostiary.flask",
    "ostiary.django",
    "ostiary.rate_guard",
    "ostiary.rate_limits",
    "ostiary.rate_counts",
    "ostiary.rates",
    "ostiary.httpx_auth",
    "ostiary.requests_auth",
    "ostiary.resource_metadata",
    "ostiary.step_up",
    "ostiary.bearer",
    "ostiary.policy.engine",
    "ostiary.policy.counterfactual",
    "ostiary.policy.values",
    "ostiary.testing",
)
WORDS = {
    Action.ACCEPT: "accepted",
    Action.ACCEPT_AND_INTROSPECT: "accepted, and the issuer is asked behind",
    Action.INTROSPECT: "the issuer is asked",
    Action.UNAVAILABLE: "503",
}


def names_of(module_name: str) -> Iterator[tuple[str, object]]:
    """What a program may import from a module: what it lists, or else the classes and functions that it defines."""
    module = importlib.import_module(module_name)
    listed = getattr(module, "__all__", None)
    for name in sorted(listed or vars(module)):
        value = getattr(module, name)
        is_own = getattr(value, "__module__", None) == module_name
        if listed or (is_own and not name.startswith("_") and (inspect.isclass(value) or inspect.isfunction(value))):
            yield name, value


def name_rows() -> list[tuple[str, str, str]]:
    """Where a name is imported from, the name, and the first line that it says of itself."""
    return [
        (f"`{module}`", f"`{name}`", _first_line(value))
        for module in (ostiary.__name__, *PUBLIC_MODULES)
        for name, value in names_of(module)
    ]


def policy_rows() -> list[tuple[str, str, str, str]]:
    """What the usual failure policy does, by route and state, with an introspector and without."""
    policy = FailurePolicy()
    return [
        (
            f"`{sensitivity.name}`",
            state.value,
            WORDS[policy.decide(sensitivity, state, can_introspect=True)],
            WORDS[policy.decide(sensitivity, state, can_introspect=False)],
        )
        for sensitivity in Sensitivity
        for state in LeaseState
    ]


def _first_line(value: object) -> str:
    if get_origin(value) is not None or not (inspect.isclass(value) or inspect.isfunction(value)):
        return "A type, for annotations."
    words = inspect.getdoc(value) or ""
    return " ".join(words.partition("\n\n")[0].split())
