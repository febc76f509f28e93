"""Credentials that changed of late: whoever took an account over has done that just before."""

from risk.chains import Compared
from risk.sighting import Surroundings
from risk.values import Reason

# (signal, log-odds at once, seconds after which nothing is left)
_DAY_S = 86_400.0
_RECOVERED = ("account_recovered", 1.2, 7 * _DAY_S)
_FACTOR = ("factor_changed", 0.8, 3 * _DAY_S)
_PASSWORD = ("password_changed", 0.5, 2 * _DAY_S)
PASSWORD_BREACHED, _BREACHED = "password_breached", 0.8
# On a device that is the person's, the change was most likely theirs.
_OWN_DEVICE = 0.3


def find_credentials(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """Each recent change, fading evenly, and `password_breached`."""
    factor = _OWN_DEVICE if compared.device is not None else 1.0
    reasons = [
        Reason(signal, at_once * factor * (1.0 - ago / lasts), detail={"hours": int(ago // 3600)})
        for (signal, at_once, lasts), changed_s in (
            (_RECOVERED, around.recovered_s),
            (_FACTOR, around.factor_changed_s),
            (_PASSWORD, around.password_changed_s),
        )
        if changed_s is not None and (ago := max(0.0, compared.sighting.at_s - changed_s)) < lasts
    ]
    if around.is_breached:
        reasons.append(Reason(PASSWORD_BREACHED, _BREACHED * factor))
    return tuple(reasons)
