"""How many letters somebody may cause: a person's mailbox is not a toy, nor is a stranger's."""

from datetime import datetime, timedelta

from identity.services import Services

MOST_LETTERS = 5
WINDOW = timedelta(hours=1)


async def may_send(
    services: Services, kind: str, whose: str, *, window: timedelta = WINDOW, now: datetime
) -> bool:  # fmt: skip
    """Whether one more letter of this kind may go to `whose` (a person, an address) in this `window`. Counts it.

    The store of the counters need not know who it was, so it is given a keyed value.
    """
    key = f"letters:{kind}:{services.emitter.index('letters ' + kind, whose).hex()}"
    verdict = await services.rates.hit(key, limit=MOST_LETTERS, window_s=int(window.total_seconds()), now=now)
    return verdict.allowed
