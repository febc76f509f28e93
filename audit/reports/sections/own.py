"""The sections of the audit log, in the order in which a daily report tells them."""

from pathlib import Path

from audit.reports.scope import SectionMaker
from audit.reports.sections.accounts import make_devices, make_lockouts
from audit.reports.sections.administration import make_administration
from audit.reports.sections.alerting import make_alerting
from audit.reports.sections.attacks import make_attacks
from audit.reports.sections.proof import make_proof
from audit.reports.sections.risk import NameSignal, risk_section
from audit.reports.sections.signins import make_signins

# What other rooms know stands between; the proof comes last.
LAST: tuple[SectionMaker, ...] = (make_proof,)
# Alerts are named by the titles of their rules.
FOLDERS: tuple[Path, ...] = (Path(__file__).parent.parent.parent / "alerts",)


def own_sections(name_signal: NameSignal) -> tuple[SectionMaker, ...]:
    """What happened; `name_signal` says what the risk room calls its signals."""
    return (
        make_signins, risk_section(name_signal), make_attacks, make_lockouts, make_devices, make_administration,
        make_alerting,
    )  # fmt: skip
