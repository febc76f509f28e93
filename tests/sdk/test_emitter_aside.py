"""Events that the server does not take yet, or finds unreadable: they let the others pass, and nothing is lost."""

from __future__ import annotations

import logging
from datetime import UTC, datetime, timedelta
from pathlib import Path

import msgspec
import pytest

from ostiary import EmitterLimits
from ostiary.emitter_sender import AHEAD
from ostiary.spool_folder import LOCK
from ostiary.spool_frames import pack
from tests.sdk.intake_server import Intake, MakeEmitter, until


@pytest.fixture
def _quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    """Minutes become hundredths of a second."""
    monkeypatch.setattr("ostiary.emitter_sender.ASIDE_S", 0.03)
    monkeypatch.setattr("ostiary.emitter_sender.SLOW_PAUSE_S", 0.01)
    monkeypatch.setattr("ostiary.emitter_rules.LONGEST_PAUSE_S", 0.02)
    monkeypatch.setattr("ostiary.emitter_pipeline.OPEN_EVERY_S", 0.03)


pytestmark = pytest.mark.usefixtures("_quickly")


def test_events_of_a_clock_that_is_ahead_wait_until_the_servers_clock_is_there(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Six minutes ahead, as a machine without time service is: all arrive, none is refused, and it is logged once."""
    intake.clock_behind = timedelta(minutes=6)
    emitter = open_emitter()
    sent = [emitter.emit("order.placed", severity="HIGH") for _ in range(100)]
    until(lambda: emitter.stats.last_error == AHEAD)
    later = [emitter.emit("order.placed", severity="HIGH") for _ in range(100)]
    until(lambda: len(intake.batches) > 6)
    assert (emitter.stats.spooled, emitter.stats.refused, intake.stored) == (200, 0, {})
    intake.clock_behind = timedelta(0)
    until(lambda: emitter.stats.sent == 200)
    assert sorted(intake.stored) == sorted(sent + later)
    assert emitter.stats == type(emitter.stats)(0, 0, 200, 0, 0, "")
    assert not (tmp_path / "refused.ndjson").exists()
    said = [record.getMessage() for record in caplog.records if record.levelno >= logging.WARNING]
    assert said == [f"{AHEAD}; they wait"]


def test_one_event_of_another_year_holds_up_no_other_and_an_old_one_is_refused(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path
) -> None:
    """What is left of the batch lies on the disk alone, and is there after a restart."""
    intake.go_away()
    emitter = open_emitter()
    now = datetime.now(UTC)
    emitter.emit("order.foretold", severity="HIGH", at=now + timedelta(days=400))
    emitter.emit("order.remembered", severity="HIGH", at=now - timedelta(days=40))
    for _ in range(5):
        emitter.emit("order.placed", severity="HIGH")
    emitter.emit("order.looked_at")
    until(lambda: emitter.stats.spooled == 8)
    intake.come_back()
    until(lambda: emitter.stats.sent == 6)
    assert intake.names() == ["order.placed"] * 5 + ["order.looked_at"]
    until(lambda: emitter.stats.spooled == 1)
    assert (emitter.stats.refused, emitter.stats.last_error) == (1, AHEAD)
    kept = msgspec.json.decode((tmp_path / "refused.ndjson").read_bytes())
    assert kept["event"]["name"] == "order.remembered"
    emitter.close()
    assert intake.repeated == 0
    (file,) = tmp_path.rglob("*.seg")
    assert b"order.foretold" in file.read_bytes()
    assert b"order.placed" not in file.read_bytes()
    intake.clock_behind = timedelta(days=-400)
    intake.stored.clear()
    successor = open_emitter()
    successor.start()
    until(lambda: intake.names() == ["order.foretold"])


def test_events_that_wait_for_a_clock_stay_within_the_spools_bound(open_emitter: MakeEmitter, intake: Intake) -> None:
    """The oldest go, and are counted, as if the server were away."""
    intake.clock_behind = timedelta(days=1)
    emitter = open_emitter(limits=EmitterLimits(delay_s=0, spool_bytes=65_536))
    for number in range(1_000):
        emitter.emit("order.placed", data={"number": number})
    until(lambda: emitter.stats.buffered == 0 and emitter.stats.dropped > 0)
    assert emitter.stats.spooled + emitter.stats.dropped == 1_000
    intake.clock_behind = timedelta(0)
    until(lambda: emitter.stats.spooled == 0)
    until(lambda: "audit.gap" in intake.names())
    assert intake.names().count("order.placed") == 1_000 - emitter.stats.dropped


def test_a_batch_that_is_never_read_lets_the_others_pass_and_loses_the_one_bad_event(
    open_emitter: MakeEmitter, intake: Intake, tmp_path: Path
) -> None:
    """400 again and again: once others arrive, the fault is in the batch, which is halved until it is found."""
    intake.unreadable_names = {"order.bad"}
    intake.go_away()
    emitter = open_emitter()
    for number in range(40):
        emitter.emit("order.bad" if number == 17 else "order.placed", severity="HIGH")
    until(lambda: emitter.stats.spooled == 40)
    intake.come_back()
    until(lambda: len(intake.batches) > 4)
    assert emitter.stats.refused == 0, "nothing shows yet that the fault is not the server's"
    assert emitter.stats.last_error == "the server answered 400: 'expected JSON'"
    emitter.emit("order.looked_at")
    until(lambda: emitter.stats.spooled == 0)
    assert (emitter.stats.sent, emitter.stats.refused, intake.repeated) == (40, 1, 0)
    assert sorted(map(str, intake.names())) == ["order.looked_at"] + ["order.placed"] * 39
    kept = msgspec.json.decode((tmp_path / "refused.ndjson").read_bytes())
    assert (kept["event"]["name"], kept["why"]) == ("order.bad", "the server answered 400: 'expected JSON'")


def test_a_server_that_reads_nothing_at_all_costs_no_event(open_emitter: MakeEmitter, intake: Intake) -> None:
    """A proxy that was set up wrongly answers 400 to everything; then it is mended."""
    intake.is_broken = True
    emitter = open_emitter()
    for wave in range(1, 4):
        emitter.emit("order.placed", severity="HIGH")
        emitter.emit("order.looked_at")
        until(lambda wave=wave: len(intake.batches) > 8 * wave)
    assert (emitter.stats.refused, emitter.stats.spooled) == (0, 6)
    intake.is_broken = False
    until(lambda: emitter.stats.sent == 6)
    assert emitter.stats.refused == 0


def test_what_is_no_json_in_the_folder_stops_nothing(open_emitter: MakeEmitter, intake: Intake, tmp_path: Path) -> None:
    """Left by something else with a right checksum; the server can say no more of it than 400."""
    left = tmp_path / "process-1-aa"
    left.mkdir(mode=0o700)
    (left / LOCK).touch()
    (left / "raised-0000000000.seg").write_bytes(pack([b"not JSON"]))
    emitter = open_emitter()
    emitter.start()
    until(lambda: emitter.stats.spooled == 1)
    emitter.emit("order.placed", severity="HIGH")
    until(lambda: emitter.stats.spooled == 0)
    assert (emitter.stats.sent, emitter.stats.refused) == (1, 1)
