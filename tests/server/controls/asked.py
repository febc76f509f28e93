"""Asks one check of a world."""

from __future__ import annotations

from datetime import timedelta

from audit.reports.model import Period
from audit.reports.scope import Scope
from audit.reports.tally import load_tally
from audit.reports.words import load_words
from audit.verification.verify import verify_log
from server.controls.checks import Answer, Check, Facts
from server.settings import Settings, load_settings
from tests.world import World


def settings_of(**values: str) -> Settings:
    """The settings with these set, by their names without `OSTIARY_`, in lower case."""
    return load_settings(environ={f"OSTIARY_{name.upper()}": value for name, value in values.items()}).settings


async def ask(world: World, check: Check, **values: str) -> Answer:
    """What a check says of the last 90 days, under these settings."""
    audit, now = world.services.audit, world.clock()
    verdict, period = await verify_log(audit), Period(now - timedelta(days=90), now)
    async with audit.database.reading() as db:
        tally = await load_tally(db, period)
        scope = Scope(db=db, audit=audit, period=period, words=load_words("en"), tally=tally, before=tally, now=now)
        return await check.run(Facts(scope, settings_of(**values), verdict))
