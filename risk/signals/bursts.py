"""Failures of late: at the account, at the address, in its network, and the same over many accounts (a spray)."""

from math import exp

from risk.chains import Compared
from risk.sighting import Activity, Surroundings
from risk.values import Reason

# A person mistypes; what is left after that grows towards these bounds.
ACCOUNT_MOST, ADDRESS_MOST, NETWORK_MOST, SPRAY_MOST = 2.0, 2.0, 1.0, 2.5
_MISTYPED = 2.0
# Behind a shared address one sign-in in seven begins with a failure.
_FAILURES_OF_GOOD_ONES = 0.15
_HALF_WAY = 6.0
# Failures at the account say less where the device is the person's: others may have failed, and it was not them.
_OWN_DEVICE = 0.4


def find_bursts(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`account_burst`, `address_burst` or `address_spray`, `network_burst` or `network_spray`."""
    reasons = []
    if around.account is not None:
        odds = ACCOUNT_MOST * _part(around.account.failures - _MISTYPED)
        if compared.device is not None:
            odds *= _OWN_DEVICE
        if odds > 0.0:
            reasons.append(Reason("account_burst", odds, detail={"failures": round(around.account.failures)}))
    reasons.extend(_of_source("address", around.address, ADDRESS_MOST, SPRAY_MOST, 1.0))
    # A network is many households: it takes four times as much to say something of one of them.
    reasons.extend(_of_source("network", around.network, NETWORK_MOST, SPRAY_MOST / 2, 4.0))
    return tuple(reasons)


def _of_source(
    name: str, seen: Activity | None, burst_most: float, spray_most: float, size: float
) -> tuple[Reason, ...]:
    if seen is None:
        return ()
    usual = _FAILURES_OF_GOOD_ONES * seen.successes + _MISTYPED
    burst = burst_most * _part((seen.failures - usual) / size)
    spray = spray_most * _part((2.0 * (seen.people - 1.0) - usual) / size)
    if burst <= 0.0 and spray <= 0.0:
        return ()
    if spray > burst:
        return (Reason(f"{name}_spray", spray, detail={"people": round(seen.people)}),)
    return (Reason(f"{name}_burst", burst, detail={"failures": round(seen.failures)}),)


def _part(excess: float) -> float:
    return 1.0 - exp(-excess / _HALF_WAY) if excess > 0.0 else 0.0
