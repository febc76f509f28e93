"""A machine that slept must not wake with yesterday's knowledge: what ages, ages by a clock that goes on."""

from __future__ import annotations

import time
from inspect import signature

import pytest

from ostiary import ClientTokens, Feed, Introspector, SyncClientTokens, SyncIntrospector, SyncVerifier, Verifier
from ostiary.clocks import since_boot

AGEING = (Feed, Verifier, SyncVerifier, Introspector, SyncIntrospector, ClientTokens, SyncClientTokens)


@pytest.mark.parametrize("kind", AGEING)
def test_what_is_believed_for_a_while_counts_the_time_asleep(kind: type[object]) -> None:
    """I2: docs/feed.md, "Age"; nobody has to ask for it."""
    assert signature(kind).parameters["monotonic"].default is since_boot


def test_the_clock_is_the_one_that_goes_on_in_suspend() -> None:
    """Linux has one; elsewhere it is the usual one."""
    clock = getattr(time, "CLOCK_BOOTTIME", None)
    before = time.monotonic() if clock is None else time.clock_gettime(clock)
    now = since_boot()
    assert before <= now <= before + 5
    assert since_boot() >= now
