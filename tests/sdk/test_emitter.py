"""The emitter against a server on a real socket: what arrives, how often, and what waits when it cannot."""

from __future__ import annotations

import asyncio
import threading
import time
from pathlib import Path

import pytest

from ostiary import AuditEmitter, ConfigurationError, EmitterLimits
from tests.sdk.intake_server import TOKEN, Intake, MakeEmitter, until


def test_an_event_arrives_with_everything_that_was_said(open_emitter: MakeEmitter, intake: Intake) -> None:
    emitter = open_emitter()
    event_id = emitter.emit(
        "order.refunded",
        severity="HIGH",
        outcome="failure",
        message="The bank said no.",
        sub="s-1",
        actor="usr_1",
        client_id="cli_1",
        session="ses_" + "0" * 32,
        address="203.0.113.9",
        data={"order": "A-1", "amount": 12.5, "partial": False, "reason": None},
        personal={"email": "ada@example.com"},
    )
    emitter.close()
    (stored,) = intake.stored.values()
    assert stored.pop("at")
    assert stored == {
        "id": event_id,
        "name": "order.refunded",
        "severity": "HIGH",
        "outcome": "failure",
        "message": "The bank said no.",
        "sub": "s-1",
        "actor": "usr_1",
        "client_id": "cli_1",
        "session": "ses_" + "0" * 32,
        "address": "203.0.113.9",
        "data": {"order": "A-1", "amount": 12.5, "partial": False, "reason": None},
        "personal": {"email": "ada@example.com"},
    }


def test_ten_thousand_events_arrive_once_in_batches_of_a_thousand_at_most(
    open_emitter: MakeEmitter, intake: Intake
) -> None:
    emitter = open_emitter(limits=EmitterLimits(buffer_events=20_000, delay_s=0.1))
    sent = [emitter.emit("order.placed", data={"number": number}) for number in range(10_000)]
    until(lambda: len(intake.stored) == 10_000)
    assert list(intake.stored) == sent
    assert intake.repeated == 0
    assert max(len(batch.events) for batch in intake.batches) == 1_000
    assert len(intake.batches) <= 20
    until(lambda: emitter.stats.sent == 10_000)
    assert emitter.stats == type(emitter.stats)(0, 0, 10_000, 0, 0, "")


def test_events_wait_on_disk_while_the_server_is_away(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path
) -> None:
    """Files that only their owner can read."""
    intake.go_away()
    emitter = open_emitter()
    for number in range(2_500):
        emitter.emit("order.placed", data={"number": number})
    until(lambda: emitter.stats.spooled == 2_500 and emitter.stats.last_error != "")
    files = list(tmp_path.rglob("*.seg"))
    assert len(files) >= 3
    assert {path.stat().st_mode & 0o777 for path in tmp_path.rglob("*") if path.is_file()} == {0o600}
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o700}
    assert "ConnectError" in emitter.stats.last_error
    intake.come_back()
    until(lambda: len(intake.stored) == 2_500)
    until(lambda: not list(tmp_path.rglob("*.seg")))
    assert emitter.stats.last_error == ""


def test_the_rest_of_a_closed_emitter_is_sent_by_the_next_one(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path
) -> None:
    intake.go_away()
    first = open_emitter()
    ids = [first.emit("order.placed") for _ in range(10)]
    first.close()
    intake.come_back()
    second = open_emitter()
    second.start()
    until(lambda: list(intake.stored) == ids)
    second.close()
    assert [path.name for path in tmp_path.iterdir()] == []


def test_raised_events_go_before_low_ones(open_emitter: MakeEmitter, intake: Intake) -> None:
    """An alert must not wait behind a night of small things."""
    intake.go_away()
    emitter = open_emitter()
    emitter.emit("order.looked_at")
    until(lambda: emitter.stats.last_error)
    for _ in range(1_500):
        emitter.emit("order.looked_at")
    emitter.emit("order.stolen", severity="HIGH")
    until(lambda: emitter.stats.spooled == 1_502)
    intake.come_back()
    until(lambda: len(intake.stored) == 1_502)
    assert intake.names().index("order.stolen") <= 1


def test_a_slow_server_makes_no_caller_wait(open_emitter: MakeEmitter, intake: Intake) -> None:
    """While it holds the first batch, thousands of events are taken in and reach the disk."""
    intake.delay_s = 1
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: intake.batches)
    for _ in range(5_000):
        emitter.emit("order.placed")
    until(lambda: emitter.stats.buffered == 0)
    assert not intake.stored, "the callers waited for the server"
    assert emitter.stats.spooled == 5_001
    intake.delay_s = 0
    until(lambda: len(intake.stored) == 5_001)


