"""The emitter and the real server: what one sends the other stores, once, however often the server goes away."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TypedDict

import httpx2
import msgspec
import pytest

from audit.catalogue import all_types
from audit.intake.schema import EXPECTED, RESERVED_ACTORS, RESERVED_FAMILIES, WrongEvents, parse_batch
from ostiary import AuditEmitter, EmitterLimits, emitter_events
from ostiary.emitter_events import OUTCOMES, SEVERITIES
from ostiary.testing import RecordedEvents
from tests.sdk.intake_server import until
from tests.server.process import environment, ports, run, serving

SCOPE = "audit:write"
LIMITS = EmitterLimits(delay_s=0.05, timeout_s=5)


class Numbered(TypedDict):
    """The data of the events that these tests count."""

    number: int


@pytest.fixture
def environ(tmp_path: Path) -> Mapping[str, str]:
    return environment(tmp_path, **ports())


@pytest.fixture
def token(environ: Mapping[str, str]) -> Callable[[], str]:
    """A token function as a service has one: it asks the token endpoint when its token is about to end."""
    ended = run(
        environ, "client", "create", "--name", "orders", "--grant", "client_credentials", "--scope", SCOPE, "--json"
    )
    assert ended.returncode == 0, ended.stderr
    client = msgspec.json.decode(ended.stdout, type=dict[str, str])
    issuer = f"http://localhost:{environ['OSTIARY_LISTEN'].rpartition(':')[2]}"
    known: list[tuple[str, float]] = []

    def give() -> str:
        if not known or known[-1][1] < time.monotonic():
            answer = httpx2.post(
                f"{issuer}/oauth/token",
                data={"grant_type": "client_credentials", "scope": SCOPE, "resource": issuer},
                auth=(client["client_id"], client["client_secret"]),
                trust_env=False,
            )
            answer.raise_for_status()
            found = answer.json()
            known.append((found["access_token"], time.monotonic() + found["expires_in"] - 30))
        return known[-1][0]

    return give


def exported(environ: Mapping[str, str]) -> list[dict[str, object]]:
    """Every event in the server's log."""
    ended = run(environ, "audit", "export")
    assert ended.returncode == 0, ended.stderr
    return [msgspec.json.decode(line, type=dict[str, object]) for line in ended.stdout.splitlines()]


def data_of(events: list[dict[str, object]], name: str) -> list[Numbered]:
    """What the events of a name say."""
    return [msgspec.convert(event["data"], Numbered) for event in events if event["name"] == name]


def names_of(events: list[dict[str, object]]) -> Counter[object]:
    """How many there are of each name."""
    return Counter(event["name"] for event in events)


def test_ten_thousand_events_are_stored_once_although_the_server_goes_away_twice(
    environ: Mapping[str, str], token: Callable[[], str], tmp_path: Path
) -> None:
    """While they are emitted the server stops and starts again; it never stops the service."""
    with serving(environ) as (welcome, _):
        emitter = AuditEmitter(welcome["issuer"], token, spool_dir=tmp_path / "spool", limits=LIMITS)
        for number in range(4_000):
            emitter.emit("order.placed", data={"number": number})
        until(lambda: emitter.stats.sent)
    for number in range(4_000, 6_000):
        emitter.emit("order.placed", data={"number": number})
    emitter.emit("order.stolen", severity="HIGH", outcome="failure", address="203.0.113.9", personal={"name": "Ada"})
    emitter.emit("login.failed")
    with serving(environ):
        for number in range(6_000, 8_000):
            emitter.emit("order.placed", data={"number": number})
    for number in range(8_000, 10_000):
        emitter.emit("order.placed", data={"number": number})
    with serving(environ):
        until(lambda: emitter.stats.sent == 10_001, within_s=60)
        emitter.close()
        found = exported(environ)
    assert emitter.stats.refused == 1
    assert emitter.stats.spooled == emitter.stats.dropped == 0
    numbers = [data["number"] for data in data_of(found, "order.placed")]
    assert sorted(numbers) == list(range(10_000))
    names = names_of(found)
    assert (names["order.stolen"], names["login.failed"], names["admin.intake_refused"]) == (1, 0, 1)


def test_what_emit_takes_the_servers_schema_takes_and_its_fields_are_the_servers() -> None:
    """One rule on both sides: an event that a program was not told to be wrong is not refused minutes later."""
    recorded = RecordedEvents()
    for severity in SEVERITIES:
        for outcome in OUTCOMES:
            recorded.emit(
                "order.refunded",
                severity=severity,
                outcome=outcome,
                message="x" * 500,
                sub="s" * 128,
                actor="a" * 128,
                client_id="c" * 64,
                session="ses_" + "0" * 32,
                address="2001:db8::1",
                data={f"k{number}": "ü" * 100 for number in range(29)} | {"whole": 2**53, "part": -0.5, "none": None},
                personal={f"p{number}": "x" * 200 for number in range(8)},
            )
    body = msgspec.json.encode({"events": recorded.events})
    assert len(parse_batch(body, now=datetime.now(UTC), own_names=set(all_types()))) == 9
    assert recorded.events[0].keys() == EXPECTED.keys()


def test_what_only_the_server_may_tell_is_refused_on_both_sides() -> None:
    """A service cannot tell of an administrator's act, nor name the server itself as the one who acted."""
    assert emitter_events.RESERVED_FAMILIES == RESERVED_FAMILIES
    assert emitter_events.RESERVED_ACTORS == RESERVED_ACTORS
    recorded = RecordedEvents()
    recorded.emit("order.refunded")
    forged: list[tuple[dict[str, object], dict[str, str]]] = [
        *(({**recorded.events[0], "name": f"{each}done"}, {"name": f"{each}done"}) for each in RESERVED_FAMILIES),
        *(({**recorded.events[0], "actor": each}, {"name": "order.placed", "actor": each}) for each in RESERVED_ACTORS),
    ]
    body = msgspec.json.encode({"events": [event for event, _ in forged]})
    with pytest.raises(WrongEvents) as refused:
        parse_batch(body, now=datetime.now(UTC), own_names=set())
    assert [fault.index for fault in refused.value.faults] == list(range(len(forged)))
    emit: Callable[..., str] = recorded.emit
    for _, given in forged:
        with pytest.raises(ValueError, match=r"(name|actor) must be .*not"):
            emit(**given)
