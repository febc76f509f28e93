"""When a refusal is answered: at a common deadline, and later the more failures there were (S22, S23)."""

import asyncio
from datetime import timedelta

from identity.services import Services

# The third failure in a row waits twice as long, the fourth four times; a closed door as long as the last failure.
_MOST = 8


def slowed(deadline: timedelta, failures: int) -> timedelta:
    """The deadline after so many failures."""
    return deadline * min(1 << max(0, failures - 2), _MOST)


async def count_typed(services: Services, typed_digest: str) -> int:
    """How often what was typed did not work lately, this time included, at most as often as closes a door.

    Not how often the account's own counter says: a second name that is slow at once would show that both are one
    account's.
    """
    settings = services.settings
    limit, window_s = settings.lockout_failures, int(settings.lockout_duration.total_seconds())
    verdict = await services.rates.hit(f"slow:{typed_digest}", limit=limit, window_s=window_s, now=services.clock())
    return limit - verdict.remaining


async def answer_late(began: float, deadline: timedelta, failures: int) -> None:
    """Waits until the deadline, counted from `began` (the loop's time), so that time does not tell what was wrong."""
    until = began + slowed(deadline, failures).total_seconds()
    await asyncio.sleep(max(0.0, until - asyncio.get_running_loop().time()))