def test_a_full_spool_drops_the_oldest_low_events_and_says_so_later(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The gap stands in the log of the server."""
    intake.go_away()
    emitter = open_emitter(limits=EmitterLimits(delay_s=0, spool_bytes=65_536))
    raised = [emitter.emit("order.stolen", severity="HIGH") for _ in range(20)]
    until(lambda: emitter.stats.spooled == 20 and emitter.stats.last_error)
    low = [emitter.emit("order.looked_at") for _ in range(1_000)]
    until(lambda: emitter.stats.buffered == 0)
    until(lambda: emitter.stats.dropped)
    dropped = emitter.stats.dropped
    assert emitter.stats.spooled + dropped == 1_020
    intake.come_back()
    until(lambda: "audit.gap" in intake.names())
    until(lambda: emitter.stats.spooled == 0)
    kept = [each for each in intake.stored if each in low]
    assert kept == low[dropped:], "not the oldest were dropped"
    assert [each for each in intake.stored if each in raised] == raised
    (gap,) = (event for event in intake.stored.values() if event["name"] == "audit.gap")
    data = gap["data"]
    assert isinstance(data, dict)
    assert (gap["severity"], gap["outcome"], data["dropped"]) == ("MEDIUM", "failure", dropped)
    assert data["since"] <= data["until"]


def test_without_a_folder_events_wait_in_memory_within_its_bound(open_emitter: MakeEmitter, intake: Intake) -> None:
    intake.go_away()
    emitter = open_emitter(spool_dir=None, limits=EmitterLimits(delay_s=0, buffer_bytes=65_536))
    for _ in range(2_000):
        emitter.emit("order.placed")
    until(lambda: emitter.stats.buffered == 0)
    assert emitter.stats.dropped + emitter.stats.spooled == 2_000
    assert 0 < emitter.stats.spooled < 600
    intake.come_back()
    until(lambda: "audit.gap" in intake.names())


def test_a_folder_that_cannot_be_made_stops_nothing(open_emitter: MakeEmitter, intake: Intake, tmp_path: Path) -> None:
    """A file stands in its place: events stay in memory, and `stats` says why."""
    (tmp_path / "taken").write_text("")
    emitter = open_emitter(spool_dir=tmp_path / "taken")
    intake.go_away()
    emitter.emit("order.placed")
    until(lambda: emitter.stats.last_error)
    intake.come_back()
    until(lambda: len(intake.stored) == 1)
    assert emitter.stats.last_error.startswith("spool: ")


def test_closing_sends_the_last_events_and_later_ones_are_counted(
    open_emitter: MakeEmitter, intake: Intake, caplog: pytest.LogCaptureFixture
) -> None:
    emitter = open_emitter(limits=EmitterLimits(delay_s=60))
    for _ in range(50):
        emitter.emit("order.placed")
    emitter.close()
    assert len(intake.stored) == 50
    emitter.emit("order.placed")
    assert emitter.stats.dropped == 1
    assert "after the emitter was closed" in caplog.text


def test_closing_waits_no_longer_than_it_may(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The server holds the batch for longer; what it did not answer waits in the spool."""
    intake.delay_s = 3
    emitter = open_emitter()
    emitter.emit("order.placed")
    until(lambda: intake.batches)
    began_at = time.monotonic()
    emitter.close(0.2)
    assert time.monotonic() - began_at < 2
    assert emitter.stats.spooled == 1


@pytest.mark.anyio
async def test_an_event_loop_goes_on_while_the_emitter_closes(open_emitter: MakeEmitter, intake: Intake) -> None:
    intake.delay_s = 0.5
    emitter = open_emitter()
    emitter.emit("order.placed")
    closing = asyncio.create_task(emitter.aclose())
    turns = 0
    while not closing.done():
        await asyncio.sleep(0.01)
        turns += 1
    assert turns > 5
    assert len(intake.stored) == 1


def test_events_of_many_threads_all_arrive(open_emitter: MakeEmitter, intake: Intake) -> None:
    emitter = open_emitter()

    def work() -> None:
        for _ in range(500):
            emitter.emit("order.placed")

    threads = [threading.Thread(target=work) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    until(lambda: len(intake.stored) == 4_000)
    assert intake.repeated == 0


def test_wrong_settings_are_named_at_once(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="issuer must be an https URL"):
        AuditEmitter("http://id.example.com", lambda: TOKEN, spool_dir=tmp_path)
    with pytest.raises(ConfigurationError, match="token must be a function"):
        AuditEmitter("https://id.example.com", TOKEN, spool_dir=tmp_path)  # type: ignore[arg-type]
    with pytest.raises(ConfigurationError, match="spool_bytes at least 65536"):
        EmitterLimits(spool_bytes=1)
    with pytest.raises(ConfigurationError, match="must be finite and not negative"):
        EmitterLimits(delay_s=float("nan"))
    with pytest.raises(ConfigurationError, match="timeout_s must be above 0"):
        EmitterLimits(timeout_s=0)
