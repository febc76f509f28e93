"""Reports of this deployment: whose sections they have, when the daily one is made, and who is told of it."""

from datetime import time, timedelta
from pathlib import Path

from sqlalchemy.ext.asyncio import AsyncConnection

import identity
from audit.reports.daily import DailyReport, DailySettings
from audit.reports.display import change_of
from audit.reports.model import Report
from audit.reports.scope import Sections
from audit.reports.sections.own import FOLDERS, LAST, own_sections
from audit.reports.words import load_words
from identity.mail.report_letter import promise_report
from identity.report_sections import SECTIONS, name_ids
from identity.services import Services
from risk.sentences import sentence
from server.setting_groups import Report as ReportSettings
from server.setting_values import split_list


def report_sections() -> Sections:
    """The sections of every room, in the order in which a report tells them."""
    return Sections(
        makers=(*own_sections(_signal_words), *SECTIONS, *LAST),
        folders=(*FOLDERS, Path(identity.__file__).parent),
        name_ids=name_ids,
    )


def _signal_words(signal: str, language: str) -> str:
    return sentence(signal, {}, language)


def make_daily_report(services: Services, told: ReportSettings) -> DailyReport:
    """The daily round of one process; who is set in `REPORT__EMAIL` gets a letter with the key figures."""
    sections = report_sections()
    addresses = split_list(told.email or "") if services.settings.has_mail else []

    async def tell(db: AsyncConnection, report: Report) -> None:
        words = load_words(report.language, sections.folders)
        figures = [
            (each.label, " · ".join(filter(None, (words.cell(each.value, each.kind), change_of(each, words)[0]))))
            for each in report.key_figures
        ]
        for address in addresses:
            await promise_report(db, services, report, figures, to=address, now=services.clock())

    hour, minute = told.daily_at.split(":")
    settings = DailySettings(
        is_on=told.daily, at=time(int(hour), int(minute)), language=told.language, keep=timedelta(days=told.keep_days)
    )
    return DailyReport(services.audit, sections, settings, tell=tell)
