"""The sections of the audit log, in the order in which a daily report tells them."""

from pathlib import Path

from audit.reports.scope import SectionMaker
from audit.reports.sections.accounts import make_devices, make_lockouts
from audit.reports.sections.administration import make_administration
from audit.reports.sections.alerting import make_alerting
from audit.reports.sections.attacks import make_attacks
from audit.reports.sections.proof import make_proof
from audit.reports.sections.signins import make_signins

# What happened; what other rooms know follows; the proof comes last.
OWN: tuple[SectionMaker, ...] = (
    make_signins, make_attacks, make_lockouts, make_devices, make_administration, make_alerting,
)  # fmt: skip
LAST: tuple[SectionMaker, ...] = (make_proof,)
# Alerts are named by the titles of their rules.
FOLDERS: tuple[Path, ...] = (Path(__file__).parent.parent.parent / "alerts",)
