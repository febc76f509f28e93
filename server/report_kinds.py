"""Reports beside the daily one: the access review, and the controls pages."""

from datetime import datetime, timedelta
from pathlib import Path

import identity.access_review
from audit.reports.compose import compose
from audit.reports.model import Period, Report
from audit.reports.scope import Sections
from audit.reports.words import load_words
from audit.verification.verify import verify_log
from identity.access_review.sections import SECTIONS, TITLE
from identity.report_sections import name_ids
from identity.services import Services
from server.controls.frameworks import FRAMEWORKS
from server.controls.sections import make_sections
from server.settings import Settings

ACCESS, CONTROLS = "access", "controls"
_REVIEWED = timedelta(days=90)
_REVIEW = Path(identity.access_review.__file__).parent
_ROOM = Path(identity.__file__).parent
_CONTROLS = Path(__file__).parent / "controls"


def access_sections() -> Sections:
    """The sections of the access review."""
    return Sections(makers=SECTIONS, folders=(_ROOM, _REVIEW), name_ids=name_ids)


async def compose_access(services: Services, *, language: str, made_by: str, now: datetime) -> Report:
    """The access review as things are now; its period is the one within which something counts as used."""
    sections = access_sections()
    words = load_words(language, sections.folders)
    period, title = Period(now - _REVIEWED, now), words.text(TITLE)
    return await compose(
        services.audit, sections, period, kind=ACCESS, title=title, words=words, made_by=made_by, now=now
    )


async def controls_sections(services: Services, settings: Settings, framework: str) -> Sections:
    """The sections of a framework's controls page; the whole log is verified for it, now."""
    verdict = await verify_log(services.audit)
    makers = make_sections(settings, FRAMEWORKS[framework], verdict)
    return Sections(makers=makers, folders=(_ROOM, _REVIEW, _CONTROLS), name_ids=name_ids)


async def compose_controls(
    services: Services, sections: Sections, framework: str, period: Period, *, language: str, made_by: str,
    now: datetime,
) -> Report:  # fmt: skip
    """The controls page of a framework over a period."""
    words = load_words(language, sections.folders)
    title = words.text(FRAMEWORKS[framework].title)
    note = words.text(
        "This page says what this server's settings and records show. It is evidence for an assessment, and no"
        " statement that a standard is met; the words about each control are ours, not the standard's."
    )
    return await compose(
        services.audit, sections, period, kind=f"{CONTROLS}-{framework}", title=title, words=words, made_by=made_by,
        now=now, notes=(note,),
    )  # fmt: skip
