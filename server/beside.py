"""The work that a process does beside its requests and that is not its own upkeep: alerts, exports, reports, retention.

Every process of a deployment runs all of it; where only one may, a lease says which.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from audit.removal.erasure import Erasures
from audit.removal.retention import Retention
from identity.services import Services
from server.alerting import ALERT_S, EMERGENCY_S, make_alerting, make_emergency
from server.mail_sending import SEND_EVERY_S, make_sending
from server.metrics import Metrics
from server.reporting import make_daily_report
from server.risk import ROUND_S, RiskRounds
from server.settings import Settings
from server.siem_exports import make_exports, tell_lags

EXPORT_S = 1.0
UPKEEP_S = 60.0


@dataclass(frozen=True, slots=True)
class Work:
    """One piece of it: `round` is one bounded round, `stop` ends it in good order."""

    name: str
    every_s: float
    round: Callable[[], Awaitable[None]]
    stop: Callable[[], Awaitable[None]] | None = None


def make_work(settings: Settings, services: Services, metrics: Metrics) -> list[Work]:
    """What the settings ask for."""
    audit, alerting = services.audit, make_alerting(settings, services)
    emergency = make_emergency(settings, services, lambda: metrics.audit_write_failures)
    erasures, retention = Erasures(audit), Retention(audit)
    daily, exports = make_daily_report(services, settings.report), make_exports(settings, audit)
    tell_lags(metrics, exports)
    work = [
        Work("alerts", ALERT_S, alerting.round, alerting.stop),
        Work("the alert that events cannot be written", EMERGENCY_S, emergency.round, emergency.stop),
        Work("erasures", UPKEEP_S, erasures.round),
        Work("retention", UPKEEP_S, retention.round, retention.stop),
        Work("the daily report", UPKEEP_S, daily.round, daily.stop),
        Work("what is usual among everyone", ROUND_S, RiskRounds(services).round),
        *(Work(f"the {name} export", EXPORT_S, each.round, each.stop) for name, each in exports.items()),
    ]
    mail = make_sending(settings, services)
    if mail is not None:
        work.append(Work("letters", SEND_EVERY_S, mail.send_due))
    return work
