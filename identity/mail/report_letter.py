"""The letter that tells of a new report: its key figures, and how to get the whole."""

from collections.abc import Sequence
from datetime import datetime, timedelta

from sqlalchemy.ext.asyncio import AsyncConnection

from audit.reports.model import Report
from identity.mail.letter_values import MOST_FIGURES, Fact, Letter, LetterKind, check_facts
from identity.mail.outbox import promise
from identity.services import Services

_USEFUL_FOR = timedelta(days=3)


async def promise_report(
    db: AsyncConnection,
    services: Services,
    report: Report,
    figures: Sequence[tuple[str, str]],
    *,
    to: str,
    now: datetime,
) -> None:
    """Puts the letter into the outbox in the caller's transaction; `figures` are labels and values as people read."""
    facts: dict[str, Fact] = {"report": report.id, "title": report.title, "from_at": report.period.from_at}
    for number, (label, value) in enumerate(figures[:MOST_FIGURES], start=1):
        facts[f"figure_{number}"] = f"{label}: {value}"
    check_facts(LetterKind.REPORT, facts, issuer=services.settings.issuer)
    letter = Letter(LetterKind.REPORT, to, report.language, facts)
    await promise(db, services, letter, person_id=None, expires_at=now + _USEFUL_FOR, now=now)
