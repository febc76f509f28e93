"""What the operator's lists and the network's kind say of an address; somebody's usual network counts little."""

from risk.chains import Compared
from risk.history import facets
from risk.sighting import Surroundings
from risk.values import Reason

_WEIGHTS = {"blocked": 6.0, "tor": 2.0, "anonymous": 1.2, "hosting": 1.2, "mobile": 0.0}
_ANY_OTHER = 1.0
# What everyone may be behind, and some people always are.
_AS_EVER = 0.25
_NEVER_USUAL = frozenset({"blocked"})


def find_reputation(compared: Compared, around: Surroundings) -> tuple[Reason, ...]:
    """`listed_blocked`, `listed_tor`, `listed_anonymous`, `listed_hosting` or `listed`: of several the heaviest."""
    lists = set(around.lists or ())
    if compared.sighting.place.network_kind:
        lists.add(compared.sighting.place.network_kind)
    is_usual = bool(compared.known[facets.ADDRESS] or compared.known[facets.NETWORK] or compared.known[facets.OPERATOR])
    weighed = [
        (_WEIGHTS.get(name, _ANY_OTHER) * (_AS_EVER if is_usual and name not in _NEVER_USUAL else 1.0), name)
        for name in lists
    ]
    odds, name = max(weighed, default=(0.0, ""))
    if not odds:
        return ()
    if name in _WEIGHTS:
        return (Reason(f"listed_{name}", odds),)
    return (Reason("listed", odds, detail={"list": name}),)
