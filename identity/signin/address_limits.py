"""Limits on sign-ins from one address and one network: a spray over many accounts locks nobody, and ends here (S23)."""

from audit.record import network_of
from identity.services import Services

WINDOW_S = 900


# Each beginning is a row that stays for half an hour; whoever signs in begins once or twice.
_BEGINNINGS_A_TRY = 10


async def find_begin_wait(services: Services, address: str | None) -> int | None:
    """Seconds to wait before this address may begin another sign-in, or None. Counts the beginning."""
    return await find_wait(services, address, what="begin", times=_BEGINNINGS_A_TRY)


async def find_wait(services: Services, address: str | None, *, what: str = "signin", times: int = 1) -> int | None:
    """Seconds to wait before this address may try again, or None where it may try now. Counts the attempt."""
    # Callers without an address (a socket file) share one counter.
    address = address or "none"
    network = network_of(address) or "none"
    now, settings = services.clock(), services.settings
    limits = (("address", address, settings.address_attempts), ("network", network, settings.network_attempts))
    waits = []
    for kind, value, limit in limits:
        # A keyed value: the store of the counters need not know who was here.
        key = f"{what}:{kind}:{services.emitter.index(kind, value).hex()}"
        verdict = await services.rates.hit(key, limit=limit * times, window_s=WINDOW_S, now=now)
        if not verdict.allowed:
            waits.append(verdict.retry_after_s)
    return max(waits, default=None)
