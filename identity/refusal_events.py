"""Events of refused requests that anyone may send: kept, but not without a limit, or anyone could fill the log."""

from audit.record import Event
from base.statements import Unit
from identity.services import Services

# A minute's worth from one address, for each kind of event.
MAX_RECORDED = 60
WINDOW_S = 60


async def record_refusal(services: Services, event: Event) -> None:
    """Keeps the event of a refused request, unless its address had its share of this minute already."""
    now = services.clock()
    key = f"refused:{event.type.name}:{event.origin.address}"
    verdict = await services.rates.hit(key, limit=MAX_RECORDED, window_s=WINDOW_S, now=now)
    if verdict.allowed:
        await services.database.write(Unit(rows=(await services.emitter.row(event, now=now),)))
