"""The SDK stays small: what installing it brings, and what importing it loads. Time and memory: `benchmarks/`."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest
from packaging.utils import canonicalize_name

import ostiary
from tests.sdk.test_purity import modules_after
from tests.test_packaging import SERVER_ONLY, everything_required_by, required_by

SDK = Path(ostiary.__file__).parents[1]
MAX_DISTRIBUTIONS = 13
# What takes time to load, and what brings a network.
HEAVY = {"anyio", "asyncio", "cryptography", "httpcore2", "httpx2", "jwt", "msgspec", "requests", "socket", "ssl"}


def described() -> dict[str, object]:
    project: dict[str, object] = tomllib.loads((SDK / "pyproject.toml").read_text())["project"]
    return project


def asked_for() -> set[str]:
    lines = described()["dependencies"]
    assert isinstance(lines, list)
    return required_by(lines)


def test_installing_it_brings_thirteen_distributions_at_most() -> None:
    """Itself included; every requirement of every requirement, for this Python, as installed here."""
    brought = {"ostiary", *everything_required_by(asked_for())}
    assert len(brought) <= MAX_DISTRIBUTIONS, sorted(brought)
    assert {canonicalize_name(name) for name in ("cryptography", "httpx2", "msgspec")} <= brought
    assert brought & SERVER_ONLY == set()


def test_importing_the_package_loads_nothing_heavy() -> None:
    """Names are looked up on first use."""
    loaded = modules_after("import ostiary")
    assert "ostiary" in loaded
    assert loaded & HEAVY == set()
    # A name that needs none of it brings none.
    assert modules_after("from ostiary import TokenError, OstiaryError, AccessToken") & HEAVY == set()


@pytest.mark.parametrize("name", ["requests", "starlette", "fastapi", "flask", "django", "redis", "jwt", "cedarpy"])
def test_no_public_name_brings_a_framework(name: str) -> None:
    """Whoever uses none of them needs none of them."""
    assert name not in modules_after("from ostiary import *")
