"""The core stays pure and the SDK stays alone: seen in fresh interpreters, where an `__init__` cannot hide anything."""

import subprocess
import sys
from pathlib import Path

import pytest

import ostiary

PURE = (
    "core",
    "values",
    "errors",
    "claims",
    "compact",
    "strict",
    "jwk",
    "signatures",
    "keyring",
    "unknown_keys",
    "clocks",
    "fork_lock",
    "token_cache",
    "known_headers",
    "standing",
    "introspected",
    "feed_source",
    "discovery",
    "bearer",
    "step_up",
    "wsgi_types",
    "resource_metadata",
    "rates",
    "guard_rules",
    "asgi_types",
    "feed_lines",
    "feed_log",
    "feed_lease",
    "in_force",
    "revocations",
    "failure_policy",
    "feed_gzip",
    "feed_sse",
    "backoff",
    "call_values",
    "token_life",
    "emitter_bell",
    "emitter_buffer",
    "emitter_events",
    "emitter_limits",
    "emitter_rules",
    "emitter_sink",
    "spool_frames",
    "policy.values",
    "policy.schema_tokens",
    "policy.schema_shapes",
)
NETWORK = {"httpx2", "httpcore2", "anyio", "starlette", "jwt", "sqlalchemy", "redis", "ssl", "socket", "asyncio"}
SERVER = {"base", "feed", "audit", "risk", "policy", "identity", "server", "migrations"}
SDK_FOLDER = Path(ostiary.__file__).parents[1]


def modules_after(statement: str) -> set[str]:
    """The top-level modules that a fresh interpreter has loaded after the statement."""
    program = f"import sys; sys.path.insert(0, {str(SDK_FOLDER)!r}); {statement}; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-I", "-c", program], capture_output=True, text=True, check=True, timeout=60)
    return {name.partition(".")[0] for name in done.stdout.split()}


@pytest.mark.parametrize("module", PURE)
def test_a_pure_module_brings_no_network_and_no_framework(module: str) -> None:
    """Rules must be usable where no HTTP client is."""
    loaded = modules_after(f"import ostiary.{module}")
    assert "ostiary" in loaded
    assert not loaded & (NETWORK | SERVER)


def test_the_whole_sdk_brings_nothing_of_the_server_and_no_framework() -> None:
    """`pip install ostiary` alone is enough for every public name but the test kit."""
    loaded = modules_after("from ostiary import *; import ostiary.asgi")
    assert "httpx2" in loaded
    assert not loaded & (SERVER | {"starlette", "fastapi", "jwt", "joserfc", "sqlalchemy"})


def test_every_public_name_can_be_imported_and_no_other() -> None:
    """The names are found on first use; a typing mistake is still an error."""
    for name in ostiary.__all__:
        assert getattr(ostiary, name).__module__.startswith("ostiary.")
    with pytest.raises(AttributeError, match="no attribute 'Verifer'"):
        _ = ostiary.Verifer  # type: ignore[attr-defined]
