"""The exporters that the settings ask for, and their lag among the metrics."""

from collections.abc import Mapping
from typing import Protocol
from urllib.parse import urlsplit

from audit.services import AuditServices
from audit.siem.place import Lag
from server.metrics import Metrics
from server.settings import Settings


class Export(Protocol):
    """Sends events on to one receiver."""

    @property
    def lag(self) -> Lag | None:
        """How far the receiver is behind; None where another process sends."""

    async def round(self) -> None:
        """Sends what waits; raises StorageUnavailable alone."""

    async def stop(self) -> None:
        """Ends in good order."""


def make_exports(settings: Settings, audit: AuditServices) -> dict[str, Export]:
    """What is set, by name: `syslog`, `file`."""
    exports: dict[str, Export] = {}
    # Imported where they are wanted: most deployments have neither.
    if settings.siem.syslog_url is not None:
        from audit.siem.syslog_export import SyslogExport
        from audit.siem.syslog_target import parse_syslog_url

        exports["syslog"] = SyslogExport(
            audit,
            target=parse_syslog_url(settings.siem.syslog_url),
            authorities=settings.siem.syslog_ca,
            form=settings.siem.syslog_format,
            hostname=urlsplit(settings.issuer).hostname or "localhost",
        )
    if settings.siem.file is not None:
        from audit.siem.file_export import FileExport

        exports["file"] = FileExport(audit, path=settings.siem.file, form=settings.siem.file_format)
    return exports


def tell_lags(metrics: Metrics, exports: Mapping[str, Export]) -> None:
    """Lets the metrics read how far each receiver is behind; it is told by the process that sends."""

    def lags() -> dict[str, Lag]:
        return {name: export.lag for name, export in exports.items() if export.lag is not None}

    metrics.labelled_gauge(
        "ostiary_siem_lag_events", lambda: {(name,): float(lag.events) for name, lag in lags().items()}
    )
    metrics.labelled_gauge("ostiary_siem_lag_seconds", lambda: {(name,): lag.seconds for name, lag in lags().items()})
