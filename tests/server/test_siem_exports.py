"""What the settings say of SIEMs: checked at the start, made into exporters, and told among the metrics."""

from __future__ import annotations

from pathlib import Path

import pytest
import trustme

from audit.siem.file_export import FileExport
from audit.siem.syslog_export import SyslogExport
from server.metrics import Metrics
from server.settings import Settings, SettingsRefused, load_settings
from server.siem_exports import make_exports, tell_lags
from tests.audit.siem.stored_events import emit
from tests.world import World
from tests.world_fixtures import world

__all__ = ["world"]


def settings_of(**given: object) -> Settings:
    """Settings with these variables under `OSTIARY_SIEM__`."""
    return load_settings(environ={f"OSTIARY_SIEM__{name}": str(value) for name, value in given.items()}).settings


@pytest.mark.parametrize("url", ["siem:6514", "tcp://siem:6514", "tls://", "tls://siem:0", "tls://siem/x"])
def test_a_receiver_that_is_no_tls_address_is_refused(url: str) -> None:
    """S48"""
    with pytest.raises(SettingsRefused) as refused:
        settings_of(SYSLOG_URL=url)
    assert refused.value.faults == ("OSTIARY_SIEM__SYSLOG_URL: expected tls://host:6514, with nothing behind the port",)


def test_authorities_must_be_certificates_and_belong_to_a_receiver(tmp_path: Path) -> None:
    wrong, right = tmp_path / "wrong.pem", tmp_path / "right.pem"
    wrong.write_text("no certificate")
    trustme.CA().cert_pem.write_to_path(right)
    with pytest.raises(SettingsRefused) as refused:
        settings_of(SYSLOG_CA=wrong)
    first, second = refused.value.faults
    assert first == "OSTIARY_SIEM__SYSLOG_CA: expected OSTIARY_SIEM__SYSLOG_URL too"
    assert second.startswith("OSTIARY_SIEM__SYSLOG_CA: expected a file of PEM certificates: ")
    assert settings_of(SYSLOG_CA=right, SYSLOG_URL="tls://siem").siem.syslog_ca == right


def test_a_form_that_nobody_reads_is_refused() -> None:
    with pytest.raises(SettingsRefused, match=r"OSTIARY_SIEM__FILE_FORMAT: input should be 'ocsf', 'ecs' or 'cef'"):
        settings_of(FILE="events", FILE_FORMAT="xml")


@pytest.mark.anyio
async def test_what_is_set_becomes_an_exporter_and_its_lag_a_metric(world: World, tmp_path: Path) -> None:
    assert make_exports(settings_of(), world.services.audit) == {}
    settings = settings_of(SYSLOG_URL="tls://siem.example.com", FILE=tmp_path / "events", FILE_FORMAT="cef")
    exports = make_exports(settings, world.services.audit)
    assert [type(each) for each in exports.values()] == [SyslogExport, FileExport]
    metrics = Metrics()
    tell_lags(metrics, exports)
    assert b"ostiary_siem_lag_events{" not in metrics.text()
    await emit(world, 2)
    await exports["file"].round()
    text = metrics.text().decode()
    assert 'ostiary_siem_lag_events{exporter="file"} 0.0' in text
    assert 'ostiary_siem_lag_seconds{exporter="file"} 0.0' in text
    assert 'exporter="syslog"' not in text
    assert (tmp_path / "events").read_text().count("CEF:0|Ostiary|") == 6
    for export in exports.values():
        await export.stop()
